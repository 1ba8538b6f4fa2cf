-- Servers that know schema 7 or later work with this step.
-- How far each sink of the audit log has confirmed what was delivered to it. positions: for each slot its number (4 bytes) and the first
-- record that is not confirmed (8 bytes), ascending by slot. failing_since: it takes nothing since then, and error says why.
CREATE TABLE audit_sinks (
    sink TEXT COLLATE "C" PRIMARY KEY,
    positions BYTEA NOT NULL CHECK (length(positions) % 12 = 0),
    confirmed_at BIGINT,
    failing_since BIGINT,
    error TEXT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

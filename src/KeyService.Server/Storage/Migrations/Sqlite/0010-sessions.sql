-- Servers that know schema 7 or later work with this step.
-- Second factors of people. seed: encrypted, docs/spec/second-factor.md; empty in state 3. state: 1 offered, 2 active, 3 removed. last_step: the
-- step of the last code that was taken; none is taken twice.
CREATE TABLE second_factors (
    principal TEXT PRIMARY KEY,
    seed BLOB NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
    offered_at INTEGER NOT NULL,
    activated_at INTEGER,
    last_step INTEGER NOT NULL CHECK (last_step >= -1),
    failures INTEGER NOT NULL CHECK (failures >= 0),
    locked_at INTEGER,
    reset_asked_by TEXT,
    reset_asked_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Sessions of people. token_hash: SHA-256 of the token, lower-case hexadecimal. binding: the first factor that opened it. end_reason: 1 closed by
-- the person, 2 idle, 3 too old, 4 ended by an officer, 5 the person was locked, 6 its second factor was taken away.
CREATE TABLE person_sessions (
    token_hash TEXT PRIMARY KEY CHECK (length(token_hash) = 64),
    principal TEXT NOT NULL,
    binding TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    proven_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason INTEGER CHECK (end_reason BETWEEN 1 AND 6),
    ended_by TEXT,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE INDEX person_sessions_open ON person_sessions (principal) WHERE ended_at IS NULL;

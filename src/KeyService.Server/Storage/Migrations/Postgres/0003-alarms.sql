-- Alarms until somebody acknowledges them. One is open while its condition stands or nobody has acknowledged it, and of a kind and
-- subject at most one is open. last_raised_at is when it was told last, repeats how often after the first time.
CREATE TABLE alarms (
    id BIGINT PRIMARY KEY,
    kind BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    severity BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    last_raised_at BIGINT NOT NULL,
    repeats BIGINT NOT NULL CHECK (repeats >= 0),
    cleared_at BIGINT,
    acknowledged_at BIGINT,
    acknowledged_by TEXT COLLATE "C",
    acknowledged_note TEXT COLLATE "C",
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE UNIQUE INDEX alarms_open ON alarms (kind, subject) WHERE cleared_at IS NULL OR acknowledged_at IS NULL;

CREATE INDEX alarms_by_time ON alarms (raised_at);

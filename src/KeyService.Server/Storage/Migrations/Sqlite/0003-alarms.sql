-- Alarms until somebody acknowledges them. One is open while its condition stands or nobody has acknowledged it, and of a kind and
-- subject at most one is open. last_raised_at is when it was told last, repeats how often after the first time.
CREATE TABLE alarms (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    severity INTEGER NOT NULL,
    raised_at INTEGER NOT NULL,
    last_raised_at INTEGER NOT NULL,
    repeats INTEGER NOT NULL CHECK (repeats >= 0),
    cleared_at INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    acknowledged_note TEXT,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE UNIQUE INDEX alarms_open ON alarms (kind, subject) WHERE cleared_at IS NULL OR acknowledged_at IS NULL;

CREATE INDEX alarms_by_time ON alarms (raised_at);

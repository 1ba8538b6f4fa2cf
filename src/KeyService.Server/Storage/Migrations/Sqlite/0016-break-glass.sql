-- Servers that know schema 7 or later work with this step.
-- Uses of break-glass. state: 1 asked, 2 open, 3 ended, 4 reviewed. ends_at: from then on it gives nothing, whatever its state. verdict: 1
-- justified, 2 not.
CREATE TABLE break_glass_uses (
    id INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    reason TEXT NOT NULL,
    sealed INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    binding TEXT NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    asked_at INTEGER NOT NULL,
    confirmed_by TEXT,
    opened_at INTEGER,
    ends_at INTEGER,
    reviewed_by TEXT,
    reviewed_at INTEGER,
    verdict INTEGER CHECK (verdict IN (1, 2)),
    note TEXT,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Two codes in two envelopes: salt (16 bytes) and PBKDF2-HMAC-SHA-256 (32 bytes) of each. ended_at: opened, replaced, or tried in vain too often.
CREATE TABLE break_glass_envelopes (
    id INTEGER PRIMARY KEY,
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    first BLOB NOT NULL CHECK (length(first) = 48),
    second BLOB NOT NULL CHECK (length(second) = 48),
    wrong_attempts INTEGER NOT NULL CHECK (wrong_attempts >= 0),
    ended_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Servers that know schema 7 or later work with this step.
-- What was taken out of the log for keeping, a month at a time: of each slot the records from first_sequence up to past_sequence, whose tree up to
-- there has the hashes in frontier. deleted_at: since then the log of the slot begins at past_sequence.
CREATE TABLE audit_archives (
    month INTEGER NOT NULL CHECK (month BETWEEN 197001 AND 999912),
    slot INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL CHECK (first_sequence >= 0),
    past_sequence INTEGER NOT NULL CHECK (past_sequence > first_sequence),
    frontier BLOB NOT NULL,
    directory_size INTEGER NOT NULL CHECK (directory_size > 0),
    location TEXT NOT NULL,
    file_length INTEGER NOT NULL CHECK (file_length > 0),
    file_sha256 BLOB NOT NULL CHECK (length(file_sha256) = 32),
    registered_at INTEGER NOT NULL,
    registered_by TEXT NOT NULL,
    deleted_at INTEGER,
    deleted_by TEXT,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (month, slot)
) STRICT, WITHOUT ROWID;

-- Servers that know schema 7 or later work with this step.
-- How far each log is signed. log: the slot, or -1 for the directory log. The first size entries are those whose RFC 6962 tree has the
-- hashes in frontier; the service signs nothing that does not go on from there.
CREATE TABLE signed_logs (
    log INTEGER PRIMARY KEY CHECK (log >= -1),
    size INTEGER NOT NULL CHECK (size >= 0),
    frontier BLOB NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Every checkpoint that was signed: the bytes of the note, which prove themselves.
CREATE TABLE audit_checkpoints (
    log INTEGER NOT NULL CHECK (log >= -1),
    size INTEGER NOT NULL CHECK (size >= 0),
    note BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (log, size)
) STRICT;

-- Entries of the directory log, docs/spec/audit-log.md.
CREATE TABLE audit_directory (
    sequence INTEGER PRIMARY KEY CHECK (sequence >= 0),
    entry BLOB NOT NULL
) STRICT;

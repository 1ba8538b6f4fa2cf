-- Servers that know schema 7 or later work with this step.
-- How far each log is signed. log: the slot, or -1 for the directory log. The first size entries are those whose RFC 6962 tree has the
-- hashes in frontier; the service signs nothing that does not go on from there.
CREATE TABLE signed_logs (
    log BIGINT PRIMARY KEY CHECK (log >= -1),
    size BIGINT NOT NULL CHECK (size >= 0),
    frontier BYTEA NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- Every checkpoint that was signed: the bytes of the note, which prove themselves.
CREATE TABLE audit_checkpoints (
    log BIGINT NOT NULL CHECK (log >= -1),
    size BIGINT NOT NULL CHECK (size >= 0),
    note BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (log, size)
);

-- Entries of the directory log, docs/spec/audit-log.md.
CREATE TABLE audit_directory (
    sequence BIGINT PRIMARY KEY CHECK (sequence >= 0),
    entry BYTEA NOT NULL
);

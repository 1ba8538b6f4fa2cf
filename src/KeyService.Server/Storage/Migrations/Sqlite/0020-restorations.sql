-- Servers that know schema 7 or later work with this step.
-- An installation that was restored from bundles keeps its id, and its audit log is a new one: log_id names it (ADR 0272). Null: the log is named by
-- the installation's id. A server that does not know the column does not start on a restored store, because the row's MAC covers it.
ALTER TABLE installation ADD COLUMN log_id BLOB CHECK (length(log_id) = 16);

-- The restore that made this store, if one did; at most one row. bundles: the bundles' digests, 32 bytes each, in order. place_*: behind which version of
-- which key of which bundle it goes on; null before the first. repeated_count: versions that an earlier bundle had held too. finished_at: null while the
-- installation does not exist.
CREATE TABLE restorations (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    installation_id BLOB NOT NULL CHECK (length(installation_id) = 16),
    log_id BLOB NOT NULL CHECK (length(log_id) = 16),
    token_id TEXT NOT NULL,
    bundles BLOB NOT NULL,
    last_sequence INTEGER NOT NULL CHECK (last_sequence >= 1),
    reaches_to INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    place_bundle INTEGER,
    place_key TEXT,
    place_version INTEGER,
    key_count INTEGER NOT NULL CHECK (key_count >= 0),
    version_count INTEGER NOT NULL CHECK (version_count >= 0),
    repeated_count INTEGER NOT NULL CHECK (repeated_count >= 0),
    finished_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

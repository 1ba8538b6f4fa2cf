-- Bundles and the destinations that hold them. A bundle's row never changes (revision 1); previous_digest is empty for the first.
CREATE TABLE bundles (
    sequence INTEGER PRIMARY KEY CHECK (sequence >= 1),
    bundle_id BLOB NOT NULL CHECK (length(bundle_id) = 16),
    kind INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    previous_digest BLOB NOT NULL,
    signing_key_digest BLOB NOT NULL CHECK (length(signing_key_digest) = 32),
    backup_key_id TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    key_count INTEGER NOT NULL CHECK (key_count >= 0),
    version_count INTEGER NOT NULL CHECK (version_count >= 0),
    left_out_count INTEGER NOT NULL CHECK (left_out_count >= 0),
    byte_count INTEGER NOT NULL CHECK (byte_count > 0),
    revision INTEGER NOT NULL CHECK (revision = 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Which versions a bundle was the first to hold: their ids, 8 bytes each, ascending, at most 1,024 in a row.
CREATE TABLE bundle_segments (
    bundle INTEGER NOT NULL REFERENCES bundles (sequence),
    ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
    version_ids BLOB NOT NULL CHECK (length(version_ids) BETWEEN 8 AND 8192),
    revision INTEGER NOT NULL CHECK (revision = 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (bundle, ordinal)
) STRICT, WITHOUT ROWID;

-- Where to look for a version: the segment decides, this only finds it. A version without a row here waits for its first bundle.
CREATE TABLE bundle_versions (
    version_id INTEGER PRIMARY KEY REFERENCES key_versions (id),
    bundle INTEGER NOT NULL,
    ordinal INTEGER NOT NULL
) STRICT;

-- state: 1 verified, 2 missing, 3 damaged.
CREATE TABLE bundle_copies (
    bundle INTEGER NOT NULL REFERENCES bundles (sequence),
    destination TEXT NOT NULL,
    state INTEGER NOT NULL,
    verified_at INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (bundle, destination)
) STRICT, WITHOUT ROWID;

-- Finds what was made since the last bundle.
CREATE INDEX key_versions_by_time ON key_versions (created_at);

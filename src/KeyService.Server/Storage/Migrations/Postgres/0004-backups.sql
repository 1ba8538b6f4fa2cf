-- Bundles and the destinations that hold them. A bundle's row never changes (revision 1); previous_digest is empty for the first.
CREATE TABLE bundles (
    sequence BIGINT PRIMARY KEY CHECK (sequence >= 1),
    bundle_id BYTEA NOT NULL CHECK (octet_length(bundle_id) = 16),
    kind BIGINT NOT NULL,
    file_name TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL CHECK (octet_length(digest) = 32),
    previous_digest BYTEA NOT NULL,
    signing_key_digest BYTEA NOT NULL CHECK (octet_length(signing_key_digest) = 32),
    backup_key_id TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    key_count BIGINT NOT NULL CHECK (key_count >= 0),
    version_count BIGINT NOT NULL CHECK (version_count >= 0),
    left_out_count BIGINT NOT NULL CHECK (left_out_count >= 0),
    byte_count BIGINT NOT NULL CHECK (byte_count > 0),
    revision BIGINT NOT NULL CHECK (revision = 1),
    mac BYTEA NOT NULL CHECK (octet_length(mac) = 32)
);

-- Which versions a bundle was the first to hold: their ids, 8 bytes each, ascending, at most 1,024 in a row.
CREATE TABLE bundle_segments (
    bundle BIGINT NOT NULL REFERENCES bundles (sequence),
    ordinal BIGINT NOT NULL CHECK (ordinal >= 0),
    version_ids BYTEA NOT NULL CHECK (octet_length(version_ids) BETWEEN 8 AND 8192),
    revision BIGINT NOT NULL CHECK (revision = 1),
    mac BYTEA NOT NULL CHECK (octet_length(mac) = 32),
    PRIMARY KEY (bundle, ordinal)
);

-- Where to look for a version: the segment decides, this only finds it. A version without a row here waits for its first bundle.
CREATE TABLE bundle_versions (
    version_id BIGINT PRIMARY KEY REFERENCES key_versions (id),
    bundle BIGINT NOT NULL,
    ordinal BIGINT NOT NULL
);

-- state: 1 verified, 2 missing, 3 damaged.
CREATE TABLE bundle_copies (
    bundle BIGINT NOT NULL REFERENCES bundles (sequence),
    destination TEXT COLLATE "C" NOT NULL,
    state BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    checked_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (octet_length(mac) = 32),
    PRIMARY KEY (bundle, destination)
);

-- Finds what was made since the last bundle.
CREATE INDEX key_versions_by_time ON key_versions (created_at);

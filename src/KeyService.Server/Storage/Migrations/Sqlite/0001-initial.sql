-- Times are UTC, nanoseconds since 1970. Ids of key versions and grants are the 64 bits of the id as a signed integer.
-- Deciding rows carry revision (1 when made, +1 with each change) and mac (HMAC-SHA-256 by the integrity key over the
-- canonical bytes of docs/spec/store.md).

CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    installation_id BLOB NOT NULL CHECK (length(installation_id) = 16),
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- The integrity key, wrapped once for each token (token_id: its serial) and once for the backup key ('backup:' and its id).
-- Not MACed by the key they hold: the wrap authenticates itself.
CREATE TABLE integrity_key_blobs (
    token_id TEXT PRIMARY KEY,
    blob BLOB NOT NULL,
    check_value BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- For each register: number of its rows and the sum of their revisions, so that a deleted or restored row is noticed.
CREATE TABLE register_state (
    register TEXT PRIMARY KEY,
    row_count INTEGER NOT NULL CHECK (row_count >= 0),
    change_count INTEGER NOT NULL CHECK (change_count >= row_count),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE principals (
    name TEXT PRIMARY KEY,
    type INTEGER NOT NULL,
    credential_kind INTEGER NOT NULL,
    credential_value TEXT NOT NULL,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    UNIQUE (credential_kind, credential_value)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    principal TEXT NOT NULL REFERENCES principals (name),
    permissions TEXT NOT NULL,
    key_pattern TEXT NOT NULL,
    context_constraint BLOB NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE INDEX grants_by_principal ON grants (principal);

-- version_count and version_change_count are to key_versions of this key what register_state is to a whole table.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    purpose INTEGER NOT NULL,
    rotation_period_seconds INTEGER NOT NULL CHECK (rotation_period_seconds > 0),
    created_at INTEGER NOT NULL,
    primary_version INTEGER NOT NULL,
    version_count INTEGER NOT NULL CHECK (version_count >= 1),
    version_change_count INTEGER NOT NULL CHECK (version_change_count >= version_count),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_versions (
    id INTEGER PRIMARY KEY,
    key_name TEXT NOT NULL REFERENCES keys (name) DEFERRABLE INITIALLY DEFERRED,
    state INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    activated_at INTEGER,
    deactivated_at INTEGER,
    check_value BLOB NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE INDEX key_versions_by_key ON key_versions (key_name, created_at);

-- A KEK, wrapped once for each token (token_id: its serial) and once for the backup key ('backup:' and its id). The blob's
-- first byte names the algorithm.
CREATE TABLE key_blobs (
    version_id INTEGER NOT NULL REFERENCES key_versions (id),
    token_id TEXT NOT NULL,
    blob BLOB NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (version_id, token_id)
) STRICT, WITHOUT ROWID;

-- The version's bulk key, a wrapped data key of 69 bytes.
CREATE TABLE bulk_keys (
    version_id INTEGER PRIMARY KEY REFERENCES key_versions (id),
    wrapped BLOB NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Wraps under a version that servers have reserved in blocks; apart from key_versions because it changes often.
CREATE TABLE wrap_counts (
    version_id INTEGER PRIMARY KEY REFERENCES key_versions (id),
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- What a mutation answered, kept 24 hours, so that a repeated one is answered and not done again.
CREATE TABLE requests (
    principal TEXT NOT NULL,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    request_digest BLOB NOT NULL CHECK (length(request_digest) = 32),
    response BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision = 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (principal, request_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_by_time ON requests (created_at);

-- Calls that ended as pending approval.
CREATE TABLE approvals (
    id INTEGER PRIMARY KEY,
    principal TEXT NOT NULL REFERENCES principals (name),
    method TEXT NOT NULL,
    request_digest BLOB NOT NULL CHECK (length(request_digest) = 32),
    request BLOB NOT NULL,
    state INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Append-only logs. sequence is the RFC 6962 leaf index, from 0 without a gap; leaf_hash = SHA-256(0x00 | record).
CREATE TABLE audit_records (
    slot INTEGER NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    record BLOB NOT NULL,
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    PRIMARY KEY (slot, sequence)
) STRICT, WITHOUT ROWID;

-- One row a log slot. Until a later mark, the first marked_size records are those whose RFC 6962 tree has the hashes in frontier
-- (its perfect subtrees from left to right): cutting or editing the log below a mark is noticed.
CREATE TABLE audit_slots (
    slot INTEGER PRIMARY KEY,
    marked_size INTEGER NOT NULL CHECK (marked_size >= 0),
    frontier BLOB NOT NULL,
    marked_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- What the health probe writes.
CREATE TABLE store_probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    probed_at INTEGER NOT NULL
) STRICT;

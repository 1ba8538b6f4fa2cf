-- As for SQLite, in PostgreSQL's words; everything stands in the schema "keyservice". Times are UTC, nanoseconds since 1970. Ids of key
-- versions and grants are the 64 bits of the id as a signed integer. Deciding rows carry revision (1 when made, +1 with each change) and mac
-- (HMAC-SHA-256 by the integrity key over the canonical bytes of docs/spec/store.md).

CREATE TABLE installation (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    installation_id BYTEA NOT NULL CHECK (length(installation_id) = 16),
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- The integrity key, wrapped once for each token (token_id: its serial) and once for the backup key ('backup:' and its id).
-- Not MACed by the key they hold: the wrap authenticates itself.
CREATE TABLE integrity_key_blobs (
    token_id TEXT COLLATE "C" PRIMARY KEY,
    blob BYTEA NOT NULL,
    check_value BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- For each register: number of its rows and the sum of their revisions, so that a deleted or restored row is noticed.
CREATE TABLE register_state (
    register TEXT COLLATE "C" PRIMARY KEY,
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    change_count BIGINT NOT NULL CHECK (change_count >= row_count),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE TABLE principals (
    name TEXT COLLATE "C" PRIMARY KEY,
    type BIGINT NOT NULL,
    credential_kind BIGINT NOT NULL,
    credential_value TEXT COLLATE "C" NOT NULL,
    disabled BIGINT NOT NULL CHECK (disabled IN (0, 1)),
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    UNIQUE (credential_kind, credential_value)
);

CREATE TABLE grants (
    id BIGINT PRIMARY KEY,
    principal TEXT COLLATE "C" NOT NULL REFERENCES principals (name),
    permissions TEXT COLLATE "C" NOT NULL,
    key_pattern TEXT COLLATE "C" NOT NULL,
    context_constraint BYTEA NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    revoked BIGINT NOT NULL CHECK (revoked IN (0, 1)),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE INDEX grants_by_principal ON grants (principal);

-- version_count and version_change_count are to key_versions of this key what register_state is to a whole table.
CREATE TABLE keys (
    name TEXT COLLATE "C" PRIMARY KEY,
    purpose BIGINT NOT NULL,
    rotation_period_seconds BIGINT NOT NULL CHECK (rotation_period_seconds > 0),
    created_at BIGINT NOT NULL,
    primary_version BIGINT NOT NULL,
    version_count BIGINT NOT NULL CHECK (version_count >= 1),
    version_change_count BIGINT NOT NULL CHECK (version_change_count >= version_count),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE TABLE key_versions (
    id BIGINT PRIMARY KEY,
    key_name TEXT COLLATE "C" NOT NULL REFERENCES keys (name) DEFERRABLE INITIALLY DEFERRED,
    state BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT,
    deactivated_at BIGINT,
    check_value BYTEA NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE INDEX key_versions_by_key ON key_versions (key_name, created_at);

-- A KEK, wrapped once for each token (token_id: its serial) and once for the backup key ('backup:' and its id). The blob's
-- first byte names the algorithm.
CREATE TABLE key_blobs (
    version_id BIGINT NOT NULL REFERENCES key_versions (id),
    token_id TEXT COLLATE "C" NOT NULL,
    blob BYTEA NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (version_id, token_id)
);

-- The version's bulk key, a wrapped data key of 69 bytes.
CREATE TABLE bulk_keys (
    version_id BIGINT PRIMARY KEY REFERENCES key_versions (id),
    wrapped BYTEA NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- Wraps under a version that servers have reserved in blocks; apart from key_versions because it changes often.
CREATE TABLE wrap_counts (
    version_id BIGINT PRIMARY KEY REFERENCES key_versions (id),
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- What a mutation answered, kept 24 hours, so that a repeated one is answered and not done again.
CREATE TABLE requests (
    principal TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    request_digest BYTEA NOT NULL CHECK (length(request_digest) = 32),
    response BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision = 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (principal, request_id)
);

CREATE INDEX requests_by_time ON requests (created_at);

-- Calls that ended as pending approval.
CREATE TABLE approvals (
    id BIGINT PRIMARY KEY,
    principal TEXT COLLATE "C" NOT NULL REFERENCES principals (name),
    method TEXT COLLATE "C" NOT NULL,
    request_digest BYTEA NOT NULL CHECK (length(request_digest) = 32),
    request BYTEA NOT NULL,
    state BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_at BIGINT,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- Append-only logs, a table for each month. sequence is the RFC 6962 leaf index, from 0 without a gap; leaf_hash = SHA-256(0x00 | record);
-- recorded_at is the record's own time. A key over partitions must name what they are divided by, so the database alone would take a second
-- record of the same slot and sequence in another month: that there is none is the work of audit_heads.
CREATE TABLE audit_records (
    slot BIGINT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence >= 0),
    recorded_at BIGINT NOT NULL,
    record BYTEA NOT NULL,
    leaf_hash BYTEA NOT NULL CHECK (length(leaf_hash) = 32),
    PRIMARY KEY (slot, sequence, recorded_at)
) PARTITION BY RANGE (recorded_at);

-- Sequence of the next record of each slot that was ever written. Each group of records moves it on, from the number that its writer
-- expects: of two writers in one slot the second fails.
CREATE TABLE audit_heads (
    slot BIGINT PRIMARY KEY,
    next_sequence BIGINT NOT NULL CHECK (next_sequence >= 0)
);

-- One row a log slot. Until a later mark, the first marked_size records are those whose RFC 6962 tree has the hashes in frontier
-- (its perfect subtrees from left to right): cutting or editing the log below a mark is noticed.
CREATE TABLE audit_slots (
    slot BIGINT PRIMARY KEY,
    marked_size BIGINT NOT NULL CHECK (marked_size >= 0),
    frontier BYTEA NOT NULL,
    marked_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- What the health probe writes, a row for each slot.
CREATE TABLE store_probe (
    id BIGINT PRIMARY KEY,
    probed_at BIGINT NOT NULL
);

-- Makes the table for the records of the month that holds a time, unless it stands. Servers call it ahead of time, as the owner of the
-- schema and not as themselves: they may neither make nor drop tables. Attaching takes no lock that would hold up a writer.
CREATE FUNCTION make_audit_partition(at_time BIGINT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keyservice, pg_temp AS
$$
DECLARE
    month TIMESTAMP := date_trunc('month', TIMESTAMP '1970-01-01' + at_time / 1000 * INTERVAL '1 microsecond');
    first BIGINT := (extract(epoch FROM month) * 1000000000)::BIGINT;
    past BIGINT := (extract(epoch FROM month + INTERVAL '1 month') * 1000000000)::BIGINT;
    name TEXT := 'audit_records_' || to_char(month, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(1263751766, 4);
    IF to_regclass(name) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE audit_records INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE audit_records ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, first, past);
    END IF;
END
$$;

REVOKE ALL ON FUNCTION make_audit_partition(BIGINT) FROM PUBLIC;

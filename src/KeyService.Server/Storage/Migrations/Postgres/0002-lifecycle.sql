-- States, policies and times of keys and versions. A row whose new columns are all null was written before this step and carries the MAC
-- of its columns then; the next change writes it anew.

ALTER TABLE keys ADD COLUMN limit_seconds BIGINT;
ALTER TABLE keys ADD COLUMN warn_seconds BIGINT;
-- When the active version is to be replaced; null while there is nothing to replace.
ALTER TABLE keys ADD COLUMN rotate_at BIGINT;
-- When to look whether the rotation can be done: rotate_at less the time of warning.
ALTER TABLE keys ADD COLUMN warn_at BIGINT;
-- Versions before their activation.
ALTER TABLE keys ADD COLUMN waiting_versions BIGINT;

CREATE INDEX keys_by_rotation ON keys (rotate_at, name) WHERE rotate_at IS NOT NULL;
CREATE INDEX keys_by_warning ON keys (warn_at, name) WHERE warn_at IS NOT NULL;
CREATE INDEX keys_to_prepare ON keys (waiting_versions, name) WHERE waiting_versions IS NULL OR waiting_versions < 2;

ALTER TABLE key_versions ADD COLUMN state_changed_at BIGINT;
ALTER TABLE key_versions ADD COLUMN state_changed_by TEXT COLLATE "C";
ALTER TABLE key_versions ADD COLUMN state_reason TEXT;
-- Of a suspended version: 1 when it does not decrypt either.
ALTER TABLE key_versions ADD COLUMN processing_stopped BIGINT CHECK (processing_stopped IN (0, 1));
-- Of a compromised version: since when it may have been known to others, and when that was declared.
ALTER TABLE key_versions ADD COLUMN suspected_since BIGINT;
ALTER TABLE key_versions ADD COLUMN compromise_processed_at BIGINT;
ALTER TABLE key_versions ADD COLUMN transition_count BIGINT;

CREATE INDEX key_versions_waiting ON key_versions (key_name, created_at, id) WHERE state = 1;

-- Every change of a version's state, numbered from 1; from_state is null in the first.
CREATE TABLE key_transitions (
    version_id BIGINT NOT NULL REFERENCES key_versions (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    from_state BIGINT,
    to_state BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL CHECK (revision = 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (version_id, number)
);

-- What was done with a version, by whom: sums that servers add to about once a minute.
CREATE TABLE key_uses (
    version_id BIGINT NOT NULL REFERENCES key_versions (id),
    principal TEXT COLLATE "C" NOT NULL,
    protected_items BIGINT NOT NULL CHECK (protected_items >= 0),
    protected_bytes BIGINT NOT NULL CHECK (protected_bytes >= 0),
    processed_items BIGINT NOT NULL CHECK (processed_items >= 0),
    processed_bytes BIGINT NOT NULL CHECK (processed_bytes >= 0),
    first_used_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (version_id, principal)
);

-- Changes of deciding rows in their order, for servers that hold such rows in memory: written in the transaction of the change, read by the
-- other servers, dropped after a week. Nothing is decided by them but what to read again: the rows themselves carry MACs, and the log has
-- every change for good.
CREATE TABLE row_changes (
    position BIGINT PRIMARY KEY CHECK (position >= 1),
    slot BIGINT NOT NULL,
    table_name TEXT COLLATE "C" NOT NULL,
    row_id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    digest BYTEA NOT NULL CHECK (octet_length(digest) = 32),
    committed_at BIGINT NOT NULL
);

CREATE INDEX row_changes_by_time ON row_changes (committed_at);

-- One row: the last position given. Changes run one after another, so positions have no gaps.
CREATE TABLE change_position (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL CHECK (position >= 0)
);

INSERT INTO change_position (id, position) VALUES (1, 0);

-- What officers accepted: a database that was put back (positions: how far its log slots reached then, and the hash of the last record of
-- each), or a clock (clock_at: the latest time that counts from then on).
CREATE TABLE store_acceptances (
    id BIGINT PRIMARY KEY,
    accepted_at BIGINT NOT NULL,
    accepted_by TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    positions BYTEA NOT NULL,
    restored BIGINT NOT NULL CHECK (restored IN (0, 1)),
    clock_at BIGINT,
    revision BIGINT NOT NULL CHECK (revision = 1),
    mac BYTEA NOT NULL CHECK (octet_length(mac) = 32)
);

-- The latest time that this installation has seen, raised about every hour: one row, made when there is something to keep.
CREATE TABLE clock_mark (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    newest_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (octet_length(mac) = 32)
);

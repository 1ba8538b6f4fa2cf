-- Changes of deciding rows in their order, for servers that hold such rows in memory: written in the transaction of the change, read by the
-- other servers, dropped after a week. Nothing is decided by them but what to read again: the rows themselves carry MACs, and the log has
-- every change for good.
CREATE TABLE row_changes (
    position INTEGER PRIMARY KEY CHECK (position >= 1),
    slot INTEGER NOT NULL,
    table_name TEXT NOT NULL,
    row_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    committed_at INTEGER NOT NULL
) STRICT;

CREATE INDEX row_changes_by_time ON row_changes (committed_at);

-- One row: the last position given. Changes run one after another, so positions have no gaps.
CREATE TABLE change_position (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL CHECK (position >= 0)
) STRICT;

INSERT INTO change_position (id, position) VALUES (1, 0);

-- What officers accepted: a database that was put back (positions: how far its log slots reached then, and the hash of the last record of
-- each), or a clock (clock_at: the latest time that counts from then on).
CREATE TABLE store_acceptances (
    id INTEGER PRIMARY KEY,
    accepted_at INTEGER NOT NULL,
    accepted_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    positions BLOB NOT NULL,
    restored INTEGER NOT NULL CHECK (restored IN (0, 1)),
    clock_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision = 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- The latest time that this installation has seen, raised about every hour: one row, made when there is something to keep.
CREATE TABLE clock_mark (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    newest_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Where wrapped keys and tokens live, campaigns over them, and destructions that wait.

-- One row a place that holds something of keys; read whole into nothing, changed by its owner's reports. details: the encoded
-- PostgresColumn of holdings.proto, empty for other kinds. A scan that runs: scan_id (else null) and scan_began_at; the last complete
-- one: scanned_from and scanned_at.
CREATE TABLE holdings (
    name TEXT PRIMARY KEY,
    kind INTEGER NOT NULL,
    key_pattern TEXT NOT NULL,
    location TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES principals (name),
    details BLOB NOT NULL,
    write_once_until INTEGER,
    created_at INTEGER NOT NULL,
    retired INTEGER NOT NULL CHECK (retired IN (0, 1)),
    scan_id INTEGER,
    scan_began_at INTEGER,
    scanned_from INTEGER,
    scanned_at INTEGER,
    unknown_items INTEGER NOT NULL CHECK (unknown_items >= 0),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;

-- How many items of a holding stand under a version, as last reported, and the most that was ever reported.
CREATE TABLE holding_versions (
    holding TEXT NOT NULL REFERENCES holdings (name),
    version_id INTEGER NOT NULL REFERENCES key_versions (id),
    items INTEGER NOT NULL CHECK (items >= 0),
    most_items INTEGER NOT NULL CHECK (most_items >= items),
    reported_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (holding, version_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX holding_versions_by_version ON holding_versions (version_id);

-- versions: ids in hexadecimal, joined by commas. proof: the encoded CampaignProof of holdings.proto.
CREATE TABLE campaigns (
    name TEXT PRIMARY KEY,
    kind INTEGER NOT NULL,
    key_name TEXT NOT NULL REFERENCES keys (name),
    versions TEXT NOT NULL,
    items_per_second INTEGER NOT NULL CHECK (items_per_second >= 0),
    state INTEGER NOT NULL,
    started_by TEXT NOT NULL REFERENCES principals (name),
    started_at INTEGER NOT NULL,
    ended_by TEXT,
    ended_at INTEGER,
    proof BLOB,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;

-- How far a campaign is in a holding, as the engine that works on it says; for people, nothing is decided by it.
CREATE TABLE campaign_progress (
    campaign TEXT NOT NULL REFERENCES campaigns (name),
    holding TEXT NOT NULL REFERENCES holdings (name),
    items_done INTEGER NOT NULL,
    items_total INTEGER NOT NULL,
    items_failed INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (campaign, holding)
) STRICT, WITHOUT ROWID;

-- Destruction that was asked for. versions as in campaigns; whole_key: all that the key had. certificate: the encoded
-- DestructionCertificate of destruction.proto as of the last scan.
CREATE TABLE destructions (
    id INTEGER PRIMARY KEY,
    key_name TEXT NOT NULL REFERENCES keys (name),
    versions TEXT NOT NULL,
    whole_key INTEGER NOT NULL CHECK (whole_key IN (0, 1)),
    reason TEXT NOT NULL,
    state INTEGER NOT NULL,
    asked_by TEXT NOT NULL REFERENCES principals (name),
    asked_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL CHECK (due_at > asked_at),
    ended_by TEXT,
    ended_at INTEGER,
    uses INTEGER NOT NULL CHECK (uses >= 0),
    last_used_at INTEGER,
    certificate BLOB NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE INDEX destructions_by_key ON destructions (key_name);

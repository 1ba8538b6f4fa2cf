-- Where wrapped keys and tokens live, campaigns over them, and destructions that wait.

-- One row a place that holds something of keys; read whole into nothing, changed by its owner's reports. details: the encoded
-- PostgresColumn of holdings.proto, empty for other kinds. A scan that runs: scan_id (else null) and scan_began_at; the last complete
-- one: scanned_from and scanned_at.
CREATE TABLE holdings (
    name TEXT COLLATE "C" PRIMARY KEY,
    kind BIGINT NOT NULL,
    key_pattern TEXT COLLATE "C" NOT NULL,
    location TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL REFERENCES principals (name),
    details BYTEA NOT NULL,
    write_once_until BIGINT,
    created_at BIGINT NOT NULL,
    retired BIGINT NOT NULL CHECK (retired IN (0, 1)),
    scan_id BIGINT,
    scan_began_at BIGINT,
    scanned_from BIGINT,
    scanned_at BIGINT,
    unknown_items BIGINT NOT NULL CHECK (unknown_items >= 0),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- How many items of a holding stand under a version, as last reported, and the most that was ever reported.
CREATE TABLE holding_versions (
    holding TEXT COLLATE "C" NOT NULL REFERENCES holdings (name),
    version_id BIGINT NOT NULL REFERENCES key_versions (id),
    items BIGINT NOT NULL CHECK (items >= 0),
    most_items BIGINT NOT NULL CHECK (most_items >= items),
    reported_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (holding, version_id)
);

CREATE INDEX holding_versions_by_version ON holding_versions (version_id);

-- versions: ids in hexadecimal, joined by commas. proof: the encoded CampaignProof of holdings.proto.
CREATE TABLE campaigns (
    name TEXT COLLATE "C" PRIMARY KEY,
    kind BIGINT NOT NULL,
    key_name TEXT COLLATE "C" NOT NULL REFERENCES keys (name),
    versions TEXT COLLATE "C" NOT NULL,
    items_per_second BIGINT NOT NULL CHECK (items_per_second >= 0),
    state BIGINT NOT NULL,
    started_by TEXT COLLATE "C" NOT NULL REFERENCES principals (name),
    started_at BIGINT NOT NULL,
    ended_by TEXT COLLATE "C",
    ended_at BIGINT,
    proof BYTEA,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- How far a campaign is in a holding, as the engine that works on it says; for people, nothing is decided by it.
CREATE TABLE campaign_progress (
    campaign TEXT COLLATE "C" NOT NULL REFERENCES campaigns (name),
    holding TEXT COLLATE "C" NOT NULL REFERENCES holdings (name),
    items_done BIGINT NOT NULL,
    items_total BIGINT NOT NULL,
    items_failed BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (campaign, holding)
);

-- Destruction that was asked for. versions as in campaigns; whole_key: all that the key had. certificate: the encoded
-- DestructionCertificate of destruction.proto as of the last scan.
CREATE TABLE destructions (
    id BIGINT PRIMARY KEY,
    key_name TEXT COLLATE "C" NOT NULL REFERENCES keys (name),
    versions TEXT COLLATE "C" NOT NULL,
    whole_key BIGINT NOT NULL CHECK (whole_key IN (0, 1)),
    reason TEXT COLLATE "C" NOT NULL,
    state BIGINT NOT NULL,
    asked_by TEXT COLLATE "C" NOT NULL REFERENCES principals (name),
    asked_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL CHECK (due_at > asked_at),
    ended_by TEXT COLLATE "C",
    ended_at BIGINT,
    uses BIGINT NOT NULL CHECK (uses >= 0),
    last_used_at BIGINT,
    certificate BYTEA NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE INDEX destructions_by_key ON destructions (key_name);

-- Servers that know schema 7 or later work with this step.
-- From how many places a principal's credential may be used within a time; most 0: not watched.
CREATE TABLE place_policies (
    principal TEXT COLLATE "C" PRIMARY KEY,
    most BIGINT NOT NULL CHECK (most >= 0),
    window_seconds BIGINT NOT NULL CHECK (window_seconds > 0),
    ipv4_prefix BIGINT NOT NULL CHECK (ipv4_prefix BETWEEN 8 AND 32),
    ipv6_prefix BIGINT NOT NULL CHECK (ipv6_prefix BETWEEN 16 AND 128),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- From where the credentials of watched principals were used: a network, or "unix".
CREATE TABLE places_seen (
    principal TEXT COLLATE "C" NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (principal, place)
);

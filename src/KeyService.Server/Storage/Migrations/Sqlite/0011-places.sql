-- Servers that know schema 7 or later work with this step.
-- From how many places a principal's credential may be used within a time; most 0: not watched.
CREATE TABLE place_policies (
    principal TEXT PRIMARY KEY,
    most INTEGER NOT NULL CHECK (most >= 0),
    window_seconds INTEGER NOT NULL CHECK (window_seconds > 0),
    ipv4_prefix INTEGER NOT NULL CHECK (ipv4_prefix BETWEEN 8 AND 32),
    ipv6_prefix INTEGER NOT NULL CHECK (ipv6_prefix BETWEEN 16 AND 128),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- From where the credentials of watched principals were used: a network, or "unix".
CREATE TABLE places_seen (
    principal TEXT NOT NULL,
    place TEXT NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (principal, place)
) STRICT;

-- Servers that know schema 7 or later work with this step.
-- Uses of break-glass. state: 1 asked, 2 open, 3 ended, 4 reviewed. ends_at: from then on it gives nothing, whatever its state. verdict: 1
-- justified, 2 not.
CREATE TABLE break_glass_uses (
    id BIGINT PRIMARY KEY,
    principal TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    sealed BIGINT NOT NULL CHECK (sealed IN (0, 1)),
    binding TEXT COLLATE "C" NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    asked_at BIGINT NOT NULL,
    confirmed_by TEXT COLLATE "C",
    opened_at BIGINT,
    ends_at BIGINT,
    reviewed_by TEXT COLLATE "C",
    reviewed_at BIGINT,
    verdict BIGINT CHECK (verdict IN (1, 2)),
    note TEXT COLLATE "C",
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- Two codes in two envelopes: salt (16 bytes) and PBKDF2-HMAC-SHA-256 (32 bytes) of each. ended_at: opened, replaced, or tried in vain too often.
CREATE TABLE break_glass_envelopes (
    id BIGINT PRIMARY KEY,
    made_by TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    first BYTEA NOT NULL CHECK (length(first) = 48),
    second BYTEA NOT NULL CHECK (length(second) = 48),
    wrong_attempts BIGINT NOT NULL CHECK (wrong_attempts >= 0),
    ended_at BIGINT,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

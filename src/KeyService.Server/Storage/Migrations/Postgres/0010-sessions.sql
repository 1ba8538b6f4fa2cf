-- Servers that know schema 7 or later work with this step.
-- Second factors of people. seed: encrypted, docs/spec/second-factor.md; empty in state 3. state: 1 offered, 2 active, 3 removed. last_step: the
-- step of the last code that was taken; none is taken twice.
CREATE TABLE second_factors (
    principal TEXT COLLATE "C" PRIMARY KEY,
    seed BYTEA NOT NULL,
    state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 3),
    offered_at BIGINT NOT NULL,
    activated_at BIGINT,
    last_step BIGINT NOT NULL CHECK (last_step >= -1),
    failures BIGINT NOT NULL CHECK (failures >= 0),
    locked_at BIGINT,
    reset_asked_by TEXT COLLATE "C",
    reset_asked_at BIGINT,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- Sessions of people. token_hash: SHA-256 of the token, lower-case hexadecimal. binding: the first factor that opened it. end_reason: 1 closed by
-- the person, 2 idle, 3 too old, 4 ended by an officer, 5 the person was locked, 6 its second factor was taken away.
CREATE TABLE person_sessions (
    token_hash TEXT COLLATE "C" PRIMARY KEY CHECK (length(token_hash) = 64),
    principal TEXT COLLATE "C" NOT NULL,
    binding TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    proven_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason BIGINT CHECK (end_reason BETWEEN 1 AND 6),
    ended_by TEXT COLLATE "C",
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE INDEX person_sessions_open ON person_sessions (principal) WHERE ended_at IS NULL;

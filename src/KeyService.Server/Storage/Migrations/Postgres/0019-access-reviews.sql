-- Servers that know schema 7 or later work with this step.
-- Reviews of access. scope: who is in it and what the personnel office's list said of each, a line a principal (docs/spec/access-review.md).
-- announced_at: when its end was told of. state: 1 open, 2 closed. closed_by: null when it ended by itself. note: a C2SP signed note.
CREATE TABLE access_reviews (
    id BIGINT PRIMARY KEY,
    started_by TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    roster_sha256 BYTEA NOT NULL CHECK (length(roster_sha256) = 32),
    announced_at BIGINT,
    scope TEXT COLLATE "C" NOT NULL,
    state BIGINT NOT NULL CHECK (state IN (1, 2)),
    closed_by TEXT COLLATE "C",
    closed_at BIGINT,
    note BYTEA,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE UNIQUE INDEX access_reviews_open ON access_reviews (state) WHERE state = 1;

-- What was done about a principal in a review; one that nothing was done about has no row. verdict: 1 pending (given to another manager), 2 keep,
-- 3 suspend, 4 suspended at the deadline, 5 kept as the last administrator.
CREATE TABLE access_review_items (
    review_id BIGINT NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    manager TEXT COLLATE "C" NOT NULL,
    assigned_by TEXT COLLATE "C",
    assign_reason TEXT,
    verdict BIGINT NOT NULL CHECK (verdict BETWEEN 1 AND 5),
    decided_by TEXT COLLATE "C",
    decided_at BIGINT,
    note TEXT,
    access_sha256 BYTEA,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (review_id, principal)
);

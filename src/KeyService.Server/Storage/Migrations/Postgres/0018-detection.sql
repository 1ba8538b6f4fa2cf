-- Servers that know schema 7 or later work with this step.
-- What the rules of detection found in the audit log, and what people made of it. id: follows from rule, record and subject. disposition: 0
-- none, 1 expected, 2 mistake, 3 violation, 4 incident, 5 false positive. month: of the record, by the site's clocks.
CREATE TABLE findings (
    id BIGINT PRIMARY KEY,
    rule BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    message TEXT NOT NULL,
    slot BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    month TEXT COLLATE "C" NOT NULL,
    assignee TEXT,
    assigned_at BIGINT,
    disposition BIGINT NOT NULL,
    note TEXT,
    closed_by TEXT,
    closed_at BIGINT,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE INDEX findings_open ON findings (made_at) WHERE closed_at IS NULL;
CREATE INDEX findings_month ON findings (month);

-- How far the log was looked through, and what the rules remember. positions as in audit_sinks; state: JSON of this program's own.
CREATE TABLE detection_state (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    positions BYTEA NOT NULL CHECK (length(positions) % 12 = 0),
    state BYTEA NOT NULL,
    began_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- Months whose findings somebody signed off. note: a C2SP signed note, docs/spec/review.md.
CREATE TABLE sign_offs (
    month TEXT COLLATE "C" PRIMARY KEY,
    reviewer TEXT NOT NULL,
    findings BIGINT NOT NULL,
    note BYTEA NOT NULL,
    signed_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

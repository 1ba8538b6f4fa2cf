-- Servers that know schema 7 or later work with this step.
-- What the rules of detection found in the audit log, and what people made of it. id: follows from rule, record and subject. disposition: 0
-- none, 1 expected, 2 mistake, 3 violation, 4 incident, 5 false positive. month: of the record, by the site's clocks.
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    rule INTEGER NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    slot INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    month TEXT NOT NULL,
    assignee TEXT,
    assigned_at INTEGER,
    disposition INTEGER NOT NULL,
    note TEXT,
    closed_by TEXT,
    closed_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE INDEX findings_open ON findings (made_at) WHERE closed_at IS NULL;
CREATE INDEX findings_month ON findings (month);

-- How far the log was looked through, and what the rules remember. positions as in audit_sinks; state: JSON of this program's own.
CREATE TABLE detection_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    positions BLOB NOT NULL CHECK (length(positions) % 12 = 0),
    state BLOB NOT NULL,
    began_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Months whose findings somebody signed off. note: a C2SP signed note, docs/spec/review.md.
CREATE TABLE sign_offs (
    month TEXT PRIMARY KEY,
    reviewer TEXT NOT NULL,
    findings INTEGER NOT NULL,
    note BLOB NOT NULL,
    signed_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

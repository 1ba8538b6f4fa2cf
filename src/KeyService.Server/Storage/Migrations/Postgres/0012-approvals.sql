-- Servers that know schema 12 or later work with this step.
-- Earlier servers would ask nobody for approval.
-- Of a request that waits for a quorum: the call's message, and what officers said, each document behind its length in four bytes.
ALTER TABLE approvals ADD COLUMN message BYTEA NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN decisions BYTEA NOT NULL DEFAULT '';

CREATE INDEX approvals_by_digest ON approvals (request_digest);

CREATE INDEX approvals_by_requester ON approvals (principal, method);

-- Who may approve, docs/spec/approvals.md: signed by officers, each following on the one before.
CREATE TABLE officer_rosters (
    sequence BIGINT PRIMARY KEY CHECK (sequence >= 1),
    document BYTEA NOT NULL,
    installed_at BIGINT NOT NULL,
    installed_by TEXT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision = 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

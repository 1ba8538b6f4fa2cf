-- Servers that know schema 12 or later work with this step.
-- Earlier servers would ask nobody for approval.
-- Of a request that waits for a quorum: the call's message, and what officers said, each document behind its length in four bytes.
ALTER TABLE approvals ADD COLUMN message BLOB NOT NULL DEFAULT x'';
ALTER TABLE approvals ADD COLUMN decisions BLOB NOT NULL DEFAULT x'';

CREATE INDEX approvals_by_digest ON approvals (request_digest);

CREATE INDEX approvals_by_requester ON approvals (principal, method);

-- Who may approve, docs/spec/approvals.md: signed by officers, each following on the one before.
CREATE TABLE officer_rosters (
    sequence INTEGER PRIMARY KEY CHECK (sequence >= 1),
    document BLOB NOT NULL,
    installed_at INTEGER NOT NULL,
    installed_by TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision = 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

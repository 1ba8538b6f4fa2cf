-- Servers that know schema 7 or later work with this step.
-- Where to look in the log, for its search: derived from it, written once and decides nothing. Segments are stretches of 16,384 records of a
-- slot, from its first one on; a row stands here once the segment's terms all do.
CREATE TABLE audit_segments (
    slot BIGINT NOT NULL,
    segment BIGINT NOT NULL CHECK (segment >= 0),
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL CHECK (last_at >= first_at),
    PRIMARY KEY (slot, segment)
);

-- For each term (kind 1 principal, 2 key, 3 event, 4 outcome) which records of a segment have it: docs/spec/audit-index.md.
CREATE TABLE audit_terms (
    kind BIGINT NOT NULL,
    term TEXT COLLATE "C" NOT NULL,
    slot BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    postings BYTEA NOT NULL CHECK (length(postings) BETWEEN 2 AND 2048),
    PRIMARY KEY (kind, term, slot, segment)
);

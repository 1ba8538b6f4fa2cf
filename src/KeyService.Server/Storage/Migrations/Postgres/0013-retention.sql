-- Servers that know schema 7 or later work with this step.
-- What was taken out of the log for keeping, a month at a time: of each slot the records from first_sequence up to past_sequence, whose tree up to
-- there has the hashes in frontier. deleted_at: since then the log of the slot begins at past_sequence.
CREATE TABLE audit_archives (
    month BIGINT NOT NULL CHECK (month BETWEEN 197001 AND 999912),
    slot BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL CHECK (first_sequence >= 0),
    past_sequence BIGINT NOT NULL CHECK (past_sequence > first_sequence),
    frontier BYTEA NOT NULL,
    directory_size BIGINT NOT NULL CHECK (directory_size > 0),
    location TEXT NOT NULL,
    file_length BIGINT NOT NULL CHECK (file_length > 0),
    file_sha256 BYTEA NOT NULL CHECK (length(file_sha256) = 32),
    registered_at BIGINT NOT NULL,
    registered_by TEXT NOT NULL,
    deleted_at BIGINT,
    deleted_by TEXT,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (month, slot)
);

-- Drops the records of the month that holds a time, and what the search knew of them. Servers may delete no record themselves; they call this as
-- the owner of the schema, and it refuses, whatever they say, what is not six years old by the database's own clock (45 CFR 164.316(b)(2)(i)), and a
-- month in which a record lies that no archive holds: one that was made when a clock had been set back.
CREATE FUNCTION drop_audit_partition(at_time BIGINT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keyservice, pg_temp SET lock_timeout = '5s' AS
$$
DECLARE
    month TIMESTAMP := date_trunc('month', TIMESTAMP '1970-01-01' + at_time / 1000 * INTERVAL '1 microsecond');
    past BIGINT := (extract(epoch FROM month + INTERVAL '1 month') * 1000000000)::BIGINT;
    name TEXT := 'audit_records_' || to_char(month, 'YYYY_MM');
    unarchived BOOLEAN;
BEGIN
    IF month + INTERVAL '1 month' > (now() AT TIME ZONE 'UTC') - INTERVAL '6 years' THEN
        RAISE EXCEPTION 'records of % are kept for six years', to_char(month, 'YYYY-MM');
    END IF;
    PERFORM pg_advisory_xact_lock(1263751766, 4);
    IF to_regclass(name) IS NOT NULL THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT 1 FROM audit_heads h WHERE (SELECT max(sequence) FROM %I p WHERE p.slot = h.slot) >= coalesce('
            '(SELECT max(past_sequence) FROM audit_archives a WHERE a.slot = h.slot AND a.deleted_at IS NOT NULL), 0))', name) INTO unarchived;
        IF unarchived THEN
            RAISE EXCEPTION 'a record of % stands in no archive', to_char(month, 'YYYY-MM');
        END IF;
        EXECUTE format('DROP TABLE %I', name);
    END IF;
    DELETE FROM audit_terms USING audit_segments
        WHERE audit_segments.last_at < past AND audit_terms.slot = audit_segments.slot AND audit_terms.segment = audit_segments.segment;
    DELETE FROM audit_segments WHERE last_at < past;
END
$$;

REVOKE ALL ON FUNCTION drop_audit_partition(BIGINT) FROM PUBLIC;

-- Servers that know schema 7 or later work with this step.
-- Transcripts of key ceremonies as they were brought here (docs/spec/transcript.md); a row changes only when the same
-- ceremony comes with more signatures. The row's MAC covers the transcript's hash, so that lists are verified without reading transcripts.
CREATE TABLE ceremonies (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (length(id) = 32),
    kind TEXT COLLATE "C" NOT NULL,
    ending TEXT COLLATE "C" NOT NULL,
    ended_at BIGINT NOT NULL,
    last_hash BYTEA NOT NULL CHECK (length(last_hash) = 32),
    transcript_sha256 BYTEA NOT NULL CHECK (length(transcript_sha256) = 32),
    transcript BYTEA NOT NULL,
    recorded_by TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

-- Servers that know schema 7 or later work with this step.
-- Transcripts of key ceremonies as they were brought here (docs/spec/transcript.md); rows are only added. The register counts them.
CREATE TABLE ceremonies (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (length(id) = 32),
    kind TEXT COLLATE "C" NOT NULL,
    ending TEXT COLLATE "C" NOT NULL,
    ended_at BIGINT NOT NULL,
    transcript BYTEA NOT NULL,
    recorded_by TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32)
);

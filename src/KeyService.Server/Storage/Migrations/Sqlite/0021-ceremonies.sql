-- Servers that know schema 7 or later work with this step.
-- Transcripts of key ceremonies as they were brought here (docs/spec/transcript.md); rows are only added. The register counts them.
CREATE TABLE ceremonies (
    id TEXT PRIMARY KEY CHECK (length(id) = 32),
    kind TEXT NOT NULL,
    ending TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    transcript BLOB NOT NULL,
    recorded_by TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

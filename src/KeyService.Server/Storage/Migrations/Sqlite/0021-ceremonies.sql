-- Servers that know schema 7 or later work with this step.
-- Transcripts of key ceremonies as they were brought here (docs/spec/transcript.md); a row changes only when the same
-- ceremony comes with more signatures. The row's MAC covers the transcript's hash, so that lists are verified without reading transcripts.
CREATE TABLE ceremonies (
    id TEXT PRIMARY KEY CHECK (length(id) = 32),
    kind TEXT NOT NULL,
    ending TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    last_hash BLOB NOT NULL CHECK (length(last_hash) = 32),
    transcript_sha256 BLOB NOT NULL CHECK (length(transcript_sha256) = 32),
    transcript BLOB NOT NULL,
    recorded_by TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

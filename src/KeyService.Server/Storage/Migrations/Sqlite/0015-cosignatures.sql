-- Servers that know schema 7 or later work with this step.
-- What witnesses signed of checkpoints of the directory log: signature lines of notes, which prove themselves.
CREATE TABLE audit_cosignatures (
    size INTEGER NOT NULL CHECK (size >= 0),
    witness TEXT NOT NULL,
    line TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (size, witness)
) STRICT;

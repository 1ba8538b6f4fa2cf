-- Servers that know schema 7 or later work with this step.
-- What servers reserved of grants' quotas in the window that begins at window_start: an upper bound of what was done. measure: 1 calls, 2 items,
-- 3 bytes; quota_window: 1 hour, 2 day. A window that is over is overwritten by the next.
CREATE TABLE quota_counts (
    grant_id BIGINT NOT NULL REFERENCES grants (id),
    measure BIGINT NOT NULL CHECK (measure BETWEEN 1 AND 3),
    quota_window BIGINT NOT NULL CHECK (quota_window IN (1, 2)),
    window_start BIGINT NOT NULL,
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    revision BIGINT NOT NULL CHECK (revision >= 1),
    mac BYTEA NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (grant_id, measure, quota_window)
);

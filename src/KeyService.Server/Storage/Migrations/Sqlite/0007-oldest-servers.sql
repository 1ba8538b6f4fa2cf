-- Servers that know schema 7 or later work with this step.
-- For each step the oldest schema whose servers work with the store after it, as the step's first line says. Null for steps that ran before
-- this one: they are for servers that know them.
ALTER TABLE schema_version ADD COLUMN oldest_server INTEGER CHECK (oldest_server BETWEEN 1 AND version);

-- When a collection that waits is not begun any more.
ALTER TABLE flow ADD COLUMN expires_us INTEGER NOT NULL DEFAULT 0;   -- 0: it waits as long as it takes
CREATE INDEX flow_that_expires ON flow (expires_us) WHERE expires_us > 0 AND complete = 0 AND delivered_us = 0;

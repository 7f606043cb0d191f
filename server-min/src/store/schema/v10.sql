-- What the server's event queries log, beside what they yield.
ALTER TABLE server_event ADD COLUMN log INTEGER NOT NULL DEFAULT 0;

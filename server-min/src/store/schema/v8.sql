-- Organisations beside the root. Only the root's store lists them; each has a store of its own.
CREATE TABLE org (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    nonce      TEXT    NOT NULL UNIQUE,
    created_us INTEGER NOT NULL
) STRICT;

-- For counting what a client sent in a day.
CREATE INDEX event_by_arrival ON event (client, received_us, rows);

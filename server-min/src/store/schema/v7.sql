-- Events that belong to no client: those of the server's own queries, and those that programs send.
CREATE TABLE server_event (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    received_us INTEGER NOT NULL,
    rows        INTEGER NOT NULL,
    raw_bytes   INTEGER NOT NULL,
    data        BLOB    NOT NULL
) STRICT;
CREATE INDEX server_event_by_time ON server_event (name, received_us);
CREATE INDEX server_event_by_number ON server_event (name, number);

-- For whoever follows an event query on all clients.
CREATE INDEX event_by_number ON event (name, number) WHERE log = 0;

-- Collections of the server itself: it is no client, so that their `client` is `server` and refers to none. SQLite takes
-- a reference away only with the table; those that refer to this one are followed by its name.
CREATE TABLE flow_next (
    number       INTEGER PRIMARY KEY,
    client       TEXT    NOT NULL,                   -- of a client, or `server`
    id           TEXT    NOT NULL,
    creator      TEXT    NOT NULL,
    artifacts    TEXT    NOT NULL,
    spec         TEXT    NOT NULL,
    request      BLOB    NOT NULL,
    urgent       INTEGER NOT NULL,
    created_us   INTEGER NOT NULL,
    delivered_us INTEGER NOT NULL DEFAULT 0,         -- on the server: when it began
    deliveries   INTEGER NOT NULL DEFAULT 0,
    active_us    INTEGER NOT NULL DEFAULT 0,
    asked_us     INTEGER NOT NULL DEFAULT 0,
    complete     INTEGER NOT NULL DEFAULT 0,
    failure      TEXT,
    stats        BLOB    NOT NULL DEFAULT x'',
    rows         INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL DEFAULT 0,
    upload_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (client, id)
) STRICT;
INSERT INTO flow_next SELECT number, client, id, creator, artifacts, spec, request, urgent, created_us, delivered_us,
    deliveries, active_us, asked_us, complete, failure, stats, rows, bytes, upload_bytes FROM flow;
DROP TABLE flow;
ALTER TABLE flow_next RENAME TO flow;
CREATE INDEX flow_in_flight ON flow (client) WHERE complete = 0 AND delivered_us > 0;
CREATE INDEX flow_of_server ON flow (urgent, number) WHERE client = 'server' AND complete = 0;
CREATE TRIGGER client_takes_flows AFTER DELETE ON client
    BEGIN DELETE FROM flow WHERE client = OLD.id; END;

-- Times end in _us (microseconds since 1970) or _ns; 0 means never.

-- One agent. What it says about its host are claims.
CREATE TABLE client (
    id                  TEXT    PRIMARY KEY,
    public_key          BLOB    NOT NULL,            -- PKCS#1, DER
    enrolled_us         INTEGER NOT NULL,
    seen_us             INTEGER NOT NULL DEFAULT 0,
    address             TEXT    NOT NULL DEFAULT '',
    host                TEXT    NOT NULL DEFAULT '{}', -- JSON of model::client::Host
    labels              TEXT    NOT NULL DEFAULT '[]', -- JSON list of strings
    labels_changed_ns   INTEGER NOT NULL DEFAULT 0,
    event_table_version INTEGER NOT NULL DEFAULT 0,
    interrogation       TEXT,
    event_rows          INTEGER NOT NULL DEFAULT 0,
    event_bytes         INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One collection on one client.
CREATE TABLE flow (
    number       INTEGER PRIMARY KEY,
    client       TEXT    NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    id           TEXT    NOT NULL,
    creator      TEXT    NOT NULL,
    artifacts    TEXT    NOT NULL,                   -- JSON list of strings
    spec         TEXT    NOT NULL,                   -- JSON
    request      BLOB    NOT NULL,                   -- FlowRequest
    urgent       INTEGER NOT NULL,
    created_us   INTEGER NOT NULL,
    delivered_us INTEGER NOT NULL DEFAULT 0,
    deliveries   INTEGER NOT NULL DEFAULT 0,
    active_us    INTEGER NOT NULL DEFAULT 0,
    asked_us     INTEGER NOT NULL DEFAULT 0,         -- last FlowStatsRequest
    complete     INTEGER NOT NULL DEFAULT 0,
    failure      TEXT,
    stats        BLOB    NOT NULL DEFAULT x'',       -- FlowStats
    rows         INTEGER NOT NULL DEFAULT 0,         -- stored, logs included
    bytes        INTEGER NOT NULL DEFAULT 0,         -- stored, before compression, logs included
    upload_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (client, id)
) STRICT;
CREATE INDEX flow_in_flight ON flow (client) WHERE complete = 0 AND delivered_us > 0;

-- What waits for a client, oldest first.
CREATE TABLE task (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    client  TEXT    NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    flow    INTEGER REFERENCES flow (number) ON DELETE CASCADE, -- a collection to be started; else NULL
    message BLOB,                                               -- VeloMessage, when flow is NULL
    urgent  INTEGER NOT NULL
) STRICT;
CREATE INDEX task_of_client ON task (client, number);

-- The rows of one name in one collection. The name of the query log is the empty text.
CREATE TABLE result_set (
    number   INTEGER PRIMARY KEY,
    flow     INTEGER NOT NULL REFERENCES flow (number) ON DELETE CASCADE,
    name     TEXT    NOT NULL,
    rows     INTEGER NOT NULL DEFAULT 0,             -- stored
    next_row INTEGER NOT NULL DEFAULT 0,             -- in the counting of the agent; below it is a repetition
    bytes    INTEGER NOT NULL DEFAULT 0,             -- stored, before compression
    UNIQUE (flow, name)
) STRICT;

-- JSON lines as they came, found by the number of their first row.
CREATE TABLE chunk (
    result_set INTEGER NOT NULL REFERENCES result_set (number) ON DELETE CASCADE,
    start_row  INTEGER NOT NULL,
    rows       INTEGER NOT NULL,
    raw_bytes  INTEGER NOT NULL,                     -- above 0: data is zlib
    data       BLOB    NOT NULL,
    UNIQUE (result_set, start_row)
) STRICT;

-- Files that agents sent; their bytes lie in uploads/<flow>/<upload>.
CREATE TABLE upload (
    flow      INTEGER NOT NULL REFERENCES flow (number) ON DELETE CASCADE,
    upload    INTEGER NOT NULL,
    path      TEXT    NOT NULL,                      -- of the host; never used on the server
    accessor  TEXT    NOT NULL,
    components TEXT   NOT NULL,                      -- JSON list of strings
    size      INTEGER NOT NULL,                      -- expected
    stored    INTEGER NOT NULL,                      -- contiguous from the start
    complete  INTEGER NOT NULL,
    sparse    TEXT,                                  -- JSON list of ranges
    mtime_ns  INTEGER NOT NULL,
    atime_ns  INTEGER NOT NULL,
    ctime_ns  INTEGER NOT NULL,
    btime_ns  INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    PRIMARY KEY (flow, upload)
) STRICT, WITHOUT ROWID;

-- Rows of event queries, as they came. The digest recognises a message that came before.
CREATE TABLE event (
    number      INTEGER PRIMARY KEY,
    client      TEXT    NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    log         INTEGER NOT NULL,                    -- a query log and not rows
    received_us INTEGER NOT NULL,
    rows        INTEGER NOT NULL,
    raw_bytes   INTEGER NOT NULL,
    data        BLOB    NOT NULL,
    digest      BLOB
) STRICT;
CREATE INDEX event_by_time ON event (client, name, log, received_us);
CREATE UNIQUE INDEX event_once ON event (client, digest) WHERE digest IS NOT NULL;

-- Names in the event tables that a client was given.
CREATE TABLE event_grant (
    client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    PRIMARY KEY (client, name)
) STRICT, WITHOUT ROWID;

-- Single values: the event table, installation data.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

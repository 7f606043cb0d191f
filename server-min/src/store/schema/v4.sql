-- One collection for many clients.
CREATE TABLE hunt (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    creator      TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    artifacts    TEXT    NOT NULL,                   -- JSON list of strings
    spec         TEXT    NOT NULL,                   -- JSON
    request      BLOB    NOT NULL,                   -- FlowRequest
    urgent       INTEGER NOT NULL,
    condition    TEXT    NOT NULL,                   -- JSON of model::hunt::Condition
    client_limit INTEGER NOT NULL,                   -- 0: none
    created_us   INTEGER NOT NULL,
    started_us   INTEGER NOT NULL DEFAULT 0,
    expires_us   INTEGER NOT NULL,
    state        INTEGER NOT NULL,                   -- 1 paused, 2 running, 3 stopped
    round        INTEGER NOT NULL DEFAULT 0          -- rises each time a hunt starts: clients with a lower one are looked at
) STRICT;
CREATE INDEX hunt_running ON hunt (round) WHERE state = 2;

-- Who takes part: each client once.
CREATE TABLE hunt_client (
    hunt      INTEGER NOT NULL REFERENCES hunt (number) ON DELETE CASCADE,
    client    TEXT    NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    flow      TEXT    NOT NULL,
    joined_us INTEGER NOT NULL,
    PRIMARY KEY (hunt, client)
) STRICT, WITHOUT ROWID;
CREATE INDEX hunt_of_client ON hunt_client (client);

-- The round up to which a client was looked at.
ALTER TABLE client ADD COLUMN hunt_round INTEGER NOT NULL DEFAULT 0;

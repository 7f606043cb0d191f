-- Cells of text and of queries.
CREATE TABLE notebook (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    creator       TEXT    NOT NULL,
    collaborators TEXT    NOT NULL,                   -- JSON list of strings
    preamble      TEXT    NOT NULL,                   -- VQL that goes before each query
    created_us    INTEGER NOT NULL,
    changed_us    INTEGER NOT NULL
) STRICT;

CREATE TABLE cell (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    notebook INTEGER NOT NULL REFERENCES notebook (number) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    input    TEXT    NOT NULL,
    state    TEXT    NOT NULL DEFAULT 'fresh',
    run      INTEGER NOT NULL DEFAULT 0,              -- counts the runs: what an earlier one still writes does not count
    runner   TEXT    NOT NULL DEFAULT '',
    ran_us   INTEGER NOT NULL DEFAULT 0,
    rows     INTEGER NOT NULL DEFAULT 0,
    failure  TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX cell_of_notebook ON cell (notebook, position);

-- What the last run of a cell yielded, and what it logged.
CREATE TABLE cell_chunk (
    number    INTEGER PRIMARY KEY,
    cell      INTEGER NOT NULL REFERENCES cell (number) ON DELETE CASCADE,
    log       INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    data      BLOB    NOT NULL
) STRICT;
CREATE INDEX chunk_of_cell ON cell_chunk (cell, log, number);

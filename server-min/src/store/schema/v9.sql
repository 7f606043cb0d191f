-- Who is signed in to the web pages.
CREATE TABLE session (
    token      BLOB    PRIMARY KEY,                   -- SHA-256 of what the browser has
    key        TEXT    NOT NULL,                      -- of the user, in lower case
    user       TEXT    NOT NULL,
    credential BLOB    NOT NULL,                      -- SHA-256 of user.password: another password ends the session
    began_us   INTEGER NOT NULL,
    until_us   INTEGER NOT NULL,
    used_us    INTEGER NOT NULL,
    address    TEXT    NOT NULL,
    browser    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_of_user ON session (key);

-- What is asked for beside a password.
CREATE TABLE second_factor (
    user      TEXT    PRIMARY KEY,                    -- in lower case
    secret    BLOB    NOT NULL,
    confirmed INTEGER NOT NULL,                       -- 0: it is not asked for yet
    used_step INTEGER NOT NULL,                       -- of the last code: each counts once
    recovery  TEXT    NOT NULL                        -- JSON list of SHA-256 of codes, in hex
) STRICT, WITHOUT ROWID;

-- Definitions of artifacts that people have written here.
CREATE TABLE artifact (
    name       TEXT    PRIMARY KEY,
    text       TEXT    NOT NULL,                      -- YAML
    changed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

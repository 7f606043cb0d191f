-- Keys with which programs fetch what their user may see. Only hashes are kept.
CREATE TABLE api_key (
    hash       BLOB    PRIMARY KEY,                 -- SHA-256 of the key
    user       TEXT    NOT NULL,                    -- the name of a user
    key        TEXT    NOT NULL,                    -- by which the user is found
    label      TEXT    NOT NULL,                    -- what it is for, in the user's words
    org        TEXT    NOT NULL,                    -- the one organisation that it shows
    credential BLOB    NOT NULL,                    -- changes with the password
    made_us    INTEGER NOT NULL,
    until_us   INTEGER NOT NULL,
    used_us    INTEGER NOT NULL,                    -- 0: never
    address    TEXT    NOT NULL                     -- from where it was used last
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_of_user ON api_key (key);

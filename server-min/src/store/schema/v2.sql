-- Who signs in. The key is the name in lower case.
CREATE TABLE user (
    key        TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,                      -- as it was first written
    password   TEXT,                                  -- Argon2id (PHC string) or an imported hash; NULL: no password
    locked     INTEGER NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,            -- wrong passwords since the last right one
    failed_us  INTEGER NOT NULL DEFAULT 0,
    created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who may do what, by organisation. A program with a certificate has a policy and no user.
CREATE TABLE policy (
    key    TEXT NOT NULL,                             -- of the principal, in lower case
    org    TEXT NOT NULL,
    name   TEXT NOT NULL,                             -- as it was first written
    policy TEXT NOT NULL,                             -- JSON
    PRIMARY KEY (key, org)
) STRICT, WITHOUT ROWID;

-- What was done and what was refused. Each hash covers its record and the hash before it.
CREATE TABLE audit (
    number    INTEGER PRIMARY KEY,
    time_us   INTEGER NOT NULL,
    org       TEXT    NOT NULL,
    principal TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    allowed   INTEGER NOT NULL,
    details   TEXT    NOT NULL,                       -- JSON
    hash      BLOB    NOT NULL
) STRICT;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;

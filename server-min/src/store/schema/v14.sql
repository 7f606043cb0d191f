-- Who signs in through another server: one identity there is one user here, and a user has one.
CREATE TABLE identity (
    issuer    TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    user      TEXT    NOT NULL UNIQUE,                -- the key of a user
    pinned_us INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

-- Heads of the audit log that the server has signed: who can write this file and has not its key cannot make another.
CREATE TABLE audit_head (
    number    INTEGER PRIMARY KEY,                    -- of a record
    hash      BLOB    NOT NULL,                       -- of that record
    time_us   INTEGER NOT NULL,
    signer    BLOB    NOT NULL,                       -- SHA-256 of the public key
    signature BLOB    NOT NULL                        -- RSASSA-PKCS1-v1_5 with SHA-256
) STRICT;

-- The last record that was moved to an archive: the log goes on behind it.
CREATE TABLE audit_base (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hash   BLOB    NOT NULL
) STRICT;
DROP TRIGGER audit_keeps;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit
    WHEN OLD.number > coalesce((SELECT number FROM audit_base), 0)
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;

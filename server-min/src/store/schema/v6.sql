-- What a client sent and was not asked for, or was not allowed to send.
ALTER TABLE client ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;

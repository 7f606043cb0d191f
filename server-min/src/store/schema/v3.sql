-- The terms under which clients are found (model::search), in lower case.
CREATE TABLE client_term (
    client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    term   TEXT NOT NULL,
    PRIMARY KEY (client, term)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX client_by_term ON client_term (term, client);

-- What people note about a client.
CREATE TABLE client_metadata (
    client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (client, name)
) STRICT, WITHOUT ROWID;

-- What people, programs and the configuration file did to the installation: one row for each change
-- and each attempt to sign in, written by the transaction of the change itself. Rows are only added.
-- hash covers the row and the hash before it.
CREATE TABLE deeds (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    came_from TEXT NOT NULL,
    deed TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE INDEX deeds_actor ON deeds (actor, seq);
CREATE INDEX deeds_at ON deeds (at);

-- One row, signed with a key outside the database: where the chain of deeds ends. None before the
-- first deed.
CREATE TABLE deeds_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL
);

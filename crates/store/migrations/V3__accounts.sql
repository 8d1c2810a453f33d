-- People who sign in to the console. email is folded to lower case. password: the argon2id hash,
-- sealed. version counts what ends sessions: another password, another role, disabling.
CREATE TABLE people (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    display TEXT NOT NULL,
    role TEXT NOT NULL,
    password BLOB,
    issuer TEXT,
    subject TEXT,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    signed_in_at INTEGER,
    disabled_at INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX people_subject ON people (issuer, subject) WHERE subject IS NOT NULL;

-- Sessions of browsers, by the hash of the secret that the cookie carries.
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    csrf BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    stepped_up_until INTEGER,
    address TEXT NOT NULL,
    browser TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_person ON sessions (person);

-- One-time links, by the hash of their token: to make the first account (purpose set_up), to join
-- (invitation), to choose another password (new_password, which names the person).
CREATE TABLE account_links (
    hash BLOB PRIMARY KEY,
    purpose TEXT NOT NULL,
    email TEXT,
    role TEXT,
    person TEXT REFERENCES people (id) ON DELETE CASCADE,
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Failed attempts to sign in, by what they had in common (kind) and its hash (key).
CREATE TABLE sign_in_failures (
    kind TEXT NOT NULL,
    key BLOB NOT NULL,
    failures INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX sign_in_failures_age ON sign_in_failures (failed_at);

-- One row: what the people of this installation call themselves.
CREATE TABLE organisation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL
);
INSERT INTO organisation (id, name) VALUES (1, '');

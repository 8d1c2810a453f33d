-- Facts about the database itself: the check of its key file, the probe of the writer.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- One row: how often configuration and approvals changed, for every process that watches.
CREATE TABLE revisions (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    config INTEGER NOT NULL,
    approvals INTEGER NOT NULL
);
INSERT INTO revisions (id, config, approvals) VALUES (1, 0, 0);

CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    own_calls TEXT NOT NULL
);
INSERT INTO settings (id, own_calls) VALUES (1, 'refuse');

-- secrets: the values of headers or environment, sealed.
CREATE TABLE servers (
    slug TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    secrets BLOB NOT NULL,
    managed_by_file INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    saved_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE pins (
    server TEXT NOT NULL REFERENCES servers (slug) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    definition TEXT NOT NULL,
    accepted_digest TEXT,
    accepted_definition TEXT,
    class TEXT,
    risk TEXT,
    seen_at INTEGER NOT NULL,
    accepted_at INTEGER,
    accepted_by TEXT,
    PRIMARY KEY (server, tool)
) WITHOUT ROWID;

CREATE TABLE policies (
    name TEXT PRIMARY KEY,
    server TEXT,
    version INTEGER NOT NULL,
    managed_by_file INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE policy_versions (
    name TEXT NOT NULL REFERENCES policies (name) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    text TEXT NOT NULL,
    canonical TEXT NOT NULL,
    actor TEXT NOT NULL,
    note TEXT,
    saved_at INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;

CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    server TEXT NOT NULL REFERENCES servers (slug) ON DELETE CASCADE,
    policy TEXT REFERENCES policies (name) ON DELETE SET NULL,
    token_hash BLOB NOT NULL UNIQUE,
    previous_hash BLOB,
    previous_until INTEGER,
    expires_at INTEGER,
    tags TEXT NOT NULL,
    revoked_at INTEGER,
    owner TEXT,
    managed_by_file INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX grants_label ON grants (server, label) WHERE revoked_at IS NULL;
CREATE INDEX grants_policy ON grants (policy);

CREATE TABLE api_tokens (
    label TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    managed_by_file INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE approvals (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    grant_id TEXT NOT NULL,
    server TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    definition_pin TEXT,
    arguments TEXT NOT NULL,
    rules TEXT NOT NULL,
    approvers TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_by TEXT,
    decided_at INTEGER,
    decided_from TEXT,
    decided_reason TEXT,
    used_at INTEGER
);
CREATE INDEX approvals_live ON approvals (expires_at) WHERE state <> 'used';

CREATE TABLE counters (
    key TEXT PRIMARY KEY,
    state BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE idempotency (
    number INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    status INTEGER,
    body BLOB,
    made_at INTEGER NOT NULL,
    UNIQUE (actor, key)
);

-- The audit log. Openings and outcomes share one numbering (seq) and one chain of hashes; an
-- outcome is found by the seq of its opening, so neither table needs an index beside its key.
-- "at" never goes back, whatever the clock does; the true time stands in the record.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    record TEXT NOT NULL,
    hash BLOB NOT NULL
);

CREATE TABLE audit_outcome (
    opening INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    record TEXT NOT NULL,
    hash BLOB NOT NULL
);

CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    openings INTEGER NOT NULL,
    at INTEGER NOT NULL,
    clock_back_ms INTEGER NOT NULL,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL
);

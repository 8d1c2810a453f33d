-- What is said to people outside (webhooks, chat), one row for each channel, event and approval. A
-- row is made before anything is sent, so that a message is sent at least once, under one id.
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    event TEXT NOT NULL,
    subject TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    made_at INTEGER NOT NULL,
    ended_at INTEGER
);
CREATE INDEX deliveries_due ON deliveries (channel, next_at) WHERE state = 'pending';
CREATE UNIQUE INDEX deliveries_once ON deliveries (channel, event, subject)
    WHERE subject IS NOT NULL;
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- Lists of held calls by urgency, and the last approved call like another one, at any number of
-- requests. Without these a list reads every row, with arguments that may be megabytes long.
CREATE INDEX approvals_pending ON approvals (expires_at) WHERE state = 'pending';
CREATE INDEX approvals_alike ON approvals (grant_id, server, name, decided_at)
    WHERE decided_at IS NOT NULL;

-- Held calls that the gateway serves as tasks and that wait for a person: what a process that starts
-- anew needs to go on with them. body is the message as it came, headers JSON pairs of name and value.
CREATE TABLE held_tasks (
    id TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    server TEXT NOT NULL,
    approval TEXT NOT NULL,
    body BLOB NOT NULL,
    headers TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX held_tasks_over ON held_tasks (expires_at);

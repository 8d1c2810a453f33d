-- What became of a held call that was served as a task, for as long as its client may ask: completed,
-- failed, cancelled or delegated, and what it came to, sealed. NULL while it waits or is on its way.
ALTER TABLE held_tasks ADD COLUMN ended_at INTEGER;
ALTER TABLE held_tasks ADD COLUMN outcome TEXT;
ALTER TABLE held_tasks ADD COLUMN result BLOB;
ALTER TABLE held_tasks ADD COLUMN result_bytes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX held_tasks_ended ON held_tasks (grant_id, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX held_tasks_results ON held_tasks (ended_at, id, result_bytes) WHERE result_bytes > 0;

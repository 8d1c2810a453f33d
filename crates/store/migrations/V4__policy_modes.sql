-- What a version does with the calls it judges: 'draft' (it judges none), 'observe', 'enforce'.
ALTER TABLE policy_versions ADD COLUMN mode TEXT NOT NULL DEFAULT 'enforce';

-- Texts that somebody works on and has not saved: one for each person and policy. The policy need not exist.
CREATE TABLE policy_drafts (
    actor TEXT NOT NULL,
    name TEXT NOT NULL,
    server TEXT,
    text TEXT NOT NULL,
    base INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (actor, name)
) WITHOUT ROWID;

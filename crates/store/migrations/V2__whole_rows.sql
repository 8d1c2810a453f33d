-- The outcome of a call that ended before its opening row was written: then one row says both.
-- Empty in rows of calls whose outcome stands in audit_outcome, or that never left.
ALTER TABLE audit ADD COLUMN outcome TEXT NOT NULL DEFAULT '';

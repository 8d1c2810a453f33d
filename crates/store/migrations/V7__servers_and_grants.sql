-- Definitions that somebody looked at and keeps out, by the digest that they saw: another definition
-- of the same tool is not decided.
CREATE TABLE kept_out (
    server TEXT NOT NULL REFERENCES servers (slug) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    digest TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (server, tool)
) WITHOUT ROWID;

-- When each grant was last heard of in the log. It may lag behind the log by some seconds of use.
CREATE TABLE grant_uses (
    grant_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) WITHOUT ROWID;
-- A record that somebody altered may be no JSON any more.
INSERT INTO grant_uses (grant_id, at)
    SELECT grant_id, max(at) FROM (
        SELECT CASE WHEN json_valid(record) THEN json_extract(record, '$.grant_id') END AS grant_id, at
        FROM audit)
    WHERE typeof(grant_id) = 'text' GROUP BY grant_id;

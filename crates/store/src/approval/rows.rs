//! Approval requests as rows: SQL and the reading of what it returns.
//!
//! What never lives here: who may decide.

use policy::{
    ApprovalId, ApprovalRecord, ApprovalState, Approver, AskRule, Kind, Sha256Digest, UnixMillis,
};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use serde::{Deserialize, Serialize};

use super::state_word;
use crate::error::ReadError;

pub(super) const COLUMNS: &str =
    "SELECT id, digest, grant_id, server, kind, name, definition_pin, arguments,
    rules, approvers, state, created_at, expires_at, decided_by, decided_at, decided_from,
    decided_reason, used_at FROM approvals ";

const INSERT: &str = "INSERT INTO approvals (id, digest, grant_id, server, kind, name,
    definition_pin, arguments, rules, approvers, state, created_at, expires_at)
    VALUES (:id, :digest, :grant, :server, :kind, :name, :pin, :arguments, :rules, :approvers,
    'pending', :created_at, :expires_at)";

/// A rule as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredRule {
    digest: String,
    rule: String,
    message: String,
}

/// Writes a new request.
pub(super) fn insert(
    connection: &Connection,
    record: &ApprovalRecord,
) -> Result<(), rusqlite::Error> {
    let rules: Vec<StoredRule> = record
        .rules
        .iter()
        .map(|rule| StoredRule {
            digest: rule.digest.to_string(),
            rule: rule.rule.as_ref().to_owned(),
            message: rule.message.clone(),
        })
        .collect();
    let approvers: Vec<Vec<String>> = record
        .approvers
        .iter()
        .map(|list| list.iter().map(ToString::to_string).collect())
        .collect();
    let json_error = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":id": record.id.as_str(),
        ":digest": record.digest.0.as_slice(),
        ":grant": record.grant,
        ":server": record.server,
        ":kind": record.kind.as_str(),
        ":name": record.name,
        ":pin": record.definition_pin,
        ":arguments": record.arguments,
        ":rules": serde_json::to_string(&rules).map_err(json_error)?,
        ":approvers": serde_json::to_string(&approvers).map_err(json_error)?,
        ":created_at": record.created_at.0,
        ":expires_at": record.expires_at.0,
    })?;
    Ok(())
}

/// One request.
pub(crate) fn get(
    connection: &Connection,
    id: &ApprovalId,
) -> Result<Option<ApprovalRecord>, ReadError> {
    let sql = format!("{COLUMNS} WHERE id = ?1");
    let row = connection.prepare_cached(&sql)?.query_row([id.as_str()], read).optional()?;
    row.transpose()
}

/// The requests that are not used and not over at `now`.
pub(crate) fn read_live(
    connection: &Connection,
    now: UnixMillis,
) -> Result<Vec<ApprovalRecord>, ReadError> {
    let sql = format!("{COLUMNS} WHERE state <> 'used' AND expires_at > ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([now.0], read)?;
    rows.map(|row| row?).collect()
}

/// The requests for which a query over `approvals` as `a` holds, oldest first.
pub(crate) fn matching(
    connection: &Connection,
    condition: &str,
    values: &[(&str, &dyn rusqlite::ToSql)],
) -> Result<Vec<ApprovalRecord>, ReadError> {
    let columns = COLUMNS.replace("FROM approvals", "FROM approvals AS a");
    let sql = format!("{columns} WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(values, read)?;
    rows.map(|row| row?).collect()
}

/// Reads a row; the outer error is the database's, the inner one that of a damaged record.
pub(super) fn read(row: &Row<'_>) -> Result<Result<ApprovalRecord, ReadError>, rusqlite::Error> {
    let id: String = row.get("id")?;
    let texts = Texts {
        kind: row.get("kind")?,
        rules: row.get("rules")?,
        approvers: row.get("approvers")?,
        state: row.get("state")?,
    };
    let parsed = texts.parse().and_then(|parts| {
        let parsed_id: Result<ApprovalId, _> = id.parse();
        Ok((parsed_id.map_err(|error| error.to_string())?, parts))
    });
    let (parsed_id, parts) = match parsed {
        Ok(parsed) => parsed,
        Err(why) => return Ok(Err(ReadError::Damaged { what: "approval", name: id, why })),
    };
    let time = |column: &str| -> Result<Option<UnixMillis>, rusqlite::Error> {
        Ok(row.get::<_, Option<i64>>(column)?.map(UnixMillis))
    };
    Ok(Ok(ApprovalRecord {
        id: parsed_id,
        digest: Sha256Digest(row.get("digest")?),
        grant: row.get("grant_id")?,
        server: row.get("server")?,
        kind: parts.kind,
        name: row.get("name")?,
        definition_pin: row.get("definition_pin")?,
        arguments: row.get("arguments")?,
        rules: parts.rules,
        approvers: parts.approvers,
        state: parts.state,
        created_at: UnixMillis(row.get("created_at")?),
        expires_at: UnixMillis(row.get("expires_at")?),
        decided_by: row.get("decided_by")?,
        decided_at: time("decided_at")?,
        decided_from: row.get("decided_from")?,
        decided_reason: row.get("decided_reason")?,
        used_at: time("used_at")?,
    }))
}

struct Texts {
    kind: String,
    rules: String,
    approvers: String,
    state: String,
}

struct Parts {
    kind: Kind,
    rules: Vec<AskRule>,
    approvers: Vec<Vec<Approver>>,
    state: ApprovalState,
}

impl Texts {
    fn parse(&self) -> Result<Parts, String> {
        let kind = [Kind::Tool, Kind::Resource, Kind::Prompt]
            .into_iter()
            .find(|kind| kind.as_str() == self.kind)
            .ok_or_else(|| format!("unknown kind {:?}", self.kind))?;
        let states = [
            ApprovalState::Pending,
            ApprovalState::Approved,
            ApprovalState::Rejected,
            ApprovalState::Used,
        ];
        let state = states
            .into_iter()
            .find(|state| state_word(*state) == self.state)
            .ok_or_else(|| format!("unknown state {:?}", self.state))?;
        let rules: Vec<StoredRule> =
            serde_json::from_str(&self.rules).map_err(|error| error.to_string())?;
        let rules = rules
            .into_iter()
            .map(|rule| {
                let digest = rule.digest.parse().map_err(|_digest| "a bad digest".to_owned())?;
                Ok(AskRule { digest, rule: rule.rule.into(), message: rule.message })
            })
            .collect::<Result<_, String>>()?;
        let approvers: Vec<Vec<String>> =
            serde_json::from_str(&self.approvers).map_err(|error| error.to_string())?;
        let approvers = approvers
            .iter()
            .map(|list| {
                list.iter()
                    .map(|text| Approver::parse(text).ok_or_else(|| "a bad approver".to_owned()))
                    .collect()
            })
            .collect::<Result<_, String>>()?;
        Ok(Parts { kind, rules, approvers, state })
    }
}

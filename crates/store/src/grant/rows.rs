//! Grants as rows: SQL and the reading of what it returns.
//!
//! What never lives here: who may change a grant.

use std::collections::BTreeMap;

use policy::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use super::{GrantRecord, PreviousToken};
use crate::error::{ReadError, WriteError, damaged, exists_if_taken};
use crate::name::{Actor, GrantId, Label, NameError, PolicyName, ServerSlug};
use crate::server;
use crate::token::TokenHash;

const COLUMNS: &str = "SELECT id, label, server, policy, token_hash, previous_hash, previous_until,
    expires_at, tags, revoked_at, owner, managed_by_file, created_at FROM grants ";

const INSERT: &str = "INSERT INTO grants (id, label, server, policy, token_hash, expires_at, tags,
    revoked_at, owner, managed_by_file, created_at)
    VALUES (:id, :label, :server, :policy, :token_hash, :expires_at, :tags, :revoked_at, :owner,
    :managed_by_file, :created_at)";

/// One grant.
pub(crate) fn get(connection: &Connection, id: &GrantId) -> Result<Option<GrantRecord>, ReadError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    statement.query_row([id.as_str()], read).optional()?.transpose()
}

/// All grants, oldest first.
pub(crate) fn read_all(connection: &Connection) -> Result<Vec<GrantRecord>, ReadError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY created_at, id"))?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| row?).collect()
}

/// Who owns a grant (by its id), for the rule that nobody decides their own calls.
pub(crate) fn owner_of(connection: &Connection, grant: &str) -> Result<Option<String>, ReadError> {
    let sql = "SELECT owner FROM grants WHERE id = ?1";
    let found = connection.query_row(sql, [grant], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

/// Writes a grant that is not there yet.
pub(crate) fn insert(connection: &Connection, grant: &GrantRecord) -> Result<(), WriteError> {
    let server = grant.server.as_str();
    if server::facts(connection, &grant.server)?.is_none() {
        return Err(WriteError::NotFound { what: "server", name: server.to_owned() });
    }
    check_policy(connection, grant.policy.as_ref())?;
    check_token(connection, grant.token_hash, &grant.id)?;
    let json_error = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let tags = serde_json::to_string(&grant.tags).map_err(json_error)?;
    let result = connection.prepare_cached(INSERT)?.execute(named_params! {
        ":id": grant.id.as_str(),
        ":label": grant.label.as_str(),
        ":server": server,
        ":policy": grant.policy.as_ref().map(PolicyName::as_str),
        ":token_hash": grant.token_hash.0.as_slice(),
        ":expires_at": grant.expires_at.map(|at| at.0),
        ":tags": tags,
        ":revoked_at": grant.revoked_at.map(|at| at.0),
        ":owner": grant.owner.as_ref().map(Actor::as_str),
        ":managed_by_file": grant.managed_by_file,
        ":created_at": grant.created_at.0,
    });
    exists_if_taken(result, "grant", grant.label.as_str())
}

/// A policy that a grant names must exist.
pub(crate) fn check_policy(
    connection: &Connection,
    policy: Option<&PolicyName>,
) -> Result<(), WriteError> {
    let Some(policy) = policy else { return Ok(()) };
    let sql = "SELECT 1 FROM policies WHERE name = ?1";
    if connection.prepare_cached(sql)?.exists([policy.as_str()])? {
        Ok(())
    } else {
        Err(WriteError::NotFound { what: "policy", name: policy.as_str().to_owned() })
    }
}

/// A token opens one grant only: it may not be the token, or the token before the last rotation, of
/// another one.
pub(crate) fn check_token(
    connection: &Connection,
    hash: TokenHash,
    id: &GrantId,
) -> Result<(), WriteError> {
    let sql = "SELECT label FROM grants WHERE id <> ?1 AND (token_hash = ?2 OR previous_hash = ?2)";
    let other: Option<String> = connection
        .prepare_cached(sql)?
        .query_row((id.as_str(), hash.0.as_slice()), |row| row.get(0))
        .optional()?;
    match other {
        Some(name) => Err(WriteError::Exists { what: "token of grant", name }),
        None => Ok(()),
    }
}

fn read(row: &Row<'_>) -> Result<Result<GrantRecord, ReadError>, rusqlite::Error> {
    let id: String = row.get(0)?;
    let label: String = row.get(1)?;
    let server: String = row.get(2)?;
    let policy: Option<String> = row.get(3)?;
    let tags: String = row.get(8)?;
    let owner: Option<String> = row.get(10)?;
    let names = || -> Result<_, NameError> {
        Ok((
            GrantId::parse(&id)?,
            Label::parse(&label)?,
            ServerSlug::parse(&server)?,
            policy.as_deref().map(PolicyName::parse).transpose()?,
            owner.as_deref().map(Actor::parse).transpose()?,
        ))
    };
    let (parsed_id, label, server, policy, owner) = match names() {
        Ok(names) => names,
        Err(error) => return Ok(Err(damaged("grant", &id, &error))),
    };
    let tags: BTreeMap<String, String> = match serde_json::from_str(&tags) {
        Ok(tags) => tags,
        Err(error) => return Ok(Err(damaged("grant", &id, &error))),
    };
    let previous_hash: Option<[u8; 32]> = row.get(5)?;
    let previous_until: Option<i64> = row.get(6)?;
    let previous = previous_hash
        .zip(previous_until)
        .map(|(hash, until)| PreviousToken { hash: TokenHash(hash), until: UnixMillis(until) });
    Ok(Ok(GrantRecord {
        id: parsed_id,
        label,
        server,
        policy,
        token_hash: TokenHash(row.get(4)?),
        previous,
        expires_at: row.get::<_, Option<i64>>(7)?.map(UnixMillis),
        tags,
        revoked_at: row.get::<_, Option<i64>>(9)?.map(UnixMillis),
        owner,
        managed_by_file: row.get(11)?,
        created_at: UnixMillis(row.get(12)?),
    }))
}

//! Tokens of the API and what their bearers may do.
//!
//! What never lives here: which endpoint needs which role.

use std::str::FromStr;

use policy::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::deed::Deed;
use crate::error::{ReadError, WriteError, damaged, exists_if_taken};
use crate::name::{Label, NameError, Revision};
use crate::store::Store;
use crate::token::TokenHash;

/// What a person or an API token may do (CONSOLE, "People").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads, no secrets.
    Viewer,
    /// Edits and attaches policies.
    PolicyManager,
    /// Decides holds.
    Approver,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::PolicyManager, Role::Approver, Role::Admin];

    /// The word in the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::PolicyManager => "policy_manager",
            Role::Approver => "approver",
            Role::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Role, NameError> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            NameError::new("role", text, "viewer, policy_manager, approver or admin")
        })
    }
}

/// One API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// What people call it; unique.
    pub label: Label,
    /// What its bearer may do.
    pub role: Role,
    /// The hash of the token.
    pub token_hash: TokenHash,
    /// Whether it stands in the configuration file and is read-only elsewhere.
    pub managed_by_file: bool,
    /// When it was made.
    pub created_at: UnixMillis,
}

const COLUMNS: &str =
    "SELECT label, role, token_hash, managed_by_file, created_at FROM api_tokens ";
const INSERT: &str = "INSERT INTO api_tokens (label, role, token_hash, managed_by_file, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5)";

impl Store {
    /// All API tokens, by label.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRecord>, ReadError> {
        self.read(read_all).await
    }

    /// The API token with this hash. The look-up is by hash alone, so its time tells nothing of
    /// the token.
    pub async fn api_token(&self, hash: TokenHash) -> Result<Option<ApiTokenRecord>, ReadError> {
        self.read(move |connection| {
            let sql = format!("{COLUMNS} WHERE token_hash = ?1");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_row([hash.0.as_slice()], read).optional()?;
            found.transpose()
        })
        .await
    }

    /// Makes an API token; [`WriteError::Exists`] if its label or hash is taken. The caller says
    /// nothing of `managed_by_file`: it is made outside the file.
    pub async fn create_api_token(&self, token: ApiTokenRecord) -> Result<Revision, WriteError> {
        self.act(move |tx| {
            let token = ApiTokenRecord { managed_by_file: false, ..token };
            insert(tx, &token)?;
            let did = tx.did(Deed::CreateApiToken, token.label.as_str(), token.role.as_str())?;
            Ok((tx.bump_config()?, did))
        })
        .await
    }

    /// Removes an API token. Not for tokens from the file.
    pub async fn remove_api_token(&self, label: &Label) -> Result<Revision, WriteError> {
        let label = label.clone();
        self.act(move |tx| {
            let name = || label.as_str().to_owned();
            let managed: Option<bool> = tx
                .query_row(
                    "SELECT managed_by_file FROM api_tokens WHERE label = ?1",
                    [label.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            match managed {
                None => Err(WriteError::NotFound { what: "API token", name: name() }),
                Some(true) => Err(WriteError::ManagedByFile { what: "API token", name: name() }),
                Some(false) => {
                    tx.execute("DELETE FROM api_tokens WHERE label = ?1", [label.as_str()])?;
                    let did = tx.did(Deed::RemoveApiToken, label.as_str(), "")?;
                    Ok((tx.bump_config()?, did))
                }
            }
        })
        .await
    }
}

/// All API tokens, by label.
pub(crate) fn read_all(connection: &Connection) -> Result<Vec<ApiTokenRecord>, ReadError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY label"))?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| row?).collect()
}

/// Writes a token that is not there yet.
pub(crate) fn insert(connection: &Connection, token: &ApiTokenRecord) -> Result<(), WriteError> {
    let result = connection.prepare_cached(INSERT)?.execute((
        token.label.as_str(),
        token.role.as_str(),
        token.token_hash.0.as_slice(),
        token.managed_by_file,
        token.created_at.0,
    ));
    exists_if_taken(result, "API token", token.label.as_str())
}

fn read(row: &Row<'_>) -> Result<Result<ApiTokenRecord, ReadError>, rusqlite::Error> {
    let label: String = row.get(0)?;
    let role: String = row.get(1)?;
    let parsed = Label::parse(&label).and_then(|name| Ok((name, role.parse()?)));
    let (label, role) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(damaged("API token", &label, &error))),
    };
    Ok(Ok(ApiTokenRecord {
        label,
        role,
        token_hash: TokenHash(row.get(2)?),
        managed_by_file: row.get(3)?,
        created_at: UnixMillis(row.get(4)?),
    }))
}

//! Tokens of the API and what their bearers may do.
//!
//! What never lives here: which endpoint needs which role.

use std::str::FromStr;

use policy::UnixMillis;

use crate::error::{ReadError, WriteError};
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

impl Store {
    /// All API tokens, by label.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRecord>, ReadError> {
        Err(ReadError::unbuilt())
    }

    /// The API token with this hash. The look-up is by hash alone, so its time tells nothing of
    /// the token.
    pub async fn api_token(&self, hash: TokenHash) -> Result<Option<ApiTokenRecord>, ReadError> {
        let _ = hash;
        Err(ReadError::unbuilt())
    }

    /// Makes an API token; [`WriteError::Exists`] if its label or hash is taken.
    pub async fn create_api_token(&self, token: ApiTokenRecord) -> Result<Revision, WriteError> {
        let _ = token;
        Err(WriteError::unbuilt())
    }

    /// Removes an API token. Not for tokens from the file.
    pub async fn remove_api_token(&self, label: &Label) -> Result<Revision, WriteError> {
        let _ = label;
        Err(WriteError::unbuilt())
    }
}

//! The objects of the configuration file, applied all or nothing.
//!
//! What never lives here: reading the file.

use std::collections::BTreeMap;

use policy::UnixMillis;

use crate::api_token::Role;
use crate::error::WriteError;
use crate::name::{Label, PolicyName, Revision, ServerSlug};
use crate::server::ServerRecord;
use crate::store::Store;
use crate::token::TokenHash;

/// A policy of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePolicy {
    /// Its name.
    pub name: PolicyName,
    /// The server that it is written for.
    pub server: Option<ServerSlug>,
    /// The text.
    pub text: String,
    /// The canonical form.
    pub canonical: String,
}

/// A grant of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileGrant {
    /// What people call it; unique among the file's grants for the same server. Label and server
    /// give it its identity, so its counters and its revocation outlive restarts.
    pub label: Label,
    /// The server.
    pub server: ServerSlug,
    /// The policy; none denies everything.
    pub policy: Option<PolicyName>,
    /// The hash of its token.
    pub token_hash: TokenHash,
    /// When it ends.
    pub expires_at: Option<UnixMillis>,
    /// Tags for policies.
    pub tags: BTreeMap<String, String>,
}

/// An API token of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileApiToken {
    /// What people call it.
    pub label: Label,
    /// What its bearer may do.
    pub role: Role,
    /// The hash of the token.
    pub token_hash: TokenHash,
}

/// Everything that stands in the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileObjects {
    /// Servers; `managed_by_file` and `revision` are set by the store.
    pub servers: Vec<ServerRecord>,
    /// Policies.
    pub policies: Vec<FilePolicy>,
    /// Grants.
    pub grants: Vec<FileGrant>,
    /// API tokens.
    pub api_tokens: Vec<FileApiToken>,
}

impl Store {
    /// Puts the file's objects in force in one transaction: what left the file is removed, what is
    /// unchanged keeps its history, and a grant that was revoked stays so until its entry leaves
    /// the file. A name that an object outside the file has is [`WriteError::Exists`], and nothing
    /// changes. Returns the revision in force, which is the old one if nothing changed.
    pub async fn apply_file_objects(
        &self,
        objects: FileObjects,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let _ = (objects, now);
        Err(WriteError::unbuilt())
    }
}

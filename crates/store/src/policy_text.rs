//! Policies as their authors wrote them, every version kept.
//!
//! What never lives here: parsing or compiling a policy (callers save only documents that parsed).

use policy::UnixMillis;

use crate::error::{ReadError, WriteError};
use crate::name::{Actor, PolicyName, Revision, ServerSlug};
use crate::store::Store;

/// A policy's newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    /// Its name.
    pub name: PolicyName,
    /// The server that it was written for.
    pub server: Option<ServerSlug>,
    /// The number of this version, from 1.
    pub version: u32,
    /// The author's text, comments included.
    pub text: String,
    /// The canonical form.
    pub canonical: String,
    /// Who saved it.
    pub actor: Actor,
    /// Why, if the author said.
    pub note: Option<String>,
    /// When it was saved.
    pub saved_at: UnixMillis,
    /// Whether it stands in the configuration file and is read-only elsewhere.
    pub managed_by_file: bool,
}

/// One version in a policy's history, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// The number, from 1.
    pub version: u32,
    /// Who saved it.
    pub actor: Actor,
    /// Why.
    pub note: Option<String>,
    /// When.
    pub saved_at: UnixMillis,
}

/// What is saved as a policy's next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPolicy {
    /// The policy's name.
    pub name: PolicyName,
    /// The server that it is written for.
    pub server: Option<ServerSlug>,
    /// The author's text.
    pub text: String,
    /// Its canonical form.
    pub canonical: String,
    /// Who saves it.
    pub actor: Actor,
    /// Why.
    pub note: Option<String>,
}

impl Store {
    /// All policies in their newest version, by name.
    pub async fn policies(&self) -> Result<Vec<PolicyRecord>, ReadError> {
        Err(ReadError::unbuilt())
    }

    /// One policy, in its newest version or in the one asked for.
    pub async fn policy(
        &self,
        name: &PolicyName,
        version: Option<u32>,
    ) -> Result<Option<PolicyRecord>, ReadError> {
        let _ = (name, version);
        Err(ReadError::unbuilt())
    }

    /// A policy's history, newest first.
    pub async fn policy_versions(
        &self,
        name: &PolicyName,
    ) -> Result<Vec<PolicyVersion>, ReadError> {
        let _ = name;
        Err(ReadError::unbuilt())
    }

    /// Saves a policy's next version and returns its number. `expected`: the version that the
    /// author started from (0: none), for `If-Match`; `None` saves in any case. A text equal to the
    /// newest version's makes no new version.
    pub async fn save_policy(
        &self,
        policy: NewPolicy,
        expected: Option<u32>,
        now: UnixMillis,
    ) -> Result<u32, WriteError> {
        let _ = (policy, expected, now);
        Err(WriteError::unbuilt())
    }

    /// Removes a policy with its history; [`WriteError::InUse`] while a grant that is not revoked
    /// names it.
    pub async fn remove_policy(&self, name: &PolicyName) -> Result<Revision, WriteError> {
        let _ = name;
        Err(WriteError::unbuilt())
    }
}

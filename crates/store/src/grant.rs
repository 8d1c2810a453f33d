//! Grants: which agent may use which server under which policy, known by the hash of its token.
//!
//! What never lives here: tokens in clear, authentication.

use std::collections::BTreeMap;

use policy::UnixMillis;

use crate::error::{ReadError, WriteError};
use crate::name::{Actor, GrantId, Label, PolicyName, Revision, ServerSlug};
use crate::store::Store;
use crate::token::TokenHash;

/// The token that a rotation replaced, while it still opens the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousToken {
    /// Its hash.
    pub hash: TokenHash,
    /// Until when it works; from this instant on it does not.
    pub until: UnixMillis,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// Its identity, for counters and approvals.
    pub id: GrantId,
    /// What people call it; unique among the grants of a server that are not revoked.
    pub label: Label,
    /// The one server that it opens.
    pub server: ServerSlug,
    /// The policy; none denies everything.
    pub policy: Option<PolicyName>,
    /// The hash of its token.
    pub token_hash: TokenHash,
    /// The token before the last rotation, if that gave it time to live on.
    pub previous: Option<PreviousToken>,
    /// When it ends; from this instant on it does not work.
    pub expires_at: Option<UnixMillis>,
    /// Tags for policies (`grant.tags.<key>`).
    pub tags: BTreeMap<String, String>,
    /// When it was revoked, for good.
    pub revoked_at: Option<UnixMillis>,
    /// Whose grant it is: this actor decides no hold of its calls.
    pub owner: Option<Actor>,
    /// Whether it stands in the configuration file and is read-only elsewhere.
    pub managed_by_file: bool,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// What a grant is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// Its identity ([`GrantId::from_bytes`] of fresh random bytes).
    pub id: GrantId,
    /// What people call it.
    pub label: Label,
    /// The one server that it opens.
    pub server: ServerSlug,
    /// The policy; none denies everything.
    pub policy: Option<PolicyName>,
    /// The hash of its token.
    pub token_hash: TokenHash,
    /// When it ends.
    pub expires_at: Option<UnixMillis>,
    /// Tags for policies.
    pub tags: BTreeMap<String, String>,
    /// Whose grant it is.
    pub owner: Option<Actor>,
}

/// What a rotation sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The hash of the new token.
    pub token_hash: TokenHash,
    /// Until when the old token works beside it; `None`: no longer at all.
    pub keep_old_until: Option<UnixMillis>,
}

impl Store {
    /// All grants, revoked ones included, oldest first.
    pub async fn grants(&self) -> Result<Vec<GrantRecord>, ReadError> {
        Err(ReadError::unbuilt())
    }

    /// One grant.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>, ReadError> {
        let _ = id;
        Err(ReadError::unbuilt())
    }

    /// Makes a grant. [`WriteError::NotFound`] if its server or policy does not exist,
    /// [`WriteError::Exists`] if the label or the token is taken.
    pub async fn create_grant(
        &self,
        grant: NewGrant,
        now: UnixMillis,
    ) -> Result<GrantRecord, WriteError> {
        let _ = (grant, now);
        Err(WriteError::unbuilt())
    }

    /// Gives a grant another token. Not for grants from the file.
    pub async fn rotate_grant(
        &self,
        id: &GrantId,
        rotation: Rotation,
    ) -> Result<Revision, WriteError> {
        let _ = (id, rotation);
        Err(WriteError::unbuilt())
    }

    /// Gives a grant another policy, or none. Not for grants from the file.
    pub async fn attach_policy(
        &self,
        id: &GrantId,
        policy: Option<PolicyName>,
    ) -> Result<Revision, WriteError> {
        let _ = (id, policy);
        Err(WriteError::unbuilt())
    }

    /// Revokes a grant, for good; also one from the file (until its entry leaves the file). A
    /// revoked one stays as it is.
    pub async fn revoke_grant(
        &self,
        id: &GrantId,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let _ = (id, now);
        Err(WriteError::unbuilt())
    }
}

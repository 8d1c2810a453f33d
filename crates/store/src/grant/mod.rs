//! Grants: which agent may use which server under which policy, known by the hash of its token.
//!
//! What never lives here: tokens in clear, authentication.

mod rows;

use std::collections::BTreeMap;

use policy::UnixMillis;

pub(crate) use rows::{insert, owner_of, read_all};

use crate::deed::{Deed, Did};
use crate::error::{ReadError, WriteError, exists_if_taken};
use crate::name::{Actor, GrantId, Label, PolicyName, Revision, ServerSlug};
use crate::store::Store;
use crate::token::TokenHash;
use crate::writer::Tx;

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
        self.read(read_all).await
    }

    /// One grant.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>, ReadError> {
        let id = id.clone();
        self.read(move |connection| rows::get(connection, &id)).await
    }

    /// When each grant was last heard of in the log, by its id; grants that never were are not among them. It may lag
    /// some seconds behind the log.
    pub async fn grant_uses(&self) -> Result<BTreeMap<String, UnixMillis>, ReadError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT grant_id, at FROM grant_uses")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, UnixMillis(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Makes a grant. [`WriteError::NotFound`] if its server or policy does not exist,
    /// [`WriteError::Exists`] if the label or the token is taken.
    pub async fn create_grant(
        &self,
        grant: NewGrant,
        now: UnixMillis,
    ) -> Result<GrantRecord, WriteError> {
        self.act(move |tx| {
            let record = GrantRecord {
                id: grant.id,
                label: grant.label,
                server: grant.server,
                policy: grant.policy,
                token_hash: grant.token_hash,
                previous: None,
                expires_at: grant.expires_at,
                tags: grant.tags,
                revoked_at: None,
                owner: grant.owner,
                managed_by_file: false,
                created_at: now,
            };
            insert(tx, &record)?;
            tx.bump_config()?;
            let did = tx.did(Deed::CreateGrant, &named(&record), with_policy(&record))?;
            Ok((record, did))
        })
        .await
    }

    /// Gives a grant another token. Not for grants from the file, nor for revoked ones.
    pub async fn rotate_grant(
        &self,
        id: &GrantId,
        rotation: Rotation,
    ) -> Result<Revision, WriteError> {
        let id = id.clone();
        self.act(move |tx| {
            let grant = editable(tx, &id)?;
            rows::check_token(tx, rotation.token_hash, &id)?;
            let previous = rotation.keep_old_until.map(|_until| grant.token_hash.0);
            let result = tx.execute(
                "UPDATE grants SET token_hash = ?2, previous_hash = ?3, previous_until = ?4
                 WHERE id = ?1",
                (
                    id.as_str(),
                    rotation.token_hash.0.as_slice(),
                    previous.as_ref().map(<[u8; 32]>::as_slice),
                    rotation.keep_old_until.map(|until| until.0),
                ),
            );
            exists_if_taken(result, "token of grant", grant.label.as_str())?;
            let old = if previous.is_some() { "the old one works on for a while" } else { "" };
            let did = tx.did(Deed::RotateGrant, &named(&grant), old)?;
            Ok((tx.bump_config()?, did))
        })
        .await
    }

    /// Gives a grant another policy, or none. Not for grants from the file, nor for revoked ones.
    pub async fn attach_policy(
        &self,
        id: &GrantId,
        policy: Option<PolicyName>,
    ) -> Result<Revision, WriteError> {
        let id = id.clone();
        self.act(move |tx| {
            let before = editable(tx, &id)?;
            rows::check_policy(tx, policy.as_ref())?;
            tx.execute(
                "UPDATE grants SET policy = ?2 WHERE id = ?1",
                (id.as_str(), policy.as_ref().map(PolicyName::as_str)),
            )?;
            let after = GrantRecord { policy, ..before.clone() };
            let detail = format!("{} → {}", with_policy(&before), with_policy(&after));
            let did = tx.did(Deed::AttachPolicy, &named(&before), detail)?;
            Ok((tx.bump_config()?, did))
        })
        .await
    }

    /// Revokes a grant, for good; also one from the file (until its entry leaves the file). A
    /// revoked one stays as it is.
    pub async fn revoke_grant(
        &self,
        id: &GrantId,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let id = id.clone();
        self.act(move |tx| {
            let grant = found(tx, &id)?;
            if grant.revoked_at.is_some() {
                return Ok((tx.revision()?, Did::nothing()));
            }
            tx.execute("UPDATE grants SET revoked_at = ?2 WHERE id = ?1", (id.as_str(), now.0))?;
            let did = tx.did(Deed::RevokeGrant, &named(&grant), "")?;
            Ok((tx.bump_config()?, did))
        })
        .await
    }
}

/// A grant as deeds name it.
fn named(grant: &GrantRecord) -> String {
    format!("{} ({})", grant.label, grant.server)
}

/// A grant's policy as deeds name it.
fn with_policy(grant: &GrantRecord) -> String {
    grant.policy.as_ref().map_or_else(|| "no policy".to_owned(), |name| format!("policy {name}"))
}

fn found(tx: &Tx<'_>, id: &GrantId) -> Result<GrantRecord, WriteError> {
    rows::get(tx, id)?
        .ok_or_else(|| WriteError::NotFound { what: "grant", name: id.as_str().to_owned() })
}

/// The grant, if it may be changed at all.
fn editable(tx: &Tx<'_>, id: &GrantId) -> Result<GrantRecord, WriteError> {
    let grant = found(tx, id)?;
    let name = || grant.label.as_str().to_owned();
    if grant.managed_by_file {
        return Err(WriteError::ManagedByFile { what: "grant", name: name() });
    }
    if grant.revoked_at.is_some() {
        return Err(WriteError::NotFound { what: "grant that is not revoked", name: name() });
    }
    Ok(grant)
}

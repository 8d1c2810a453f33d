//! Grants: which agent may use which server under which policy. A token is shown once.

use std::collections::BTreeMap;

use policy::UnixMillis;
use store::{
    AuditEntry, AuditFilter, AuditOrder, GRANT_USE_LAG_MS, GrantId, GrantRecord, Label, NewGrant,
    PolicyName, Rotation, ServerSlug, Token,
};

use super::{Actor, OpError, Permission, audit, not_found};
use crate::Console;
use crate::plane::Arrival;

/// All grants, revoked ones included, oldest first.
pub async fn list(console: &Console, actor: &Actor) -> Result<Vec<GrantRecord>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.grants().await?)
}

/// One grant.
pub async fn get(console: &Console, actor: &Actor, id: &GrantId) -> Result<GrantRecord, OpError> {
    actor.may(Permission::Read)?;
    console.store.grant(id).await?.ok_or_else(|| not_found("grant", id.as_str()))
}

/// When each grant was last heard of, by its id; it may lag some seconds behind the log.
pub async fn uses(
    console: &Console,
    actor: &Actor,
) -> Result<BTreeMap<String, UnixMillis>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.grant_uses().await?)
}

/// The newest record of a grant in the log, found without a walk over the log.
pub async fn last_call(
    console: &Console,
    actor: &Actor,
    id: &GrantId,
) -> Result<Option<AuditEntry>, OpError> {
    let Some(at) = uses(console, actor).await?.remove(id.as_str()) else { return Ok(None) };
    let until = UnixMillis(at.0.saturating_add(GRANT_USE_LAG_MS).saturating_add(1));
    let filter = AuditFilter {
        grant: Some(id.to_string()),
        since: Some(at),
        until: Some(until),
        ..AuditFilter::default()
    };
    let reading = (AuditOrder::NewestFirst, None, 1);
    Ok(audit::page(console, actor, filter, reading).await?.entries.into_iter().next())
}

/// How far the agent of a grant came before any call, since the process started.
pub fn arrival(console: &Console, actor: &Actor, id: &GrantId) -> Result<Arrival, OpError> {
    actor.may(Permission::Read)?;
    Ok((console.plane.arrival)(id).unwrap_or_default())
}

/// What somebody asks a grant to be.
#[derive(Debug)]
pub struct Wanted {
    /// What people call it.
    pub label: Label,
    /// The one server that it opens.
    pub server: ServerSlug,
    /// The policy; none denies everything.
    pub policy: Option<PolicyName>,
    /// A token that the caller brings; otherwise one is made.
    pub token: Option<Token>,
    /// When it ends.
    pub expires_at: Option<UnixMillis>,
    /// Tags for policies.
    pub tags: BTreeMap<String, String>,
    /// Whose grant it is: this actor decides none of its holds.
    pub owner: Option<store::Actor>,
}

/// Makes a grant and hands out its token, once.
pub async fn create(
    console: &Console,
    actor: &Actor,
    wanted: Wanted,
) -> Result<(GrantRecord, Token), OpError> {
    actor.may(Permission::Administer)?;
    let now = (console.clock)();
    if wanted.expires_at.is_some_and(|end| end <= now) {
        return Err(OpError::Invalid(
            "`expires` lies in the past: a grant ends later than now".to_owned(),
        ));
    }
    let token = match wanted.token {
        Some(token) => token,
        None => Token::make(console.entropy.bytes()?),
    };
    let grant = NewGrant {
        id: GrantId::from_bytes(console.entropy.bytes()?),
        label: wanted.label,
        server: wanted.server,
        policy: wanted.policy,
        token_hash: token.hash(),
        expires_at: wanted.expires_at,
        tags: wanted.tags,
        owner: wanted.owner,
    };
    Ok((actor.store(console).create_grant(grant, now).await?, token))
}

/// Milliseconds that the old token may work beside the new one, at most: a week.
pub const OVERLAP_MS_MAX: i64 = 7 * 24 * 3_600_000;

/// Gives a grant another token, once shown; the old one works for `overlap_ms` more.
pub async fn rotate(
    console: &Console,
    actor: &Actor,
    id: &GrantId,
    overlap_ms: i64,
) -> Result<Token, OpError> {
    actor.may(Permission::Secrets)?;
    if !(0..=OVERLAP_MS_MAX).contains(&overlap_ms) {
        return Err(OpError::Invalid("`overlap_seconds` is 0 to 604800".to_owned()));
    }
    let token = Token::make(console.entropy.bytes()?);
    let now = (console.clock)();
    let keep_old_until = (overlap_ms > 0).then(|| UnixMillis(now.0.saturating_add(overlap_ms)));
    let rotation = Rotation { token_hash: token.hash(), keep_old_until };
    actor.store(console).rotate_grant(id, rotation).await?;
    Ok(token)
}

/// Gives a grant another policy, or none.
pub async fn attach(
    console: &Console,
    actor: &Actor,
    id: &GrantId,
    policy: Option<PolicyName>,
) -> Result<GrantRecord, OpError> {
    actor.may(Permission::EditPolicies)?;
    actor.store(console).attach_policy(id, policy).await?;
    get(console, actor, id).await
}

/// Revokes a grant, for good.
pub async fn revoke(console: &Console, actor: &Actor, id: &GrantId) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    actor.store(console).revoke_grant(id, (console.clock)()).await?;
    Ok(())
}

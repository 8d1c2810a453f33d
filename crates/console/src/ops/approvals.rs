//! Held calls: looking at them and deciding them.

use policy::{ApprovalId, ApprovalRecord, Risk};
use store::{Answer, ApprovalFilter, DecideError, Decision, Footing, FootingTag};

use super::{Actor, OpError, Permission, not_found};
use crate::Console;

/// Characters of a decision's reason, at most.
pub const REASON_CHARS_MAX: usize = 1_000;

/// Requests, newest first.
pub async fn list(
    console: &Console,
    actor: &Actor,
    filter: ApprovalFilter,
    limit: usize,
) -> Result<Vec<ApprovalRecord>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.approvals(filter, limit, (console.clock)()).await?)
}

/// One request.
pub async fn get(
    console: &Console,
    actor: &Actor,
    id: &ApprovalId,
) -> Result<ApprovalRecord, OpError> {
    actor.may(Permission::Read)?;
    console.store.approval(id).await?.ok_or_else(|| not_found("approval", id.as_str()))
}

/// What a request stands on: its grant, policy and definition at this instant.
pub async fn footing(
    console: &Console,
    actor: &Actor,
    id: &ApprovalId,
) -> Result<Footing, OpError> {
    actor.may(Permission::Read)?;
    let footing = console.store.approval_footing(id, (console.clock)()).await?;
    footing.ok_or_else(|| not_found("approval", id.as_str()))
}

/// Decides a held call. One decision stands; a second one is a conflict.
pub async fn decide(
    console: &Console,
    actor: &Actor,
    id: &ApprovalId,
    what: (Answer, Option<String>),
) -> Result<ApprovalRecord, OpError> {
    decide_as_shown(console, actor, id, what, None).await
}

/// As [`decide`], of a call as it was shown: where its grant, policy or definition changed since,
/// nothing is decided ([`OpError::Changed`]).
pub async fn decide_as_shown(
    console: &Console,
    actor: &Actor,
    id: &ApprovalId,
    (answer, reason): (Answer, Option<String>),
    shown: Option<FootingTag>,
) -> Result<ApprovalRecord, OpError> {
    actor.may(Permission::Decide)?;
    let footing = footing(console, actor, id).await?;
    if footing.risk == Some(Risk::Critical) {
        actor.may(Permission::DecideCritical)?;
    }
    if reason.as_deref().is_some_and(|r| r.chars().count() > REASON_CHARS_MAX) {
        return Err(OpError::Invalid(format!("`reason` is at most {REASON_CHARS_MAX} characters")));
    }
    let decision = Decision {
        answer,
        by: actor.name.clone(),
        roles: vec![actor.role.as_str().to_owned()],
        from: actor.from.clone(),
        reason,
    };
    let now = (console.clock)();
    let decided = console.store.decide_as_shown(id, (decision, shown), now).await;
    decided.map_err(|error| match error {
        DecideError::NotFound(id) => not_found("approval", id.as_str()),
        DecideError::AlreadyDecided(_) | DecideError::Expired(_) => {
            OpError::Conflict(error.to_string())
        }
        DecideError::Changed(_) => OpError::Changed(error.to_string()),
        DecideError::OwnGrant | DecideError::NotAnApprover => OpError::NotYours(error.to_string()),
        DecideError::Read(error) => OpError::Read(error),
    })
}

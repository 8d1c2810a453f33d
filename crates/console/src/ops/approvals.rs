//! Held calls: looking at them and deciding them.

use jiff::Timestamp;
use policy::{ApprovalId, ApprovalRecord, Class, Risk, UnixMillis};
use store::{
    Answer, ApprovalFilter, ApprovalOrder, ApprovalPage, AuditEntry, AuditFilter, AuditOrder,
    DecideError, Decision, Footing, FootingTag, Inbox, InboxPart, WaitingNow,
};

use super::{Actor, OpError, Permission, audit, not_found};
use crate::Console;

/// Characters of a decision's reason, at most.
pub const REASON_CHARS_MAX: usize = 1_000;

/// How long after its request the row of a held call may stand in the log, in milliseconds.
const ASKED_MS_MAX: i64 = 5_000;

/// What a tool of this class does, for whoever decides: why it has its risk.
pub fn why_risk(class: Option<Class>) -> &'static str {
    match class {
        Some(Class::Read) => "it reads and changes nothing",
        Some(Class::Write) => "it changes things",
        Some(Class::Execute) => "it runs code or commands",
        Some(Class::Destructive) => "it deletes or overwrites",
        Some(Class::Financial) => "it moves money",
        None => "nobody has said what it does",
    }
}

/// Whole requests with what they stand on: newest first, or those that wait by urgency.
pub async fn page(
    console: &Console,
    actor: &Actor,
    filter: ApprovalFilter,
    (order, limit): (ApprovalOrder, usize),
) -> Result<ApprovalPage, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.standing(filter, order, limit, (console.clock)()).await?)
}

/// One page of the inbox, behind a request.
pub async fn inbox(
    console: &Console,
    actor: &Actor,
    part: InboxPart,
    (after, limit): (Option<ApprovalId>, usize),
) -> Result<Inbox, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.inbox(part, after, limit, (console.clock)()).await?)
}

/// How many calls wait for a person.
pub async fn waiting_count(console: &Console, actor: &Actor) -> Result<u64, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.waiting_count((console.clock)()).await?)
}

/// What waits, for a page that began behind a request when so many had been made.
pub async fn waiting_now(
    console: &Console,
    actor: &Actor,
    since: (Option<ApprovalId>, i64),
    limit: usize,
) -> Result<WaitingNow, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.waiting_now(since, limit, (console.clock)()).await?)
}

/// The calls that wait before and behind one, by urgency.
pub async fn beside(
    console: &Console,
    actor: &Actor,
    id: &ApprovalId,
) -> Result<(Option<ApprovalId>, Option<ApprovalId>), OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.waiting_beside(id, (console.clock)()).await?)
}

/// The request like this one that somebody approved last.
pub async fn approved_before(
    console: &Console,
    actor: &Actor,
    record: &ApprovalRecord,
) -> Result<Option<ApprovalRecord>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.approved_before(record).await?)
}

/// The call that made a request, from the log: which client asked.
pub async fn asked_as(
    console: &Console,
    actor: &Actor,
    record: &ApprovalRecord,
) -> Result<Option<AuditEntry>, OpError> {
    let filter = AuditFilter {
        grant: Some(record.grant.clone()),
        verdict: Some("hold".to_owned()),
        since: Some(record.created_at),
        until: Some(UnixMillis(record.created_at.0.saturating_add(ASKED_MS_MAX))),
        ..AuditFilter::default()
    };
    let walk = (AuditOrder::OldestFirst, None, policy::PENDING_PER_GRANT_MAX);
    let found = audit::page(console, actor, filter, walk).await?.entries;
    Ok(found.into_iter().find(|call| call.approval_id.as_deref() == Some(record.id.as_str())))
}

/// What a grant did lately, newest first: as much as is found in a moment.
pub async fn done_lately(
    console: &Console,
    actor: &Actor,
    grant: &str,
    limit: usize,
) -> Result<Vec<AuditEntry>, OpError> {
    let filter = AuditFilter { grant: Some(grant.to_owned()), ..AuditFilter::default() };
    let walk = (AuditOrder::NewestFirst, None, limit);
    Ok(audit::soon(console, actor, filter, walk).await?.entries)
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

/// Who decided a request, and when.
fn by_whom(record: &ApprovalRecord) -> String {
    let by = record.decided_by.as_deref().map(|by| format!(", by {by}"));
    let at = record.decided_at.and_then(|at| Timestamp::from_millisecond(at.0).ok());
    let at = at.map(|at| format!(" at {at}"));
    format!("{}{}", by.unwrap_or_default(), at.unwrap_or_default())
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

/// As [`decide`], of a call as it was shown: where its grant, policy, server or definition changed
/// since, nothing is decided ([`OpError::Changed`]).
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
    let decided = actor.store(console).decide_as_shown(id, (decision, shown), now).await;
    decided.map_err(|error| match error {
        DecideError::NotFound(id) => not_found("approval", id.as_str()),
        DecideError::AlreadyDecided(ref record) => {
            OpError::Conflict(format!("{error}{}", by_whom(record)))
        }
        DecideError::Expired(_) => OpError::Conflict(error.to_string()),
        DecideError::Changed(_) => OpError::Changed(error.to_string()),
        DecideError::OwnGrant | DecideError::NotAnApprover => OpError::NotYours(error.to_string()),
        DecideError::Read(error) => OpError::Read(error),
    })
}

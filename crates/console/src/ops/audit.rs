//! Reading the audit.

use store::{AuditCursor, AuditEntry, AuditFilter, AuditOrder, AuditPage};

use super::{Actor, OpError, Permission, not_found};
use crate::Console;

/// One page of decisions.
pub async fn page(
    console: &Console,
    actor: &Actor,
    filter: AuditFilter,
    (order, cursor, limit): (AuditOrder, Option<AuditCursor>, usize),
) -> Result<AuditPage, OpError> {
    actor.may(Permission::Read)?;
    let _place = console.long_work.audit_read().await?;
    Ok(console.store.audit(filter, order, cursor, limit).await?)
}

/// How long somebody who looks at a page waits for matches, in milliseconds.
const SEARCH_MILLIS_MAX: i64 = 15;

/// As much of a page as is found in a moment: `next` says where the walk goes on, also where that is not for want of room.
pub async fn soon(
    console: &Console,
    actor: &Actor,
    filter: AuditFilter,
    (order, cursor, limit): (AuditOrder, Option<AuditCursor>, usize),
) -> Result<AuditPage, OpError> {
    actor.may(Permission::Read)?;
    let _place = console.long_work.audit_read().await?;
    console.store.flush().await;
    let mut page = AuditPage { next: cursor, ..AuditPage::default() };
    let begun = (console.clock)().0;
    // Also a clock that goes back ends it.
    let time = begun..begun.saturating_add(SEARCH_MILLIS_MAX);
    let goes_on = || time.contains(&(console.clock)().0);
    console.store.audit_onto(&mut page, (filter, order), limit, goes_on).await?;
    Ok(page)
}

/// One decision, by the position of its opening row.
pub async fn one(console: &Console, actor: &Actor, seq: i64) -> Result<AuditEntry, OpError> {
    actor.may(Permission::Read)?;
    let missing = || not_found("call", &seq.to_string());
    let before = AuditCursor::before(seq).ok_or_else(missing)?;
    let walk = (AuditOrder::OldestFirst, Some(before), 1);
    let found = page(console, actor, AuditFilter::default(), walk).await?;
    found.entries.into_iter().next().filter(|entry| entry.seq == seq).ok_or_else(missing)
}

/// The end of the log as of now: a page that begins there, oldest first, shows only what comes later.
pub async fn end(console: &Console, actor: &Actor) -> Result<AuditCursor, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.audit_end().await?)
}

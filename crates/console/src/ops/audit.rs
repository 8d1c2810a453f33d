//! Reading the audit.

use store::{AuditCursor, AuditFilter, AuditOrder, AuditPage};

use super::{Actor, OpError, Permission};
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

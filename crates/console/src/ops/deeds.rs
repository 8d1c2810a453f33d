//! What people, programs and the configuration file did to the installation, to look at.
//!
//! What never lives here: writing deeds (each change writes its own, in `store`).

use store::{DeedFilter, DeedPage};

use super::{Actor, OpError, Permission};
use crate::Console;

/// Deeds that match, newest first. They name people, where they were and their failed attempts, so
/// they are for administrators.
pub async fn page(
    console: &Console,
    actor: &Actor,
    filter: DeedFilter,
    limit: usize,
) -> Result<DeedPage, OpError> {
    actor.may(Permission::SeePeople)?;
    Ok(console.store.deeds(filter, limit).await?)
}

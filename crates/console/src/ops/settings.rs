//! Settings of the organisation that people change in the console.

use store::{OwnCalls, Settings};

use super::{Actor, OpError, Permission};
use crate::Console;

/// The settings in force.
pub async fn get(console: &Console, actor: &Actor) -> Result<Settings, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.settings().await?)
}

/// Whether people may decide calls that were made with their own grants.
pub async fn set_own_calls(
    console: &Console,
    actor: &Actor,
    own_calls: OwnCalls,
) -> Result<(), OpError> {
    actor.may(Permission::ManagePeople)?;
    Ok(actor.store(console).save_settings(Settings { own_calls }).await?)
}

//! Channels on which people outside are told of held calls: looking at them, at what was sent, and
//! trying one.
//!
//! What never lives here: sending.

use serde_json::json;
use store::{Delivery, DeliveryFilter, DeliveryId, DeliveryState, NewDelivery, Occasion};

use super::{Actor, OpError, Permission, not_found};
use crate::Console;

/// A channel as the configuration has it, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// `webhook` or `slack`.
    pub kind: &'static str,
    /// What its messages tell of.
    pub events: Vec<Occasion>,
}

/// The channels of the configuration.
pub fn channels<'c>(console: &'c Console, actor: &Actor) -> Result<&'c [Channel], OpError> {
    actor.may(Permission::Read)?;
    Ok(&console.site.channels)
}

/// What was sent, newest first.
pub async fn log(
    console: &Console,
    actor: &Actor,
    filter: DeliveryFilter,
    limit: usize,
) -> Result<Vec<Delivery>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.deliveries(filter, limit).await?)
}

/// Puts a message into the outbox that says who tries the channel.
pub async fn try_channel(console: &Console, actor: &Actor, name: &str) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    if !console.site.channels.iter().any(|channel| channel.name == name) {
        return Err(not_found("channel", name));
    }
    let id = DeliveryId::from_random(console.entropy.bytes()?);
    let occasion = Occasion::Test;
    let payload = json!({
        "id": id.as_str(), "event": occasion.as_str(), "by": actor.name.as_str(),
    });
    let test = NewDelivery {
        id,
        channel: name.to_owned(),
        occasion,
        subject: None,
        payload: payload.to_string(),
        state: DeliveryState::Pending,
    };
    Ok(actor.store(console).try_channel(test, (console.clock)()).await?)
}

//! Settings, Notifications: the channels on which people outside hear of held calls, a button to try
//! each, and the log of what was sent.
//!
//! What never lives here: sending, and the secrets of channels.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use store::{Delivery, DeliveryFilter, DeliveryState};

use super::form::Posted;
use super::look::{Badge, When, filters};
use super::page::{Frame, Place, Trouble, encoded, see_other, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::notifications::{self, Channel};
use crate::ops::{OpError, Permission};
use crate::ui::address::{Path, Query};

/// Messages in one page of the log.
const PAGE_ROWS: usize = 100;

/// What a page is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// Only messages of this channel.
    #[serde(default)]
    channel: Option<String>,
    /// Where the page before ended.
    #[serde(default)]
    before: Option<i64>,
    /// What the form before this page did.
    #[serde(default)]
    told: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "notifications.html")]
struct Notifications {
    frame: Frame,
    channels: Vec<Channel>,
    may_try: bool,
    rows: Vec<Row>,
    only: Option<String>,
    next: Option<String>,
}

/// One message in the log.
#[derive(Debug)]
struct Row {
    id: String,
    channel: String,
    event: &'static str,
    subject: Option<String>,
    state: Badge,
    attempts: u32,
    made: When,
    next: Option<When>,
    problem: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let frame = Frame::of(&console, &visitor, Place::Settings, "Notifications").await?;
    let channels = notifications::channels(&console, &visitor.actor)?.to_vec();
    let only = asked.channel.filter(|name| !name.is_empty());
    let filter = DeliveryFilter { channel: only.clone(), before: asked.before };
    let found = notifications::log(&console, &visitor.actor, filter, PAGE_ROWS).await?;
    let now = (console.clock)();
    let next = (found.len() >= PAGE_ROWS).then(|| found.last()).flatten().map(|last| {
        let only = only.as_deref().map(|name| format!("&channel={}", encoded(name)));
        format!("/settings/notifications?before={}{}", last.number, only.unwrap_or_default())
    });
    Ok(shown(&Notifications {
        may_try: frame.may(Permission::Administer),
        frame: frame.telling(asked.told),
        channels,
        rows: found.into_iter().map(|delivery| row(delivery, now)).collect(),
        only,
        next,
    }))
}

fn row(delivery: Delivery, now: policy::UnixMillis) -> Row {
    let state = match (delivery.state, delivery.attempts) {
        (DeliveryState::Pending, 0) => Badge::state("neutral", "Waits"),
        (DeliveryState::Pending, _) => Badge::state("warn", "Tried again"),
        (DeliveryState::Delivered, _) => Badge::state("ok", "Delivered"),
        (DeliveryState::Failed, _) => Badge::state("bad", "Given up"),
        (DeliveryState::Skipped, _) => Badge::state("neutral", "Skipped"),
    };
    let pending = delivery.state == DeliveryState::Pending;
    Row {
        id: delivery.id.as_str().to_owned(),
        channel: delivery.channel,
        event: delivery.occasion.as_str(),
        subject: delivery.subject,
        state,
        attempts: delivery.attempts,
        made: When::new(delivery.made_at, now),
        next: pending.then(|| When::new(delivery.next_at, now)),
        problem: delivery.last_error,
    }
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(super) struct NoFields {}

/// Sends a message that says who tries the channel.
pub(super) async fn try_channel(
    State(console): State<Console>,
    Path(name): Path<String>,
    posted: Posted<NoFields>,
) -> Result<Response, Trouble> {
    let actor = &posted.visitor.actor;
    actor.may(Permission::Administer).map_err(OpError::from)?;
    notifications::try_channel(&console, actor, &name).await?;
    let told =
        encoded(&format!("A message for {name} is on its way: the log below says how it went."));
    Ok(see_other(&format!("/settings/notifications?told={told}")))
}

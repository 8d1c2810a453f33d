//! Approvals: the inbox of held calls by urgency, and one call with all that a decision needs. What
//! the page showed comes back with the decision, so that nobody decides what changed meanwhile.
//!
//! What never lives here: who may decide, and whether it is still open (`ops::approvals`).

mod detail;
mod live;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use policy::{ApprovalId, ApprovalState, UnixMillis};
use serde::Deserialize;
use store::{Answer, FootingTag, HeldCall, InboxPart};

pub(super) use self::detail::show;
pub(super) use self::live::events;
use super::form::Posted;
use super::look::{Badge, When, filters, rfc3339, span};
use super::page::{Frame, Place, Trouble, encoded, see_other, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::{Forbidden, OpError, Permission, approvals};
use crate::ui::address::{Path, Query};

/// Calls in one page of the inbox.
const PAGE_ROWS: usize = 100;
/// Characters of a text of others in one line of the inbox.
const LINE_CHARS_MAX: usize = 200;
/// Seconds that are left when a call is called urgent.
const URGENT_SECONDS: i64 = 300;

/// Which part of the inbox.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// `decided` for what is over.
    #[serde(default)]
    state: Option<String>,
    /// Where the page before ended.
    #[serde(default)]
    cursor: Option<String>,
    /// What the form before this page did.
    #[serde(default)]
    told: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "approvals.html")]
struct Inbox {
    frame: Frame,
    rows: Vec<Row>,
    decided: bool,
    next: Option<String>,
    /// Where the first page is not this one.
    is_later: bool,
    /// How many calls wait in all.
    waiting: u64,
    /// Where news of this page come from.
    live: String,
}

/// One held call in the inbox.
#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    server: String,
    grant: String,
    why: String,
    risk: Badge,
    state: Badge,
    since: When,
    left: Left,
    by: Option<String>,
}

/// How long a call can still be decided, as text and for the script that counts on.
#[derive(Debug)]
struct Left {
    words: String,
    until: String,
    is_urgent: bool,
}

impl Left {
    fn of(expires_at: UnixMillis, now: UnixMillis) -> Self {
        let seconds = expires_at.0.saturating_sub(now.0).div_euclid(1000).max(0);
        Self {
            words: if seconds == 0 { "over".to_owned() } else { span(seconds) },
            until: rfc3339(expires_at),
            is_urgent: seconds < URGENT_SECONDS,
        }
    }
}

/// Where a request stands, for people.
fn state(state: ApprovalState, expires_at: UnixMillis, now: UnixMillis) -> Badge {
    match state {
        ApprovalState::Pending | ApprovalState::Approved if now >= expires_at => {
            Badge::state("warn", "Over")
        }
        ApprovalState::Pending => Badge::state("hold", "Waits"),
        ApprovalState::Approved => Badge::state("ok", "Approved"),
        ApprovalState::Rejected => Badge::state("bad", "Rejected"),
        ApprovalState::Used => Badge::state("ok", "Approved and used"),
    }
}

/// The risk of a tool, as a shape and a word. What is not known says what that is: nothing beside
/// it does.
fn risk(risk: Option<policy::Risk>) -> Badge {
    risk.map_or_else(|| Badge::state("neutral", "Risk unknown"), |risk| Badge::risk(risk.as_str()))
}

/// The inbox.
pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let frame = Frame::of(&console, &visitor, Place::Approvals, "Approvals").await?;
    let decided = asked.state.as_deref() == Some("decided");
    let after = asked.cursor.as_deref().map(id_of).transpose()?;
    let part = if decided { InboxPart::Over } else { InboxPart::Waiting };
    let place = (after.clone(), PAGE_ROWS);
    let found = approvals::inbox(&console, &visitor.actor, part, place).await?;
    let now = (console.clock)();
    let next = found.calls.last().map(|last| last.id.to_string()).filter(|_| found.more);
    let behind = after.as_ref().map(|id| format!("&after={id}")).unwrap_or_default();
    Ok(shown(&Inbox {
        frame: frame.telling(asked.told),
        rows: found.calls.into_iter().map(|call| row(call, now)).collect(),
        decided,
        next,
        is_later: after.is_some(),
        waiting: found.waiting,
        live: format!("/approvals/events?number={}{behind}", found.last_number),
    }))
}

/// A text in one line of the inbox; what is cut stands on the page of the call.
fn line(text: &str) -> String {
    match text.char_indices().nth(LINE_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn row(call: HeldCall, now: UnixMillis) -> Row {
    let more = call.rules.len().saturating_sub(1);
    let why = call.rules.first().map(|rule| line(&rule.message)).unwrap_or_default();
    Row {
        id: call.id.to_string(),
        name: line(&call.name),
        server: call.server,
        grant: line(&call.footing.grant.unwrap_or(call.grant)),
        why: if more > 0 { format!("{why} (and {more} more)") } else { why },
        risk: risk(call.footing.risk),
        state: state(call.state, call.expires_at, now),
        since: When::new(call.created_at, now),
        left: Left::of(call.expires_at, now),
        by: call.decided_by,
    }
}

fn id_of(text: &str) -> Result<ApprovalId, Trouble> {
    text.parse().map_err(|_error: policy::ApprovalIdError| Trouble::no_page())
}

/// What a person decided, and what they were shown.
#[derive(Debug, Deserialize)]
pub(super) struct DecisionForm {
    /// What the call stood on when the page was made.
    shown: String,
    /// Whether the page held all of the call: `yes`.
    #[serde(default)]
    whole: String,
    #[serde(default)]
    reason: String,
}

/// Approves a call, once.
pub(super) async fn approve(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted<DecisionForm>,
) -> Result<Response, Trouble> {
    decide(&console, &posted, &id, Answer::Approve).await
}

/// Rejects a call; the agent reads why.
pub(super) async fn reject(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted<DecisionForm>,
) -> Result<Response, Trouble> {
    decide(&console, &posted, &id, Answer::Reject).await
}

async fn decide(
    console: &Console,
    posted: &Posted<DecisionForm>,
    id: &str,
    answer: Answer,
) -> Result<Response, Trouble> {
    let (visitor, form) = (&posted.visitor, &posted.form);
    let id = id_of(id)?;
    let reason = Some(form.reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    visitor.actor.may(Permission::Decide).map_err(OpError::from)?;
    let unmet = match answer {
        Answer::Reject if reason.is_none() => Some("A rejection has a reason: the agent reads it."),
        Answer::Approve if form.whole != "yes" => {
            Some("Not all of this call was shown. Open the rest of it, then decide.")
        }
        Answer::Reject | Answer::Approve => None,
    };
    if let Some(unmet) = unmet {
        let again = detail::Again { status: StatusCode::UNPROCESSABLE_ENTITY, why: unmet.into() };
        return detail::answer(console, visitor, (&id, form.whole == "yes"), Some(again)).await;
    }
    let tag = Some(FootingTag::claimed(&form.shown));
    let decided =
        approvals::decide_as_shown(console, &visitor.actor, &id, (answer, reason), tag).await;
    let (status, why) = match decided {
        Ok(record) => {
            let done = match answer {
                Answer::Approve => "Approved, once",
                Answer::Reject => "Rejected",
            };
            let told = encoded(&format!("{done}: {} on {}.", record.name, record.server));
            return Ok(see_other(&format!("/approvals?told={told}")));
        }
        Err(OpError::Forbidden(Forbidden::StepUp)) => {
            return Ok(see_other(&format!(
                "/step-up?next={}",
                encoded(&format!("/approvals/{id}"))
            )));
        }
        Err(error @ OpError::Conflict(_)) => {
            (StatusCode::CONFLICT, format!("Nothing was decided by you: {error}."))
        }
        Err(error @ OpError::Changed(_)) => {
            let why = format!("Nothing was decided: {error}. This is how it stands now.");
            (StatusCode::PRECONDITION_FAILED, why)
        }
        Err(other) => return Err(Trouble::from(other)),
    };
    let again = detail::Again { status, why };
    detail::answer(console, visitor, (&id, false), Some(again)).await
}

#[cfg(test)]
mod tests;

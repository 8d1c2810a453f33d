//! Tasks of held calls that outlive the process that made them: what is kept of one, and how the next
//! process goes on with it when its agent asks. A task that has ended stays what it is. The call of one
//! that waits is judged anew, as after any wait, under the policy and with the approval that are in
//! force then. A call whose approval is used and whose end nobody wrote down had left: what it returned
//! is not known, and it is not made again.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use mcp::Request;
use policy::{ApprovalState, UnixMillis};
use store::{HeldTaskEnd, HeldTaskRecord, TaskOutcome};

use super::elicit;
use super::own_task::{self, Known, Unread};
use super::refusal::Asked;
use super::visit::{LinkShown, Visit, Waiting};
use crate::held_tasks::{DELEGATED_SECONDS_MAX, HeldTask, Stage, View};
use crate::plane::Plane;
use crate::seats::Seat;
use crate::upstream::MirroredHeaders;

/// What is kept of a call that becomes a task; `None` where a header of it is no text.
pub(super) fn known(
    visit: &Visit,
    request: &Request,
    (id, asked): (&str, &Asked),
) -> Option<HeldTaskRecord> {
    let headers = visit
        .mirrored
        .iter()
        .map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Some(HeldTaskRecord {
        id: id.to_owned(),
        grant: visit.grant.record.id.clone(),
        server: visit.grant.record.server.clone(),
        approval: asked.id.clone(),
        body: request.body().to_vec(),
        headers: headers.collect::<Option<_>>()?,
        made_at: visit.now,
        expires_at: asked.expires_at,
        ended: None,
    })
}

/// Writes down what became of a task.
pub(super) async fn keep(
    plane: &Plane,
    task: &HeldTask,
    end: &Stage,
    (at, expires_at): (UnixMillis, UnixMillis),
) {
    let kept = |json: &Bytes| Some(json.to_vec());
    let outcome = match end {
        Stage::Waiting { .. } | Stage::Running => return,
        Stage::Delegated(there) => TaskOutcome::Delegated(there.as_ref().to_owned()),
        Stage::Completed(json) => TaskOutcome::Completed(kept(json)),
        Stage::Failed(json) => TaskOutcome::Failed(kept(json)),
        Stage::Cancelled => TaskOutcome::Cancelled,
        Stage::NotKept => TaskOutcome::Completed(None),
    };
    // The server's task may be asked for as long as it is remembered.
    let remembered = at.plus_seconds(DELEGATED_SECONDS_MAX);
    let delegated = matches!(end, Stage::Delegated(_));
    let expires_at = if delegated { expires_at.max(remembered) } else { expires_at };
    let end = HeldTaskEnd { outcome, at, expires_at };
    if let Err(error) = plane.store.end_held_task(&task.id, end).await {
        tracing::warn!(%error, "the end of a task is not in the store");
    }
}

/// Where a task of the store stands that has ended.
fn end_of(end: HeldTaskEnd) -> View {
    let stage = match end.outcome {
        TaskOutcome::Completed(Some(json)) => Stage::Completed(json.into()),
        TaskOutcome::Failed(Some(json)) => Stage::Failed(json.into()),
        TaskOutcome::Completed(None) | TaskOutcome::Failed(None) => Stage::NotKept,
        TaskOutcome::Cancelled => Stage::Cancelled,
        TaskOutcome::Delegated(there) => Stage::Delegated(there.into()),
    };
    View { stage, updated_at: end.at, expires_at: end.expires_at }
}

/// Takes a task up that lies in the store and not in memory, if it is this grant's. Two who ask at once
/// take it up once.
pub(super) async fn task(visit: &Visit, id: &str) -> Result<(), Unread> {
    let plane = &visit.plane;
    let record = &visit.grant.record;
    let unread = |error| {
        tracing::error!(%error, "a task is unread");
        Unread
    };
    let Some(known) = plane.store.held_task(id).await.map_err(unread)? else { return Ok(()) };
    if known.grant != record.id || known.server != record.server {
        return Ok(());
    }
    if let Some(end) = known.ended.clone() {
        plane.held_tasks.take_up(&known, end_of(end), visit.now);
        return Ok(());
    }
    let approval = plane.store.approval(&known.approval).await.map_err(unread)?;
    let asked = Asked { id: known.approval.clone(), expires_at: known.expires_at };
    let over = match &approval {
        Some(approval) if approval.state == ApprovalState::Used => {
            Some("the gateway started anew while the call was on its way: its outcome is not known")
        }
        Some(approval) if !approval.is_over(visit.now) => None,
        Some(_) | None => Some("nobody decided this call in time"),
    };
    let view = |stage| View { stage, updated_at: visit.now, expires_at: known.expires_at };
    if let Some(why) = over {
        plane.held_tasks.take_up(&known, view(own_task::failed(why)), visit.now);
        return Ok(());
    }
    let (own, request) = as_it_came(visit, &known).ok_or(Unread)?;
    let place = Arc::clone(&plane.holds).try_acquire_owned().map_err(|_full| Unread)?;
    let message = own_task::message(visit, &asked);
    let stage = Stage::Waiting { message, meta: Arc::from("{}") };
    if let Some(task) = plane.held_tasks.take_up(&known, view(stage), visit.now) {
        own_task::spawn(own, request, (task, place), Known::Before(asked));
    }
    Ok(())
}

/// The visit that the call was, as far as it is known: by whom, and with which headers.
fn as_it_came(visit: &Visit, known: &HeldTaskRecord) -> Option<(Box<Visit>, Request)> {
    let mut mirrored = MirroredHeaders::new();
    for (name, value) in &known.headers {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        mirrored.push((name, HeaderValue::try_from(value.as_str()).ok()?));
    }
    let own = Visit {
        request_id: visit.plane.request_id(),
        mirrored,
        waiting: Waiting::Possible,
        link_shown: LinkShown::No,
        seat: Seat::default(),
        trace_parent: None,
        ..visit.clone()
    };
    let request = elicit::read(&own, known.body.clone().into())?;
    Some((Box::new(own), request))
}

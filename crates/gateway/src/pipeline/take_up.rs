//! Tasks of held calls that outlive the process that made them: what is kept of one, and how the next
//! process goes on with it when its agent asks. The call is judged anew, as after any wait, under the
//! policy and with the approval that are in force then. A call whose approval is used had left: what it
//! returned is not known, and it is not made again.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use mcp::Request;
use policy::ApprovalState;
use store::HeldTaskRecord;

use super::elicit;
use super::own_task::{self, Known};
use super::refusal::Asked;
use super::visit::{LinkShown, Visit, Waiting};
use crate::held_tasks::{Stage, View};
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
    })
}

/// Takes a task up that a process before this one made, if it is this grant's. Two who ask at once take
/// it up once.
pub(super) async fn task(visit: &Visit, id: &str) {
    let plane = &visit.plane;
    let found = plane.store.held_task(id).await;
    let record = &visit.grant.record;
    let Ok(Some(known)) = found.inspect_err(|error| tracing::error!(%error, "a task is unread"))
    else {
        return;
    };
    if known.grant != record.id || known.server != record.server {
        return;
    }
    let approval = match plane.store.approval(&known.approval).await {
        Ok(approval) => approval,
        Err(error) => return tracing::error!(%error, "the approval of a task is unread"),
    };
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
        plane.held_tasks.take_up(&known, view(own_task::failed(why)));
        return;
    }
    let (Some((own, request)), Ok(place)) =
        (as_it_came(visit, &known), Arc::clone(&plane.holds).try_acquire_owned())
    else {
        return;
    };
    let message = own_task::message(visit, &asked);
    let stage = Stage::Waiting { message, meta: Arc::from("{}") };
    if let Some(task) = plane.held_tasks.take_up(&known, view(stage)) {
        own_task::spawn(own, request, (task, place), Known::Before(asked));
    }
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

//! A held call as a task that the gateway itself serves (GATEWAY.md section 7, point 4; the tasks
//! extension of MCP 2026-07-28, SEP-2663): the modern client gets a handle at once and asks for its
//! state; once a person approved, the call is judged anew, charged, recorded and sent, once, and the
//! task carries what it returned. A rejection or the end of the time is what the call would have
//! returned then. `tasks/cancel` withdraws the call; the approval stays usable for another. While it
//! waits it lies in the store: the process that closes leaves it waiting, and the next goes on with it
//! (`take_up`).
//!
//! Not every held call can be one: where a bound is met, or the body is long, it waits as without the
//! extension. A server that answers the approved call with a task of its own is asked for that one
//! whenever the agent asks for this. One that wants input from the user cannot have it here, since
//! the retry that carries it would be a call that nobody approved: the task fails and says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode};
use mcp::sse::FrameSplitter;
use mcp::{Era, Method, Outcome, Request, ServerMessage, code, reply};
use policy::{ApprovalState, Trace, UnixMillis};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep_until, timeout};

use super::exchange::{Exchange, notice_answer};
use super::hold::{Attendance, ROUNDS_MAX, end_of};
use super::judge::{self, Attempt, Held};
use super::permit::Permit;
use super::refusal::{self, Asked, TASKS_EXTENSION};
use super::rewrite::Expect;
use super::visit::Visit;
use super::{MCP_NAME, forward, ledger, observe, take_up};
use crate::answer::{self, Answer};
use crate::held_tasks::{ENDED_SECONDS_MAX, HeldTask, HeldTasks, RESULT_BYTES_MAX, Stage, View};
use crate::upstream::{EVENT_BYTES_MAX, Patience, Reply, SendError, Sent};

/// The longest body of a call that becomes a task, in bytes: it lies in memory for as long as people
/// take.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How often a client is asked to look, in milliseconds.
const POLL_MS: u64 = 2_000;

/// How long the answer to `tasks/cancel` waits for the end of the task, in seconds: what is said to be
/// withdrawn by then stays so, also for the next process.
const WITHDRAWING_SECONDS_MAX: u64 = 2;

/// A task that was made, with its place among all held calls.
pub(super) struct Opened {
    task: Arc<HeldTask>,
    place: OwnedSemaphorePermit,
}

/// Makes a task of a held call, if its client takes one and there is room. It is in the store when
/// this returns.
pub(super) async fn open(visit: &Visit, request: &Request, held: &Held) -> Option<Opened> {
    let takes = request.era() == Era::Modern
        && *request.method() == Method::ToolsCall
        && request.declares_extension(TASKS_EXTENSION)
        && request.body().len() <= BODY_BYTES_MAX;
    if !takes {
        return None;
    }
    let plane = &visit.plane;
    let place = Arc::clone(&plane.holds).try_acquire_owned().ok()?;
    let view = View {
        stage: waiting(visit, held),
        updated_at: visit.now,
        expires_at: held.asked.expires_at,
    };
    let record = &visit.grant.record;
    let owner = (&record.id, &record.server);
    let known = |id: &str| take_up::known(visit, request, (id, &held.asked));
    // Headers that cannot be kept are rare, and such a call waits without a task.
    known("")?;
    let task = plane.held_tasks.open(owner, view, plane.config.randomness)?;
    if let Err(error) = plane.store.keep_held_task(known(&task.id)?).await {
        tracing::error!(%error, "a task could not be kept: the call waits without one");
        plane.held_tasks.drop_unsaid(&task);
        return None;
    }
    Some(Opened { task, place })
}

/// What a task says of its wait.
pub(super) fn message(visit: &Visit, asked: &Asked) -> Arc<str> {
    format!("Waiting for a person's approval: {}", asked.url(&visit.plane)).into()
}

fn waiting(visit: &Visit, held: &Held) -> Stage {
    let message = message(visit, &held.asked);
    // The same data as in the result that the call would have.
    let meta = match mcp::read_message(held.notice.body.clone()) {
        Ok(ServerMessage::Response(response)) => {
            response.payload().get("_meta").map(|meta| Arc::from(meta.raw_str()))
        }
        Ok(ServerMessage::Request(_) | ServerMessage::Notification(_)) | Err(_) => None,
    };
    Stage::Waiting { message, meta: meta.unwrap_or_else(|| Arc::from("{}")) }
}

/// Answers the call with its task, which goes on by itself.
pub(super) fn answer(visit: Box<Visit>, request: Request, held: Held, opened: Opened) -> Answer {
    let Opened { task, place } = opened;
    let body = rendered(&task, Rendered::Created(&request));
    spawn(visit, request, (task, place), Known::Held(held));
    answer::json(StatusCode::OK, body)
}

/// What is known of a call that is or was held.
pub(super) enum Known {
    /// It was held just now.
    Held(Held),
    /// It was held by a process before this one, and waits for this approval.
    Before(Asked),
}

/// Goes on with a call whose task this is: waits for the decision, or first judges it anew.
pub(super) fn spawn(
    visit: Box<Visit>,
    request: Request,
    (task, place): (Arc<HeldTask>, OwnedSemaphorePermit),
    known: Known,
) {
    let (asked, held) = match known {
        Known::Held(held) => (held.asked.clone(), Some(held)),
        Known::Before(asked) => (asked, None),
    };
    let plane = Arc::clone(&visit.plane);
    plane.metrics.holds.inc();
    let tracker = plane.tracker.clone();
    tracker.spawn(async move {
        let task_of = Arc::clone(&task);
        let waiting = Waiting { visit, request, held: held.map(Box::new), asked, task: task_of };
        let end = tokio::select! {
            biased;
            () = plane.over.cancelled() => None,
            end = waiting.run() => end,
        };
        // What still waits when the process ends is taken up by the next.
        if let Some(end) = end {
            let (now, expires_at) = (plane.now(), task.view().expires_at);
            take_up::keep(&plane, &task, &end, (now, expires_at)).await;
            plane.held_tasks.moved(&task, end, (now, expires_at));
        }
        plane.metrics.holds.dec();
        drop(place);
    });
}

struct Waiting {
    visit: Box<Visit>,
    request: Request,
    /// `None` until it is judged by this process.
    held: Option<Box<Held>>,
    asked: Asked,
    task: Arc<HeldTask>,
}

/// Why a wait ended.
enum Woken {
    Decided,
    /// Its time is over.
    TooLate,
    /// Withdrawn, or its grant is no more.
    Left,
    /// The gateway is closing, and the call goes on waiting.
    Closing,
}

impl Waiting {
    /// Waits, judges again when a person decided, and says what became of the call; `None` when it
    /// still waits and this process ends.
    async fn run(mut self) -> Option<Stage> {
        for _ in 0..ROUNDS_MAX {
            let plane = Arc::clone(&self.visit.plane);
            // Kept until the call has ended, so that nobody else takes its approval meanwhile.
            let _attendance = Attendance::of(&plane, &self.asked.id);
            let woken = if self.held.is_some() { self.wait().await } else { Woken::Decided };
            match woken {
                Woken::Decided => {}
                Woken::TooLate => break,
                Woken::Left => return Some(self.left()),
                Woken::Closing => {
                    self.stays_held();
                    return None;
                }
            }
            let Some(again) = self.visit.again() else { return Some(self.left()) };
            self.visit = again;
            match judge::attempt(&self.visit, &self.request).await {
                Attempt::Held(held) => {
                    self.asked = held.asked.clone();
                    self.moved(waiting(&self.visit, &held), held.asked.expires_at);
                    self.held = Some(held);
                }
                Attempt::Refused(notice) => return Some(ended(&notice.body)),
                Attempt::Go(call, _unused) if self.task.withdrawn.is_cancelled() => {
                    call.failed(&SendError::Cancelled(Sent::No));
                    return Some(Stage::Cancelled);
                }
                Attempt::Go(call, permit) => {
                    let total = self.visit.server.record.timeouts.total_ms.div_ceil(1000);
                    let longest = total.saturating_add(ENDED_SECONDS_MAX);
                    let until = plane.now().plus_seconds(longest);
                    self.moved(Stage::Running, until.max(self.asked.expires_at));
                    let withdrawn = self.task.withdrawn.clone();
                    let exchange = Exchange::new(self.visit, &self.request, Expect::Call);
                    return Some(tokio::select! {
                        biased;
                        // Dropping the call cancels it, also towards the server.
                        () = withdrawn.cancelled() => Stage::Cancelled,
                        end = go_on(exchange.with_call(call), permit, &self.request) => end,
                    });
                }
            }
        }
        self.stays_held();
        Some(self.held.map_or_else(lost, |held| ended(&held.notice.body)))
    }

    fn left(&mut self) -> Stage {
        self.stays_held();
        Stage::Cancelled
    }

    fn stays_held(&mut self) {
        let now = self.visit.plane.now();
        if let Some(held) = &mut self.held {
            held.stays_held(now);
        }
    }

    fn moved(&self, stage: Stage, expires_at: UnixMillis) {
        let plane = &self.visit.plane;
        plane.held_tasks.moved(&self.task, stage, (plane.now(), expires_at));
    }

    /// Waits for the decision, for as long as there can be one.
    async fn wait(&mut self) -> Woken {
        let plane = &self.visit.plane;
        let mut changes = plane.store.approval_changes();
        let until = end_of(plane, &self.asked);
        let mut over = false;
        loop {
            if self.task.withdrawn.is_cancelled() {
                return Woken::Left;
            }
            // Nobody can decide it any more. What is over is not loaded again, so its absence alone
            // does not say that it was decided.
            if over || plane.now() >= self.asked.expires_at {
                return Woken::TooLate;
            }
            let record = plane.store.live_approval(&self.asked.id);
            if record.is_none_or(|record| record.state != ApprovalState::Pending) {
                return Woken::Decided;
            }
            tokio::select! {
                () = self.task.withdrawn.cancelled() => return Woken::Left,
                () = self.visit.grant.live.ended.cancelled() => return Woken::Left,
                () = plane.closing.cancelled() => return Woken::Closing,
                () = sleep_until(until) => over = true,
                moved = changes.changed() => over |= moved.is_err(),
            }
        }
    }
}

/// Stops 11 to 14 without an open stream.
async fn go_on(exchange: Exchange, permit: Permit, request: &Request) -> Stage {
    let body = request.body().clone();
    let reply = forward::send(&exchange.visit, permit, body, Patience::Call).await;
    match reply {
        Ok(Reply::Sse { events, .. }) => {
            let mut pieces = exchange.pieces(events);
            let mut end = None;
            // Every piece is one whole event; the answer is the last.
            while let Some(piece) = pieces.next().await {
                end = response_in(piece).or(end);
            }
            end.map_or_else(lost, |body| ended(&body))
        }
        other @ (Ok(Reply::Json { .. } | Reply::Empty { .. } | Reply::Refused(_)) | Err(_)) => {
            ended(&exchange.noticed(other).await.body)
        }
    }
}

/// The response in an event, if it holds one.
fn response_in(piece: Bytes) -> Option<Bytes> {
    let mut frames = FrameSplitter::new(EVENT_BYTES_MAX);
    frames.push(piece);
    let data = frames.next_event().ok()??.data?;
    let message = mcp::read_message(data.clone()).ok()?;
    matches!(message, ServerMessage::Response(_)).then_some(data)
}

/// What the answer to a call makes of its task. What is kept is copied: the answer is a piece of a
/// larger buffer.
fn ended(body: &Bytes) -> Stage {
    let Ok(ServerMessage::Response(response)) = mcp::read_message(body.clone()) else {
        return lost();
    };
    let payload = response.payload();
    if payload.raw().len() > RESULT_BYTES_MAX {
        return failed("the answer is too long for a task");
    }
    let kept = Bytes::copy_from_slice(payload.raw());
    match (response.outcome(), response.result_type().as_deref()) {
        (Outcome::Error(_), _) => Stage::Failed(kept),
        (Outcome::Result, Some("task")) => {
            let task = payload.get("taskId").and_then(mcp::Node::as_str);
            task.map_or_else(lost, |task| Stage::Delegated(Arc::from(&*task)))
        }
        (Outcome::Result, Some("input_required")) => {
            failed("the server asks for input, which an approved task cannot carry")
        }
        (Outcome::Result, _) if payload.get("inputRequests").is_some() => {
            failed("the server asks for input, which an approved task cannot carry")
        }
        (Outcome::Result, _) => Stage::Completed(kept),
    }
}

fn lost() -> Stage {
    failed("bad upstream answer")
}

pub(super) fn failed(message: &str) -> Stage {
    let (code, message) = (code::BAD_UPSTREAM_ANSWER, reply::json_string(message));
    Stage::Failed(Bytes::from(format!("{{\"code\":{code},\"message\":{message}}}")))
}

/// A task that may be there and cannot be had now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread;

/// The task that a request of this grant names, if the gateway itself serves it.
pub(super) async fn find(
    visit: &Visit,
    request: &Request,
) -> Result<Option<Arc<HeldTask>>, Unread> {
    let Some(id) = request.task_id().filter(|id| HeldTasks::is_one(id)) else { return Ok(None) };
    if request.era() != Era::Modern || !request.declares_extension(TASKS_EXTENSION) {
        return Ok(None);
    }
    let record = &visit.grant.record;
    let here = || visit.plane.held_tasks.find(id, &record.id, &record.server, visit.now);
    if let Some(task) = here() {
        return Ok(Some(task));
    }
    take_up::task(visit, id).await?;
    Ok(here())
}

/// Answers `tasks/get`, `tasks/update` and `tasks/cancel` about a task of the gateway.
pub(super) async fn serve(visit: Box<Visit>, request: &Request, task: Arc<HeldTask>) -> Answer {
    if let Stage::Delegated(there) = task.view().stage {
        return ask_server(visit, request, (&task, &there)).await;
    }
    if let Err(error) = ledger::note_passed(&visit, request.method(), request.task_id()).await {
        tracing::error!(why = error.why, "a task was not shown: it could not be recorded");
        let refused = judge::refuse(&visit, request, &Trace::empty(), judge::unrecordable()).await;
        return match refused {
            Attempt::Refused(notice) => notice_answer(notice),
            Attempt::Held(_) | Attempt::Go(..) => answer::refused(answer::Refused::Panicked),
        };
    }
    if *request.method() == Method::TasksCancel {
        task.withdrawn.cancel();
        let patience = Duration::from_secs(WITHDRAWING_SECONDS_MAX);
        if timeout(patience, task.ended.cancelled()).await.is_err() {
            tracing::debug!("a task that was withdrawn has not ended yet");
        }
    }
    if *request.method() == Method::TasksGet && task.view().stage == Stage::NotKept {
        return notice_answer(refusal::task_not_kept(request.id()));
    }
    let body = if *request.method() == Method::TasksGet {
        rendered(&task, Rendered::State(request))
    } else {
        // To an update as well: nothing is asked of the client, so nothing that it could answer.
        reply::result(request.id(), Era::Modern, "")
    };
    answer::json(StatusCode::OK, body)
}

/// Asks the server for the task that it made of the call, and names the gateway's own in its answer.
async fn ask_server(
    mut visit: Box<Visit>,
    request: &Request,
    (task, there): (&HeldTask, &str),
) -> Answer {
    let own = mcp::encode_header_value(there).into_owned();
    let name = HeaderValue::from_str(&own);
    let id = reply::json_string(there);
    let body = mcp::replace_values(request.body(), &[(&["params", "taskId"], &id)]);
    let (Ok(name), Ok(body)) = (name, body) else {
        return notice_answer(refusal::bad_answer(request.id()));
    };
    visit.mirrored.retain(|(known, _)| *known != MCP_NAME);
    visit.mirrored.push((MCP_NAME, name));
    match observe::admit_unruled(&visit, request).await {
        Attempt::Go(call, permit) => {
            let expect = Expect::Task(task.id.clone());
            let exchange = Exchange::new(visit, request, expect).with_call(call);
            let reply = forward::send(&exchange.visit, permit, body, Patience::Call).await;
            exchange.deliver(reply).await
        }
        Attempt::Refused(notice) => notice_answer(notice),
        Attempt::Held(held) => notice_answer(held.notice),
    }
}

/// Which message shows a task.
#[derive(Clone, Copy)]
enum Rendered<'r> {
    /// The answer to the call.
    Created(&'r Request),
    /// The answer to `tasks/get`.
    State(&'r Request),
}

fn rendered(task: &HeldTask, as_what: Rendered<'_>) -> Bytes {
    let view = task.view();
    let text = |json: &Bytes| String::from_utf8_lossy(json).into_owned();
    let (kept, message, meta) = match &view.stage {
        Stage::Waiting { message, meta } => (None, Some(&**message), Some(&**meta)),
        Stage::Running => (None, Some("Approved, and on its way."), None),
        Stage::Completed(json) => (Some(text(json)), None, None),
        Stage::Failed(json) => (Some(text(json)), Some("The call failed."), None),
        Stage::Delegated(_) => (None, None, None),
        Stage::Cancelled => (None, Some("The call was withdrawn."), None),
        Stage::NotKept => (None, Some(refusal::NOT_KEPT), None),
    };
    let kept = kept.as_deref().unwrap_or("{}");
    let status = match &view.stage {
        Stage::Waiting { .. } | Stage::Running | Stage::Delegated(_) => reply::TaskStatus::Working,
        Stage::Completed(_) => reply::TaskStatus::Completed(kept),
        Stage::Failed(_) | Stage::NotKept => reply::TaskStatus::Failed(kept),
        Stage::Cancelled => reply::TaskStatus::Cancelled,
    };
    let ttl_ms = view.expires_at.0.saturating_sub(task.created_at.0);
    let (created_at, updated_at) =
        (refusal::rfc3339(task.created_at), refusal::rfc3339(view.updated_at));
    let state = reply::Task {
        id: &task.id,
        status,
        message,
        created_at: &created_at,
        updated_at: &updated_at,
        ttl_ms: Some(u64::try_from(ttl_ms).unwrap_or(0)),
        poll_interval_ms: Some(POLL_MS),
        meta,
    };
    match as_what {
        Rendered::Created(request) => reply::task_created(request.id(), &state),
        Rendered::State(request) => reply::task_state(request.id(), &state),
    }
}

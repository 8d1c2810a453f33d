//! Holding a call (GATEWAY.md section 7): the agent gets its stream at once and hears that the call
//! is alive; a person's decision wakes it, and an approved call goes on in the same request. The
//! decision is always made anew: what waited is judged again, by the policy that is in force then.
//!
//! A modern client that leaves withdraws its call. A legacy client that leaves cancels nothing
//! (GATEWAY.md section 2): the call waits on and runs when it is approved, unless the same call was
//! made again and waits with a client; then that one goes on, so that one approval runs one call. In
//! both eras a call that is cancelled, or whose session ends, is over while it waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use mcp::{Era, Request, sse};
use policy::{ApprovalId, ApprovalState};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::climb::Climb;
use super::elicit;
use super::exchange::{Exchange, notice_answer};
use super::forward;
use super::judge::{self, Attempt, Held};
use super::permit::Permit;
use super::refusal::Asked;
use super::rewrite::Expect;
use super::visit::{Visit, Waiting};
use crate::answer::{self, Answer};
use crate::body::{AnswerBody, LiveStream, OnLeave};
use crate::desk::Holding;
use crate::plane::Plane;
use crate::upstream::{Patience, Reply, SendError, Sent};

/// How many pieces of a held call's stream may wait for a slow reader.
const PIECES_MAX: usize = 16;

/// How often a call that waits is judged anew before its wait ends without an answer.
pub(super) const ROUNDS_MAX: usize = 32;

/// A client with a progress token hears of the wait at once, and then every so many seconds.
const PROGRESS_SECONDS: u64 = 10;

/// How long a call may take to be judged anew and on its way when its wait is over, in seconds.
const JUDGING_SECONDS_MAX: u64 = 60;

/// The longest wait that a policy may ask for, in seconds (POLICY.md section 3).
const WAIT_SECONDS_MAX: u32 = 600;

/// Answers a held call: at once, or with a stream on which it waits.
pub(super) fn answer(visit: Box<Visit>, request: Request, mut held: Held) -> Answer {
    let wait = wait_seconds(&visit, &request, held.wait_seconds);
    let place = Arc::clone(&visit.plane.holds).try_acquire_owned();
    let (true, Ok(place)) = (wait > 0 && visit.waiting == Waiting::Possible, place) else {
        held.stays_held(visit.plane.now());
        return notice_answer(elicit::instead(&visit, &request, &held));
    };
    let (pieces, reader) = mpsc::channel(PIECES_MAX);
    let plane = Arc::clone(&visit.plane);
    let ended = visit.grant.live.ended.clone();
    plane.metrics.holds.inc();
    let task_plane = Arc::clone(&plane);
    let until = Instant::now() + Duration::from_secs(u64::from(wait));
    let total = Duration::from_millis(u64::from(visit.server.record.timeouts.total_ms));
    let by = until + total + Duration::from_secs(JUDGING_SECONDS_MAX);
    plane.tracker.spawn(async move {
        let holding = visit.desk().hold(request.id_key());
        let over = visit.session().map(|session| session.over.clone()).unwrap_or_default();
        let client = Client::There;
        let climb = Climb::of(&request);
        let linked = false;
        let waited = Waited { visit, request, held, until, climb, linked, client, holding, over };
        tokio::select! {
            biased;
            () = task_plane.over.cancelled() => {}
            () = waited.run(&pieces) => {}
        }
        task_plane.metrics.holds.dec();
        drop(place);
    });
    let reader = futures_util::stream::unfold(reader, |mut reader| async {
        let piece = reader.recv().await?;
        Some((piece, reader))
    });
    let ends = [ended, plane.over.clone()];
    answer::live(LiveStream::new(Box::pin(reader), ends, Some(by), OnLeave::Drop))
}

fn wait_seconds(visit: &Visit, request: &Request, own: Option<u32>) -> u32 {
    let waits = visit.plane.config.hold_waits;
    let default = match request.progress_token() {
        Some(_) => waits.with_progress_seconds,
        None => waits.plain_seconds,
    };
    own.unwrap_or(default).min(WAIT_SECONDS_MAX)
}

/// When nobody can decide a request any more.
pub(super) fn end_of(plane: &Plane, asked: &Asked) -> Instant {
    let left_ms = asked.expires_at.0.saturating_sub(plane.now().0);
    Instant::now() + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
}

struct Waited {
    visit: Box<Visit>,
    request: Request,
    held: Held,
    until: Instant,
    /// What the client was told of the wait.
    climb: Climb,
    /// Whether the client was asked to open the page of the approval.
    linked: bool,
    client: Client,
    holding: Holding,
    /// The end of its session; without one it does not come.
    over: CancellationToken,
}

/// Whether the client still reads the stream of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    There,
    /// It left, and its call goes on (legacy).
    Left,
}

/// How many calls wait for each approval with a client that reads their stream.
#[derive(Debug, Default)]
pub(crate) struct Attended {
    calls: Mutex<HashMap<ApprovalId, usize>>,
}

impl Attended {
    /// How many wait for this approval.
    pub(crate) fn calls(&self, id: &ApprovalId) -> usize {
        self.book().get(id).copied().unwrap_or(0)
    }

    fn book(&self) -> MutexGuard<'_, HashMap<ApprovalId, usize>> {
        // Every change is a single insertion or removal: the book is whole also after a panic.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call that waits with a client.
pub(super) struct Attendance {
    plane: Arc<Plane>,
    id: ApprovalId,
}

impl Attendance {
    pub(super) fn of(plane: &Arc<Plane>, id: &ApprovalId) -> Self {
        let mut book = plane.attended.book();
        let calls = book.entry(id.clone()).or_insert(0);
        *calls = calls.saturating_add(1);
        drop(book);
        Self { plane: Arc::clone(plane), id: id.clone() }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut book = self.plane.attended.book();
        if let Some(calls) = book.get_mut(&self.id) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                book.remove(&self.id);
            }
        }
    }
}

/// Why a wait ended.
enum Woken {
    Decided,
    TooLate,
    /// A modern client left, the call was cancelled, its session ended, or the grant was revoked:
    /// nothing may go out any more. An approval stays usable for the retry.
    Left,
}

impl Waited {
    /// Waits, judges again when a person decided, and ends the stream with an answer.
    async fn run(mut self, pieces: &mpsc::Sender<Bytes>) {
        for round in 0..=ROUNDS_MAX {
            let plane = Arc::clone(&self.visit.plane);
            // Kept until the call has ended, so that nobody else takes its approval meanwhile.
            let mut attendance = match self.client {
                Client::There => Some(Attendance::of(&plane, &self.held.asked.id)),
                Client::Left => None,
            };
            let woken = if round == ROUNDS_MAX {
                Woken::TooLate
            } else {
                self.wait(pieces, &mut attendance).await
            };
            match woken {
                Woken::Left => return self.stays_held(),
                Woken::TooLate => {
                    self.stays_held();
                    self.say(pieces, self.held.notice.body.clone()).await;
                    return;
                }
                Woken::Decided if self.client == Client::Left && !self.is_still_wanted() => {
                    return self.stays_held();
                }
                Woken::Decided => {}
            }
            self.unlink(pieces).await;
            let Some(again) = self.visit.again() else { return self.stays_held() };
            self.visit = again;
            match judge::attempt(&self.visit, &self.request).await {
                // Nobody is there to be asked for anew.
                Attempt::Held(_) if self.client == Client::Left => return self.stays_held(),
                Attempt::Held(held) => self.held = *held,
                Attempt::Refused(notice) => {
                    self.say(pieces, notice.body).await;
                    return;
                }
                // Cancelled while it was judged: it does not leave.
                Attempt::Go(call, _unused) if self.is_withdrawn() => {
                    call.failed(&SendError::Cancelled(Sent::No));
                    return;
                }
                Attempt::Go(call, permit) => {
                    let exchange = Exchange::new(self.visit, &self.request, Expect::Call);
                    let stream = (&mut self.climb, pieces);
                    let going = go_on(exchange.with_call(call), permit, &self.request, stream);
                    match self.request.era() {
                        Era::Legacy => going.await,
                        // Leaving cancels, also towards the server.
                        Era::Modern => tokio::select! {
                            () = pieces.closed() => {}
                            () = going => {}
                        },
                    }
                    return;
                }
            }
        }
    }

    /// Shows a client that takes links where a person decides.
    async fn link(&mut self, pieces: &mpsc::Sender<Bytes>) {
        if self.linked || self.client == Client::Left {
            return;
        }
        if let Some(link) = elicit::asked(&self.visit, &self.held) {
            self.linked = true;
            self.say(pieces, link).await;
        }
    }

    /// Takes the link back when its approval is decided.
    async fn unlink(&mut self, pieces: &mpsc::Sender<Bytes>) {
        if std::mem::take(&mut self.linked) && self.client == Client::There {
            self.say(pieces, elicit::complete(&self.held)).await;
        }
    }

    fn stays_held(&mut self) {
        self.held.stays_held(self.visit.plane.now());
    }

    fn is_withdrawn(&self) -> bool {
        self.holding.withdrawn.is_cancelled() || self.over.is_cancelled()
    }

    /// Whether a call without a client is to go on: it was approved, and nobody else waits to make
    /// it.
    fn is_still_wanted(&self) -> bool {
        let plane = &self.visit.plane;
        let id = &self.held.asked.id;
        let approved = plane
            .store
            .live_approval(id)
            .is_some_and(|record| record.state == ApprovalState::Approved);
        approved && plane.attended.calls(id) == 0
    }

    async fn say(&self, pieces: &mpsc::Sender<Bytes>, message: Bytes) {
        if pieces.send(sse::encode(&message)).await.is_err() {
            tracing::debug!("the client of a held call left");
        }
    }

    /// Waits for the decision. A decision that comes as the wait ends still counts.
    async fn wait(
        &mut self,
        pieces: &mpsc::Sender<Bytes>,
        attendance: &mut Option<Attendance>,
    ) -> Woken {
        let plane = Arc::clone(&self.visit.plane);
        let mut changes = plane.store.approval_changes();
        self.link(pieces).await;
        let step = Duration::from_secs(PROGRESS_SECONDS);
        let first = if self.climb.has_begun() { Instant::now() + step } else { Instant::now() };
        let mut ticks = interval_at(first, step);
        let until = self.until.min(end_of(&plane, &self.held.asked));
        let mut over = false;
        loop {
            let left = self.request.era() == Era::Modern && pieces.is_closed();
            if left || self.is_withdrawn() {
                return Woken::Left;
            }
            // Nobody can decide it any more. What is over is not loaded again, so its absence alone
            // does not say that it was decided.
            if plane.now() >= self.held.asked.expires_at {
                return Woken::TooLate;
            }
            let record = plane.store.live_approval(&self.held.asked.id);
            if record.is_none_or(|record| record.state != ApprovalState::Pending) {
                return Woken::Decided;
            }
            if over {
                return Woken::TooLate;
            }
            tokio::select! {
                () = pieces.closed(), if self.client == Client::There => {
                    if self.request.era() == Era::Modern {
                        return Woken::Left;
                    }
                    self.client = Client::Left;
                    self.visit.waiting = Waiting::Nobody;
                    *attendance = None;
                }
                () = self.visit.grant.live.ended.cancelled() => return Woken::Left,
                () = self.holding.withdrawn.cancelled() => return Woken::Left,
                () = self.over.cancelled() => return Woken::Left,
                () = plane.closing.cancelled() => over = true,
                () = sleep_until(until) => over = true,
                moved = changes.changed() => over |= moved.is_err(),
                _tick = ticks.tick() => self.tell(pieces).await,
            }
        }
    }

    /// Tells a client with a progress token that its call waits.
    async fn tell(&mut self, pieces: &mpsc::Sender<Bytes>) {
        if self.client == Client::There
            && let Some(note) = self.climb.step()
            && pieces.send(sse::encode(&note)).await.is_err()
        {
            tracing::debug!("the client of a held call left");
        }
    }
}

/// Stops 11 to 14 on the open stream.
async fn go_on(
    exchange: Exchange,
    permit: Permit,
    request: &Request,
    stream: (&mut Climb, &mpsc::Sender<Bytes>),
) {
    let body = request.body().clone();
    let reply = forward::send(&exchange.visit, permit, body, Patience::Call).await;
    pump(exchange, reply, stream).await;
}

/// Puts the server's reply to an approved call on the open stream.
async fn pump(
    mut exchange: Exchange,
    reply: Result<Reply, SendError>,
    (climb, pieces): (&mut Climb, &mpsc::Sender<Bytes>),
) {
    match reply {
        Ok(Reply::Json { body, .. }) => {
            let notice = exchange.whole(body).await;
            if pieces.send(sse::encode(&notice.body)).await.is_err() {
                tracing::debug!("the client of a held call left before its answer");
            }
        }
        Ok(Reply::Sse { events, .. }) => {
            let mut events = exchange.pieces(events);
            let mut open = true;
            // The call is finished and recorded also when nobody reads any more.
            while let Some(piece) = events.next().await {
                open = open && pieces.send(climb.continued(piece)).await.is_ok();
            }
        }
        other @ (Ok(Reply::Empty { .. } | Reply::Refused(_)) | Err(_)) => {
            let answer = exchange.deliver(other).await;
            if let AnswerBody::Full(body) = answer.into_body()
                && pieces.send(sse::encode(&body)).await.is_err()
            {
                tracing::debug!("the client of a held call left before its answer");
            }
        }
    }
}

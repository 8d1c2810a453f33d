//! Holding a call (GATEWAY.md section 7): the agent gets its stream at once and hears that the call
//! is alive; a person's decision wakes it, and an approved call goes on in the same request. The
//! decision is always made anew: what waited is judged again, by the policy that is in force then.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use mcp::{Request, reply, sse};
use policy::ApprovalState;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};

use super::exchange::{Exchange, notice_answer};
use super::forward;
use super::judge::{self, Attempt, Held};
use super::rewrite::Expect;
use super::visit::{Visit, Waiting};
use crate::answer::{self, Answer};
use crate::body::{AnswerBody, LiveStream, OnLeave};
use crate::upstream::{Patience, Reply};

/// How many pieces of a held call's stream may wait for a slow reader.
const PIECES_MAX: usize = 16;

/// A client with a progress token hears of the wait every so many seconds.
const PROGRESS_SECONDS: u64 = 10;

/// The longest wait that a policy may ask for, in seconds (POLICY.md section 3).
const WAIT_SECONDS_MAX: u32 = 600;

/// Answers a held call: at once, or with a stream on which it waits.
pub(super) fn answer(visit: Visit, request: Request, held: Held) -> Answer {
    let wait = wait_seconds(&visit, &request, held.wait_seconds);
    let place = std::sync::Arc::clone(&visit.plane.holds).try_acquire_owned();
    let (true, Ok(place)) = (wait > 0 && visit.waiting == Waiting::Possible, place) else {
        return notice_answer(held.notice);
    };
    let (pieces, reader) = mpsc::channel(PIECES_MAX);
    let plane = std::sync::Arc::clone(&visit.plane);
    let ended = visit.grant.live.ended.clone();
    plane.metrics.holds.inc();
    let task_plane = std::sync::Arc::clone(&plane);
    plane.tracker.spawn(async move {
        let until = Instant::now() + Duration::from_secs(u64::from(wait));
        let waited = Waited { visit, request, held, until };
        waited.run(&pieces).await;
        task_plane.metrics.holds.dec();
        drop(place);
    });
    let reader = futures_util::stream::unfold(reader, |mut reader| async {
        let piece = reader.recv().await?;
        Some((piece, reader))
    });
    let ends = [ended, plane.over.clone()];
    answer::live(LiveStream::new(Box::pin(reader), ends, OnLeave::Drop))
}

fn wait_seconds(visit: &Visit, request: &Request, own: Option<u32>) -> u32 {
    let waits = visit.plane.config.hold_waits;
    let default = match request.progress_token() {
        Some(_) => waits.with_progress_seconds,
        None => waits.plain_seconds,
    };
    own.unwrap_or(default).min(WAIT_SECONDS_MAX)
}

struct Waited {
    visit: Visit,
    request: Request,
    held: Held,
    until: Instant,
}

/// Why a wait ended.
enum Woken {
    Decided,
    TooLate,
    /// The client left, the grant was revoked or the gateway shuts down: nothing may go out any
    /// more. An approval stays usable for the retry.
    Left,
}

impl Waited {
    /// Waits, judges again when a person decided, and ends the stream with an answer.
    async fn run(mut self, pieces: &mpsc::Sender<Bytes>) {
        loop {
            match self.wait(pieces).await {
                Woken::Left => return,
                Woken::TooLate => {
                    self.say(pieces, self.held.notice.body.clone()).await;
                    return;
                }
                Woken::Decided => {}
            }
            let Some(again) = self.visit.again() else { return };
            self.visit = again;
            match judge::attempt(&self.visit, &self.request).await {
                Attempt::Held(held) => self.held = *held,
                Attempt::Refused(notice) => {
                    self.say(pieces, notice.body).await;
                    return;
                }
                Attempt::Go(call, permit) => {
                    let exchange = Exchange::new(self.visit, &self.request, Expect::Call);
                    let body = self.request.body().clone();
                    let reply = forward::send(&exchange.visit, permit, body, Patience::Call).await;
                    pump(exchange.with_call(call), reply, pieces).await;
                    return;
                }
            }
        }
    }

    async fn say(&self, pieces: &mpsc::Sender<Bytes>, message: Bytes) {
        if pieces.send(sse::encode(&message)).await.is_err() {
            tracing::debug!("the client of a held call left");
        }
    }

    async fn wait(&self, pieces: &mpsc::Sender<Bytes>) -> Woken {
        let store = &self.visit.plane.store;
        let mut changes = store.approval_changes();
        let step = Duration::from_secs(PROGRESS_SECONDS);
        // The first one at once (GATEWAY.md section 7, point 1).
        let mut ticks = interval_at(Instant::now(), step);
        let mut ticked: u64 = 0;
        loop {
            let record = store.live_approval(&self.held.asked.id);
            if record.is_none_or(|record| record.state != ApprovalState::Pending) {
                return Woken::Decided;
            }
            tokio::select! {
                () = pieces.closed() => return Woken::Left,
                () = self.visit.grant.live.ended.cancelled() => return Woken::Left,
                () = self.visit.plane.closing.cancelled() => return Woken::TooLate,
                () = sleep_until(self.until) => return Woken::TooLate,
                moved = changes.changed() => {
                    if moved.is_err() {
                        return Woken::TooLate;
                    }
                }
                _tick = ticks.tick() => {
                    let Some(token) = self.request.progress_token() else { continue };
                    ticked = ticked.saturating_add(1);
                    // Fractions stay below the server's own first step, so that progress grows.
                    let said = Some("waiting for a person's approval");
                    let note = reply::progress(token, ticked, None, said);
                    if pieces.send(sse::encode(&note)).await.is_err() {
                        return Woken::Left;
                    }
                }
            }
        }
    }
}

/// Puts the server's reply to an approved call on the open stream.
async fn pump(
    mut exchange: Exchange,
    reply: Result<Reply, crate::upstream::SendError>,
    pieces: &mpsc::Sender<Bytes>,
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
                open = open && pieces.send(piece).await.is_ok();
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

//! Streamable HTTP towards a server: one request, one answer, judged by its head.
//! Never here: redirects, decompression, anything of the client's own headers but the mirrored ones.

mod connect;
mod link;
pub(crate) mod post;
mod stream;
mod wire;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::StatusCode;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::connect::Dialer;
pub(crate) use self::connect::{Resolve, system_resolver};
use self::link::{Leased, Pool, Request, RequestFailed};
pub(crate) use self::stream::HttpEvents;
use self::wire::{Head, Heads};
use super::message::{
    BadAnswer, Media, Outgoing, Patience, Refused, Reply, SendError, Sent, Unreachable, Verb,
};
use super::room::{Room, Share};
use super::spec::{HttpTarget, ServerSpec, SpecError, Timeouts};

/// The client to one server on Streamable HTTP.
#[derive(Debug)]
pub(crate) struct HttpClient {
    pool: Arc<Pool>,
    dialer: Dialer,
    heads: Heads,
    timeouts: Timeouts,
    answer_bytes_max: usize,
    room: Arc<Room>,
}

impl HttpClient {
    pub(crate) fn new(
        target: &HttpTarget,
        spec: &ServerSpec,
        resolve: Resolve,
    ) -> Result<Self, SpecError> {
        Ok(Self {
            pool: Pool::new(spec.connections_max),
            dialer: Dialer::new(target.url.clone(), target.rule, resolve)?,
            heads: Heads::new(target.url.target(), target.url.host_header(), &target.credentials),
            timeouts: spec.timeouts,
            answer_bytes_max: spec.answer_bytes_max,
            room: Arc::clone(&spec.room),
        })
    }

    /// Drops the idle connections and refuses new ones.
    pub(crate) fn stop(&self) {
        self.pool.close();
    }

    /// Sends one message; see `Upstream::send`. Not an `async fn`, as those around it: each would
    /// hold the message once more.
    pub(crate) fn send(
        &self,
        out: Outgoing,
    ) -> impl Future<Output = Result<Reply, SendError>> + Send {
        let asked = Asked {
            verb: out.verb,
            in_session: out.session.is_some(),
            patience: out.patience,
            agent: out.agent,
            cancel: out.cancel.clone(),
        };
        let request = Request { head: self.heads.request(&out), body: out.body };
        // The token is rare, and what it costs is only paid with it.
        match asked.cancel.clone() {
            None => Either::Left(self.exchange(asked, request, None)),
            Some(cancel) => Either::Right(Box::pin(self.cancellable(asked, request, cancel))),
        }
    }

    async fn cancellable(
        &self,
        asked: Asked,
        request: Request,
        cancel: CancellationToken,
    ) -> Result<Reply, SendError> {
        let sent = AtomicBool::new(false);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                let written = sent.load(Ordering::Relaxed);
                Err(SendError::Cancelled(if written { Sent::Maybe } else { Sent::No }))
            }
            done = self.exchange(asked, request, Some(&sent)) => done,
        }
    }

    /// The whole exchange. `sent` is set before the request can have been written. Futures are
    /// pinned where they are made: handing them on by value would copy them at every step.
    async fn exchange(
        &self,
        asked: Asked,
        request: Request,
        sent: Option<&AtomicBool>,
    ) -> Result<Reply, SendError> {
        // Whoever is ready reads and is decided first, then all write: a server that sleeps is then
        // woken once for many messages. The same is done with the answers (`entry`).
        tokio::task::yield_now().await;
        let started = Instant::now();
        let head_by = started + self.timeouts.first_byte.min(self.timeouts.total);
        let mut link = match self.idle_link()? {
            Some(link) => link,
            None => Box::pin(self.link(head_by)).await?,
        };
        if let Some(sent) = sent {
            sent.store(true, Ordering::Relaxed);
        }
        let outcome = link.request(request, head_by).await;
        match outcome {
            Ok(head) => {
                let whole_by = started + self.timeouts.total;
                let (bytes_max, share) = (self.answer_bytes_max, self.room.share(asked.agent));
                read_answer(Answer { link, whole_by, bytes_max, share }, head, asked).await
            }
            Err(RequestFailed::Broken) => Err(SendError::Broken(Sent::Maybe)),
            Err(RequestFailed::Unreadable) => Err(SendError::BadAnswer(BadAnswer::Unreadable)),
            Err(RequestFailed::Late) => Err(SendError::TimedOut(Sent::Maybe)),
        }
    }

    /// A connection that is idle, if one is and may be used: the usual case, without a wait.
    fn idle_link(&self) -> Result<Option<Leased>, SendError> {
        if self.pool.is_closed() {
            return Err(SendError::Unreachable(Unreachable::Stopped));
        }
        Ok(self.pool.try_place().and_then(|place| self.pool.take(place).ok()))
    }

    /// A connection: one that is idle, else a new one. While as many are in use as may be, it waits for one of them.
    async fn link(&self, head_by: Instant) -> Result<Leased, SendError> {
        if self.pool.is_closed() {
            return Err(SendError::Unreachable(Unreachable::Stopped));
        }
        let connect_by = head_by.min(Instant::now() + self.timeouts.connect);
        let Ok(place) = timeout_at(connect_by, self.pool.place()).await else {
            return Err(SendError::Unreachable(Unreachable::Busy));
        };
        let place = place?;
        let place = match self.pool.take(place) {
            Ok(link) => return Ok(link),
            Err(place) => place,
        };
        match timeout_at(connect_by, self.dialer.dial()).await {
            Ok(Ok(stream)) => Ok(self.pool.lease(stream, place)),
            Ok(Err(unreachable)) => Err(SendError::Unreachable(unreachable)),
            Err(_elapsed) => Err(SendError::Unreachable(Unreachable::ConnectTimeout)),
        }
    }
}

/// What the request was, as far as reading the answer depends on it.
struct Asked {
    verb: Verb,
    in_session: bool,
    patience: Patience,
    agent: u64,
    cancel: Option<CancellationToken>,
}

/// The rest of an exchange after the head.
struct Answer {
    link: Leased,
    whole_by: Instant,
    bytes_max: usize,
    share: Share,
}

impl Answer {
    /// The body in one piece, and the connection back into the pool.
    async fn collect(self) -> Result<Bytes, SendError> {
        let Self { mut link, whole_by, bytes_max, mut share } = self;
        let bytes = {
            let mut collecting = pin!(link.collect(bytes_max, &mut share));
            in_time(whole_by, collecting.as_mut())
                .await
                .map_err(|_elapsed| SendError::TimedOut(Sent::Maybe))??
        };
        link.give_back();
        Ok(share.keep(bytes))
    }

    /// The body as events.
    fn stream(self, asked: Asked) -> HttpEvents {
        let by = match asked.patience {
            Patience::Call => Some(self.whole_by),
            Patience::Stream => None,
        };
        HttpEvents::new(self.link, self.bytes_max, self.share).end_by(by).end_on(asked.cancel)
    }

    /// A body that nobody reads. A short one that is already there keeps the connection, any other ends it.
    fn skip(self) {
        if self.link.is_over() {
            self.link.give_back();
        }
    }
}

/// The outcome of a future, if it comes in time. What is ready at once needs no timer.
async fn in_time<F: Future>(by: Instant, mut future: Pin<&mut F>) -> Result<F::Output, Elapsed> {
    match std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(outcome) => Ok(outcome),
        Poll::Pending => timeout_at(by, future).await,
    }
}

async fn read_answer(answer: Answer, head: Head, asked: Asked) -> Result<Reply, SendError> {
    let Head { status, media, session, .. } = head;
    let bad = |what| Err(SendError::BadAnswer(what));
    if status.is_redirection() {
        return bad(BadAnswer::Redirect(status));
    }
    if status.is_server_error() {
        return bad(BadAnswer::ServerError(status));
    }
    if head.encoded {
        return bad(BadAnswer::Encoded);
    }
    if status.is_client_error() {
        let refused = Refused { status, media, body: answer.collect().await? };
        let gone = status == StatusCode::NOT_FOUND && asked.in_session;
        return if gone {
            Err(SendError::SessionGone(refused))
        } else {
            Ok(Reply::Refused(refused))
        };
    }
    let Ok(session) = session else {
        return bad(BadAnswer::Unreadable);
    };
    match (status, media) {
        (StatusCode::ACCEPTED | StatusCode::NO_CONTENT, _) => {
            answer.skip();
            Ok(Reply::Empty { status, session })
        }
        (StatusCode::OK, _) if asked.verb == Verb::Delete || answer.link.is_over() => {
            answer.skip();
            Ok(Reply::Empty { status, session })
        }
        (StatusCode::OK, Media::Json) => Ok(Reply::Json { session, body: answer.collect().await? }),
        (StatusCode::OK, Media::EventStream) => {
            Ok(Reply::Sse { session, events: answer.stream(asked).into() })
        }
        (StatusCode::OK, Media::Other) => bad(BadAnswer::ContentType),
        _ => bad(BadAnswer::Status(status)),
    }
}

/// How long an idle connection is kept.
const IDLE_MAX: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;

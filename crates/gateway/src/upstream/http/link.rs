//! One HTTP/1.1 connection and the pool of idle ones. A connection has no task of its own: whoever waits for its answer drives it,
//! so that an answer costs no wake-up of another task, and dropping the waiter closes the connection, which is how HTTP/1.1
//! cancels. Never here: what a request or an answer means.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::IDLE_MAX;
use super::connect::Stream;
use crate::upstream::message::{SendError, Sent, Unreachable};
use crate::upstream::room::Share;

/// How many idle connections to one server are kept.
const IDLE_LINKS_MAX: usize = 256;
/// The largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How much of an answer is buffered before somebody takes it, in bytes.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How long an answer whose length nobody knows before waits for more room.
pub(super) const ROOM_AWAITED_MAX: Duration = Duration::from_secs(5);

/// An open connection.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<Stream>, Full<Bytes>>,
    /// Set when the connection future has finished; it must not be polled again.
    finished: bool,
}

/// Why a request got no head.
pub(super) enum RequestFailed {
    /// The connection had closed; the request comes back unwritten.
    NotSent(Box<Request<Full<Bytes>>>),
    /// The connection ended after the request was, or may have been, written.
    Broken,
    /// What came is not an HTTP/1.1 head within its bounds.
    Unreadable,
}

impl Link {
    /// Drives the connection. Errors are not reported here: they reach the request or the body that they concern.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.finished {
            self.finished = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
    }

    /// Whether the connection can take a request now.
    fn settle(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.finished && self.sender.is_ready()
    }
}

/// The right to use a connection.
pub(super) type Place = OwnedSemaphorePermit;

/// The connections to one server: the idle ones, the latest used last, and how many more may be in use.
pub(super) struct Pool {
    this: Weak<Self>,
    idle: Mutex<Idles>,
    places: Arc<Semaphore>,
    closed: AtomicBool,
    /// The task that closes what stays idle; it runs only while something is.
    sweeper: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Idles {
    links: VecDeque<Idle>,
    swept: bool,
}

struct Idle {
    link: Box<Link>,
    since: Instant,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("closed", &self.closed).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            closed: AtomicBool::new(false),
            sweeper: Mutex::default(),
        })
    }

    /// Waits until one more connection may be used.
    pub(super) async fn place(&self) -> Result<Place, SendError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_closed| SendError::Unreachable(Unreachable::Stopped))
    }

    /// The right to use one more connection, if nobody has to wait for it.
    pub(super) fn try_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The latest used connection that is still open; the place comes back if there is none.
    pub(super) fn take(self: &Arc<Self>, place: Place) -> Result<Leased, Place> {
        loop {
            let Some(Idle { mut link, .. }) = self.lock().links.pop_back() else {
                return Err(place);
            };
            if link.settle() {
                return Ok(Leased { link, pool: Arc::clone(self), _place: place });
            }
        }
    }

    /// Takes a new connection into use.
    pub(super) async fn lease(
        self: &Arc<Self>,
        stream: Stream,
        place: Place,
    ) -> Result<Leased, SendError> {
        let mut builder = Builder::new();
        builder.max_buf_size(READ_BUFFER_BYTES_MAX).max_header_size(HEAD_BYTES_MAX);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| {
                SendError::Unreachable(Unreachable::Connect(std::io::Error::other(error)))
            })?;
        let mut link = Box::new(Link { sender, connection, finished: false });
        // The first poll makes the connection ask for a request.
        link.settle();
        Ok(Leased { link, pool: Arc::clone(self), _place: place })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Whoever waits for a place is told.
        self.places.close();
        let idle = std::mem::take(&mut self.lock().links);
        drop(idle);
    }

    fn put(&self, link: Box<Link>) {
        let mut idle = self.lock();
        let dropped =
            if idle.links.len() >= IDLE_LINKS_MAX { idle.links.pop_front() } else { None };
        if !self.is_closed() {
            idle.links.push_back(Idle { link, since: Instant::now() });
        }
        let sweep = !idle.swept && !idle.links.is_empty();
        idle.swept |= sweep;
        drop(idle);
        // Closing a socket is a system call: not under the lock.
        drop(dropped);
        if sweep {
            let mut sweeper = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
            while sweeper.try_join_next().is_some() {}
            sweeper.spawn(sweep_idle(Weak::clone(&self.this)));
        }
    }

    /// Closes what has been idle for too long; when the next one will have been, if any is left.
    fn expire(&self, now: Instant) -> Option<Instant> {
        let mut idle = self.lock();
        let old = idle.links.partition_point(|idle| idle.since + IDLE_MAX <= now);
        let dropped: Vec<Idle> = idle.links.drain(..old).collect();
        let next = idle.links.front().map(|idle| idle.since + IDLE_MAX);
        idle.swept = next.is_some();
        drop(idle);
        drop(dropped);
        next
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idles> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle connections in time, as long as there are any.
async fn sweep_idle(pool: Weak<Pool>) {
    loop {
        let next = pool.upgrade().and_then(|pool| pool.expire(Instant::now()));
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}

/// A connection in use. Dropped, it closes; given back, it can be used again.
pub(super) struct Leased {
    link: Box<Link>,
    pool: Arc<Pool>,
    _place: Place,
}

impl std::fmt::Debug for Leased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leased")
    }
}

impl Leased {
    /// Sends a request and waits for the head of the answer.
    pub(super) async fn request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, RequestFailed> {
        let link = &mut *self.link;
        let mut head = std::pin::pin!(link.sender.try_send_request(request));
        let result = std::future::poll_fn(|cx| {
            if !link.finished {
                link.finished = Pin::new(&mut link.connection).poll(cx).is_ready();
            }
            match head.as_mut().poll(cx) {
                Poll::Pending if link.finished => Poll::Ready(None),
                head @ (Poll::Ready(_) | Poll::Pending) => head.map(Some),
            }
        })
        .await;
        match result {
            Some(Ok(response)) => Ok(response),
            None => Err(RequestFailed::Broken),
            Some(Err(mut failed)) => match failed.take_message() {
                Some(request) => Err(RequestFailed::NotSent(Box::new(request))),
                None if failed.error().is_parse() => Err(RequestFailed::Unreadable),
                None => Err(RequestFailed::Broken),
            },
        }
    }

    /// The next piece of a body.
    pub(super) fn poll_body(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.link.drive(cx);
        Pin::new(body).poll_frame(cx)
    }

    /// A whole body. One that comes in one piece is not copied.
    pub(super) async fn collect(
        &mut self,
        mut body: Incoming,
        bytes_max: usize,
        share: &mut Share,
    ) -> Result<Bytes, SendError> {
        let too_large = || SendError::TooLarge { bytes_max };
        let announced = body.size_hint().exact().map(usize::try_from);
        let expected = match announced {
            None => 0,
            Some(Ok(length)) if length <= bytes_max => length,
            Some(_) => return Err(too_large()),
        };
        // Until then the rest stays with the server.
        share.grow(expected).await;
        let mut first: Option<Bytes> = None;
        let mut all: Option<BytesMut> = None;
        while let Some(frame) = std::future::poll_fn(|cx| self.poll_body(&mut body, cx)).await {
            let frame = frame.map_err(|_broken| SendError::Broken(Sent::Maybe))?;
            let Ok(data) = frame.into_data() else { continue };
            let so_far = all.as_ref().map_or(first.as_ref().map_or(0, Bytes::len), BytesMut::len);
            if so_far.saturating_add(data.len()) > bytes_max {
                return Err(too_large());
            }
            let length = so_far.saturating_add(data.len());
            if !share.has_room_for(length) {
                // What holds a part and waits for more may wait for another that does the same.
                let more = share.grow(length.saturating_mul(2).min(bytes_max));
                if timeout(ROOM_AWAITED_MAX, more).await.is_err() {
                    return Err(SendError::TimedOut(Sent::Maybe));
                }
            }
            match (&mut all, first.take()) {
                (Some(all), _) => all.extend_from_slice(&data),
                (None, None) => first = Some(data),
                (None, Some(start)) => {
                    let known = start.len().saturating_add(data.len());
                    let mut joined = BytesMut::with_capacity(expected.max(known));
                    joined.extend_from_slice(&start);
                    joined.extend_from_slice(&data);
                    all = Some(joined);
                }
            }
        }
        Ok(all.map(BytesMut::freeze).or(first).unwrap_or_default())
    }

    /// Puts the connection back into the pool if it can take another request.
    pub(super) fn give_back(mut self) {
        if self.link.settle() {
            self.pool.put(self.link);
        }
    }
}

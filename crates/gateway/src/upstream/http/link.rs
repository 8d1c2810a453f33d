//! One HTTP/1.1 connection and the pool of idle ones. A connection has no task of its own: whoever waits for its answer drives it,
//! so that an answer costs no wake-up of another task, and dropping the waiter closes the connection, which is how HTTP/1.1
//! cancels. Never here: what a request or an answer means.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::IDLE_MAX;
use super::connect::Stream;
use crate::upstream::message::{SendError, Sent, Unreachable};

/// How many idle connections to one server are kept.
const IDLE_LINKS_MAX: usize = 256;
/// The largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How much of an answer is buffered before somebody takes it, in bytes.
const READ_BUFFER_BYTES_MAX: usize = 256 * 1024;

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

/// The idle connections to one server, the latest used last.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
    closed: AtomicBool,
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
    /// The latest used connection that is still open.
    pub(super) fn take(this: &Arc<Self>) -> Option<Leased> {
        let oldest = Instant::now().checked_sub(IDLE_MAX);
        loop {
            let Idle { mut link, since } = this.lock().pop_back()?;
            if oldest.is_some_and(|oldest| since < oldest) {
                // All others are older still.
                this.lock().clear();
                return None;
            }
            if link.settle() {
                return Some(Leased { link, pool: Arc::clone(this) });
            }
        }
    }

    /// Takes a new connection into use.
    pub(super) async fn lease(this: &Arc<Self>, stream: Stream) -> Result<Leased, SendError> {
        let mut builder = Builder::new();
        builder.max_buf_size(READ_BUFFER_BYTES_MAX).max_header_size(HEAD_BYTES_MAX);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| {
                SendError::Unreachable(Unreachable::Connect(std::io::Error::other(error)))
            })?;
        let mut link = Box::new(Link { sender, connection, finished: false });
        // The first poll makes the connection ask for a request.
        link.settle();
        Ok(Leased { link, pool: Arc::clone(this) })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.lock().clear();
    }

    fn put(&self, link: Box<Link>) {
        let now = Instant::now();
        let mut idle = self.lock();
        let full = idle.len() >= IDLE_LINKS_MAX;
        let stale = idle.front().is_some_and(|oldest| now.duration_since(oldest.since) > IDLE_MAX);
        let dropped = if full || stale { idle.pop_front() } else { None };
        if !self.is_closed() {
            idle.push_back(Idle { link, since: now });
        }
        drop(idle);
        // Closing a socket is a system call: not under the lock.
        drop(dropped);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped, it closes; given back, it can be used again.
pub(super) struct Leased {
    link: Box<Link>,
    pool: Arc<Pool>,
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
    ) -> Result<Bytes, SendError> {
        let too_large = || SendError::TooLarge { bytes_max };
        let announced = body.size_hint().exact().map(usize::try_from);
        let expected = match announced {
            None => 0,
            Some(Ok(length)) if length <= bytes_max => length,
            Some(_) => return Err(too_large()),
        };
        let mut first: Option<Bytes> = None;
        let mut all: Option<BytesMut> = None;
        while let Some(frame) = std::future::poll_fn(|cx| self.poll_body(&mut body, cx)).await {
            let frame = frame.map_err(|_broken| SendError::Broken(Sent::Maybe))?;
            let Ok(data) = frame.into_data() else { continue };
            let so_far = all.as_ref().map_or(first.as_ref().map_or(0, Bytes::len), BytesMut::len);
            if so_far.saturating_add(data.len()) > bytes_max {
                return Err(too_large());
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

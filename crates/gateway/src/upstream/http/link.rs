//! One HTTP/1.1 connection and the pool of idle ones. A connection has no task of its own: whoever waits for its answer drives it,
//! so that an answer costs no wake-up of another task, and dropping the waiter closes the connection, which is how HTTP/1.1
//! cancels. Never here: what the bytes are (`super::wire`), what a request or an answer means.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::IDLE_MAX;
use super::connect::Stream;
use super::wire::{self, Body, Found, Head};
use crate::alarm::Alarm;
use crate::upstream::message::{SendError, Sent, Unreachable};
use crate::upstream::room::Share;

/// How many idle connections to one server are kept.
const IDLE_LINKS_MAX: usize = 256;
/// The largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How many heads that are not the answer's (1xx) may come before it.
const INTERIM_HEADS_MAX: u32 = 16;
/// How much is read at a time, in bytes; as much is kept for an idle connection.
const READ_BYTES: usize = 8 * 1024;
/// How much of an answer is buffered before somebody takes it, in bytes: what a thousand readers that take nothing cost is a
/// thousand times as much.
const READ_BYTES_MAX: usize = 16 * 1024;
/// What little room is left of what was read into is not worth a read of its own, in bytes.
const READ_BYTES_MIN: usize = 1024;

/// How long an answer whose length nobody knows before waits for more room.
pub(super) const ROOM_AWAITED_MAX: Duration = Duration::from_secs(5);

/// An open connection. It carries one request at a time.
pub(super) struct Link {
    stream: Stream,
    /// What is to be written: a head, and the body behind it.
    unsent: (BytesMut, Bytes),
    /// Whether what was written has left the buffers of TLS.
    flushed: bool,
    /// What was read and belongs to nobody yet.
    input: BytesMut,
    /// How much is read at a time now: more where much comes.
    read_bytes: usize,
    /// What of the answer's body is still to come.
    body: Body,
    /// Whether another request may follow.
    lasts: bool,
    /// Rings when an answer is late.
    alarm: Alarm,
}

/// One request as it goes out. Dropped, nothing of it was written.
pub(super) struct Request {
    pub(super) head: BytesMut,
    pub(super) body: Bytes,
}

/// Why a request got no head.
pub(super) enum RequestFailed {
    /// The connection ended after the request was, or may have been, written.
    Broken,
    /// What came is not an HTTP/1.1 head within its bounds.
    Unreadable,
    /// The time for it was over.
    Late,
}

/// A body broke off, or is none.
pub(super) struct Cut;

impl Link {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            unsent: (BytesMut::new(), Bytes::new()),
            flushed: true,
            input: BytesMut::new(),
            read_bytes: READ_BYTES,
            body: Body::Over,
            lasts: true,
            alarm: Alarm::default(),
        }
    }

    /// Whether an idle connection can take a request: whatever comes while nothing was asked, its end or more bytes, ends it.
    fn is_open(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        self.is_idle() && self.poll_read(&mut nobody).is_pending()
    }

    /// Whether the last request and its answer are over, and another one may follow.
    fn is_idle(&self) -> bool {
        self.lasts && self.body == Body::Over && self.flushed && self.input.is_empty()
    }

    /// Reads what there is; 0 bytes are the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < READ_BYTES_MIN {
            self.input.reserve(self.read_bytes);
        }
        let room = self.input.capacity() - self.input.len();
        let count = ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))?;
        if count == room {
            self.read_bytes = self.read_bytes.saturating_mul(2).min(READ_BYTES_MAX);
        }
        Poll::Ready(Ok(count))
    }

    /// Writes what is to be written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (head, body) = &mut self.unsent;
        while head.has_remaining() || body.has_remaining() {
            let pieces = [io::IoSlice::new(head), io::IoSlice::new(body)];
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(head.len());
            head.advance(of_head);
            body.advance(written.saturating_sub(of_head).min(body.len()));
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.flushed = true;
            self.unsent = (BytesMut::new(), Bytes::new());
        }
        Poll::Ready(Ok(()))
    }

    /// The head of the answer. A server may answer before it has read the whole request.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        found: &mut Search,
    ) -> Poll<Result<Head, RequestFailed>> {
        if let Poll::Ready(Err(_broken)) = self.poll_write(cx) {
            return Poll::Ready(Err(RequestFailed::Broken));
        }
        loop {
            if found.is_worth_a_look(&self.input) {
                match wire::read_head(&self.input) {
                    Ok(Found::Answer(length, head, body)) if length <= HEAD_BYTES_MAX => {
                        self.input.advance(length);
                        self.body = body;
                        self.lasts = head.lasts;
                        return Poll::Ready(Ok(head));
                    }
                    Ok(Found::Interim(length)) if found.interim < INTERIM_HEADS_MAX => {
                        self.input.advance(length);
                        *found = Search { seen: 0, interim: found.interim.saturating_add(1) };
                        continue;
                    }
                    Ok(Found::Part) if self.input.len() < HEAD_BYTES_MAX => {}
                    Ok(_) | Err(wire::Malformed) => {
                        return Poll::Ready(Err(RequestFailed::Unreadable));
                    }
                }
            } else if self.input.len() >= HEAD_BYTES_MAX {
                return Poll::Ready(Err(RequestFailed::Unreadable));
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(RequestFailed::Broken)),
                Ok(_) => {}
            }
        }
    }

    /// The next piece of the answer's body.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            match self.body.take(&mut self.input) {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(None) if self.body == Body::Over => return Poll::Ready(None),
                Ok(None) => {}
                Err(wire::Malformed) => return Poll::Ready(Some(Err(self.cut()))),
            }
            if let Poll::Ready(Err(_broken)) = self.poll_write(cx) {
                return Poll::Ready(Some(Err(self.cut())));
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) if self.body == Body::Rest => self.body = Body::Over,
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(self.cut()))),
                Ok(_) => {}
            }
        }
    }

    /// Nothing more can be read, nor written.
    fn cut(&mut self) -> Cut {
        self.lasts = false;
        self.body = Body::Over;
        Cut
    }

    /// A body of this length, read to where it stays. What was read of it already goes first.
    fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
        (whole, length): (&mut BytesMut, usize),
    ) -> Poll<Result<(), Cut>> {
        while whole.len() < length {
            if let Poll::Ready(Err(_broken)) = self.poll_write(cx) {
                return Poll::Ready(Err(self.cut()));
            }
            let mut room = whole.limit(length - whole.len());
            match ready!(pin!(self.stream.read_buf(&mut room)).poll(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(self.cut())),
                Ok(_) => {}
            }
        }
        self.body = Body::Over;
        Poll::Ready(Ok(()))
    }
}

/// How far the search for the end of a head has come.
#[derive(Default)]
struct Search {
    /// So many bytes were looked at.
    seen: usize,
    /// So many heads came that were not the answer's.
    interim: u32,
}

impl Search {
    /// Whether a head may end in what is new, so that reading it from its start may find more than before: a head that comes
    /// in many small pieces is not read as often.
    fn is_worth_a_look(&mut self, input: &[u8]) -> bool {
        let before = std::mem::replace(&mut self.seen, input.len());
        let from = before.saturating_sub(3);
        let new = input.get(from..).unwrap_or_default();
        input.len() > before
            && (before == 0
                || memchr::memchr_iter(b'\n', new).any(|at| {
                    let line = new.get(..at).unwrap_or_default();
                    line.ends_with(b"\n") || line.ends_with(b"\n\r")
                }))
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
            if link.is_open() {
                return Ok(Leased { link, pool: Arc::clone(self), _place: place });
            }
        }
    }

    /// Takes a new connection into use.
    pub(super) fn lease(self: &Arc<Self>, stream: Stream, place: Place) -> Leased {
        Leased { link: Box::new(Link::new(stream)), pool: Arc::clone(self), _place: place }
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
    /// Sends a request and waits for the head of the answer, until `by`.
    pub(super) async fn request(
        &mut self,
        request: Request,
        by: Instant,
    ) -> Result<Head, RequestFailed> {
        let link = &mut *self.link;
        link.unsent = (request.head, request.body);
        link.flushed = false;
        let mut found = Search::default();
        let answered = std::future::poll_fn(|cx| match link.poll_head(cx, &mut found) {
            Poll::Pending => link.alarm.poll(by, cx).map(|()| Err(RequestFailed::Late)),
            answered @ Poll::Ready(_) => answered,
        });
        answered.await
    }

    /// Whether nothing of the answer's body is still to come.
    pub(super) fn is_over(&self) -> bool {
        self.link.body == Body::Over
    }

    /// The next piece of the answer's body.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        self.link.poll_piece(cx)
    }

    /// The answer's whole body. One that is long and says so is read to where it stays.
    pub(super) async fn collect(
        &mut self,
        bytes_max: usize,
        share: &mut Share,
    ) -> Result<Bytes, SendError> {
        let too_large = || SendError::TooLarge { bytes_max };
        let announced = match self.link.body {
            Body::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= bytes_max => length,
                Ok(_) | Err(_) => return Err(too_large()),
            },
            Body::Chunked(_) | Body::Rest | Body::Over => 0,
        };
        // Until then the rest stays with the server.
        share.grow(announced).await;
        if announced > self.link.input.len() {
            return self.whole(announced).await;
        }
        let mut first: Option<Bytes> = None;
        let mut all: Option<BytesMut> = None;
        while let Some(piece) = std::future::poll_fn(|cx| self.poll_body(cx)).await {
            let data = piece.map_err(|Cut| SendError::Broken(Sent::Maybe))?;
            let so_far = all.as_ref().map_or(first.as_ref().map_or(0, Bytes::len), BytesMut::len);
            let length = so_far.saturating_add(data.len());
            if length > bytes_max {
                return Err(too_large());
            }
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
                    let mut joined = BytesMut::with_capacity(length.saturating_mul(2));
                    joined.extend_from_slice(&start);
                    joined.extend_from_slice(&data);
                    all = Some(joined);
                }
            }
        }
        Ok(all.map(BytesMut::freeze).or(first).unwrap_or_default())
    }

    /// A body of this length, of which not all was read yet.
    async fn whole(&mut self, length: usize) -> Result<Bytes, SendError> {
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&self.link.input);
        self.link.input.clear();
        let reading = std::future::poll_fn(|cx| self.link.poll_whole(cx, (&mut whole, length)));
        match reading.await {
            Ok(()) => Ok(whole.freeze()),
            Err(Cut) => Err(SendError::Broken(Sent::Maybe)),
        }
    }

    /// Puts the connection back into the pool if it can take another request.
    pub(super) fn give_back(mut self) {
        if self.link.is_idle() {
            if self.link.input.capacity() > READ_BYTES {
                self.link.input = BytesMut::new();
            }
            self.link.read_bytes = READ_BYTES;
            self.pool.put(self.link);
        }
    }
}

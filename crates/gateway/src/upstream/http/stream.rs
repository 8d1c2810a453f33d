//! The events of an HTTP answer, read from the connection only as fast as they are taken. Never here: what an event means.

use std::pin::Pin;
use std::task::{Context, Poll};

use mcp::sse::{Event, FrameSplitter};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::link::{Cut, Leased, ROOM_AWAITED_MAX};
use crate::upstream::message::{BadAnswer, SendError, Sent};
use crate::upstream::room::{BYTES_FREE, Share};

/// How much may follow an answer on its stream, in bytes, before the connection is closed instead of used again.
const REST_BYTES_MAX: usize = 4 * 1024;

/// The event stream of one answer.
pub(crate) struct HttpEvents {
    /// `None` once the stream has ended.
    source: Option<Leased>,
    splitter: FrameSplitter,
    deadline: Option<(Instant, Pin<Box<Sleep>>)>,
    cancel: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    room: Waiting,
    /// How much was read of what is not passed on yet.
    read_bytes: usize,
    /// How much was read after the answer.
    rest_bytes: usize,
    event_bytes_max: usize,
}

/// The share of what was read of a stream.
enum Waiting {
    /// It has as much room as it needs.
    No(Share),
    /// It waits for more before it reads on, and has nobody's share meanwhile.
    Yes(Pin<Box<dyn Future<Output = Option<Share>> + Send>>),
    /// It was not given more.
    InVain,
}

impl std::fmt::Debug for HttpEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpEvents").field("open", &self.source.is_some()).finish_non_exhaustive()
    }
}

impl HttpEvents {
    pub(super) fn new(link: Leased, event_bytes_max: usize, share: Share) -> Self {
        Self {
            source: Some(link),
            splitter: FrameSplitter::new(event_bytes_max),
            deadline: None,
            cancel: None,
            room: Waiting::No(share),
            read_bytes: 0,
            rest_bytes: 0,
            event_bytes_max,
        }
    }

    /// Ends the stream at an instant.
    pub(super) fn end_by(mut self, by: Option<Instant>) -> Self {
        self.deadline = by.map(|by| (by, Box::pin(sleep_until(by))));
        self
    }

    pub(crate) fn until(&self) -> Option<Instant> {
        self.deadline.as_ref().map(|(by, _)| *by)
    }

    /// Ends the stream when the token is cancelled.
    pub(super) fn end_on(mut self, cancel: Option<CancellationToken>) -> Self {
        self.cancel = cancel.map(|token| Box::pin(token.cancelled_owned()));
        self
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, SendError>>> {
        loop {
            match self.splitter.next_event() {
                Ok(Some(event)) => {
                    // Whoever asks for the next one has passed this one on: its room is given back then.
                    self.read_bytes = self.read_bytes.saturating_sub(event.raw.len());
                    return Poll::Ready(Some(Ok(event)));
                }
                Ok(None) => {}
                Err(_bounds) => return self.fail(SendError::BadAnswer(BadAnswer::Events)),
            }
            if self.source.is_none() {
                return Poll::Ready(None);
            }
            match self.poll_room(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return self.fail(SendError::TimedOut(Sent::Maybe)),
                Poll::Pending => return self.poll_end(cx),
            }
            let Some(link) = &mut self.source else {
                return Poll::Ready(None);
            };
            match link.poll_body(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.read_bytes = self.read_bytes.saturating_add(data.len());
                    self.splitter.push(data);
                    // A server that never pauses must not outrun the deadline.
                    if self.deadline.as_ref().is_some_and(|(by, _)| Instant::now() >= *by) {
                        return self.fail(SendError::TimedOut(Sent::Maybe));
                    }
                }
                Poll::Ready(Some(Err(Cut))) => {
                    return self.fail(SendError::Broken(Sent::Maybe));
                }
                Poll::Ready(None) => {
                    if let Some(link) = self.source.take() {
                        link.give_back();
                    }
                }
                Poll::Pending => return self.poll_end(cx),
            }
        }
    }

    /// Whether there is room to read on; false when it was waited for in vain.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            match &mut self.room {
                Waiting::InVain => return Poll::Ready(false),
                Waiting::No(share) if self.read_bytes <= BYTES_FREE => {
                    share.clear();
                    return Poll::Ready(true);
                }
                Waiting::No(share) if share.has_room_for(self.read_bytes) => {
                    return Poll::Ready(true);
                }
                Waiting::No(_) => {
                    let length = self.read_bytes.saturating_mul(2).min(self.event_bytes_max);
                    let length = length.max(self.read_bytes);
                    if let Waiting::No(mut share) =
                        std::mem::replace(&mut self.room, Waiting::InVain)
                    {
                        self.room = Waiting::Yes(Box::pin(async move {
                            let more = timeout(ROOM_AWAITED_MAX, share.grow(length)).await;
                            more.ok().map(|()| share)
                        }));
                    }
                }
                Waiting::Yes(waiting) => {
                    let Poll::Ready(share) = waiting.as_mut().poll(cx) else {
                        return Poll::Pending;
                    };
                    self.room = share.map_or(Waiting::InVain, Waiting::No);
                }
            }
        }
    }

    /// Nothing to read now: time and cancellation are asked only then.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, SendError>>> {
        if self.cancel.as_mut().is_some_and(|cancel| cancel.as_mut().poll(cx).is_ready()) {
            return self.fail(SendError::Cancelled(Sent::Maybe));
        }
        if self.deadline.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready()) {
            return self.fail(SendError::TimedOut(Sent::Maybe));
        }
        Poll::Pending
    }

    /// What follows the answer is for nobody: reads on to the end of the stream, after which the connection can be used again.
    /// A server that says more than a little has its connection closed.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.room = Waiting::InVain;
        while let Some(link) = &mut self.source {
            match link.poll_body(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.rest_bytes = self.rest_bytes.saturating_add(data.len());
                    if self.rest_bytes > REST_BYTES_MAX {
                        self.source = None;
                    }
                }
                Poll::Ready(Some(Err(Cut))) => self.source = None,
                Poll::Ready(None) => {
                    if let Some(link) = self.source.take() {
                        link.give_back();
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn fail(&mut self, error: SendError) -> Poll<Option<Result<Event, SendError>>> {
        if self.source.take().is_none() {
            return Poll::Ready(None);
        }
        // What was read before the failure is not part of a whole answer any more.
        self.splitter = FrameSplitter::new(0);
        Poll::Ready(Some(Err(error)))
    }
}

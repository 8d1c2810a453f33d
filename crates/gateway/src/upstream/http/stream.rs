//! The events of an HTTP answer, read from the connection only as fast as they are taken. Never here: what an event means.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use mcp::sse::{Event, FrameSplitter};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::link::Leased;
use crate::upstream::message::{BadAnswer, SendError, Sent};

/// The event stream of one answer.
pub(crate) struct HttpEvents {
    /// `None` once the stream has ended.
    source: Option<(Leased, Incoming)>,
    splitter: FrameSplitter,
    deadline: Option<(Instant, Pin<Box<Sleep>>)>,
    cancel: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl std::fmt::Debug for HttpEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpEvents").field("open", &self.source.is_some()).finish_non_exhaustive()
    }
}

impl HttpEvents {
    pub(super) fn new(link: Leased, body: Incoming, event_bytes_max: usize) -> Self {
        Self {
            source: Some((link, body)),
            splitter: FrameSplitter::new(event_bytes_max),
            deadline: None,
            cancel: None,
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
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(None) => {}
                Err(_bounds) => return self.fail(SendError::BadAnswer(BadAnswer::Events)),
            }
            let Some((link, body)) = &mut self.source else {
                return Poll::Ready(None);
            };
            match link.poll_body(body, cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.splitter.push(data);
                    }
                    // A server that never pauses must not outrun the deadline.
                    if self.deadline.as_ref().is_some_and(|(by, _)| Instant::now() >= *by) {
                        return self.fail(SendError::TimedOut(Sent::Maybe));
                    }
                }
                Poll::Ready(Some(Err(_broken))) => {
                    return self.fail(SendError::Broken(Sent::Maybe));
                }
                Poll::Ready(None) => {
                    if let Some((link, _)) = self.source.take() {
                        link.give_back();
                    }
                }
                Poll::Pending => return self.poll_end(cx),
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

    fn fail(&mut self, error: SendError) -> Poll<Option<Result<Event, SendError>>> {
        if self.source.take().is_none() {
            return Poll::Ready(None);
        }
        // What was read before the failure is not part of a whole answer any more.
        self.splitter = FrameSplitter::new(0);
        Poll::Ready(Some(Err(error)))
    }
}

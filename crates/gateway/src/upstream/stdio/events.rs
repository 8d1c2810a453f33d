//! What a child says to one agent, as events. Never here: whose message is whose.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use mcp::sse::{self, Event};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::child::Pending;
use super::mux::Item;
use crate::upstream::message::{SendError, Sent};

/// The messages for one request, or for one listening stream.
pub(crate) struct StdioEvents {
    source: Source,
    first: Option<Bytes>,
    deadline: Option<Pin<Box<Sleep>>>,
    cancel: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

enum Source {
    Call(Pending),
    Listening(mpsc::Receiver<Item>),
    Ended,
}

impl std::fmt::Debug for StdioEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StdioEvents").finish_non_exhaustive()
    }
}

impl StdioEvents {
    /// The messages of a call, of which the first one was already taken.
    pub(super) fn of_call(first: Bytes, pending: Pending) -> Self {
        Self { source: Source::Call(pending), first: Some(first), deadline: None, cancel: None }
    }

    /// The messages of a listening stream.
    pub(super) fn listening(messages: mpsc::Receiver<Item>) -> Self {
        Self { source: Source::Listening(messages), first: None, deadline: None, cancel: None }
    }

    /// Ends the stream at an instant.
    pub(super) fn end_by(mut self, by: Option<Instant>) -> Self {
        self.deadline = by.map(|by| Box::pin(sleep_until(by)));
        self
    }

    pub(crate) fn until(&self) -> Option<Instant> {
        self.deadline.as_ref().map(|sleep| sleep.deadline())
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
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(event(first))));
        }
        // A call that never pauses must not outrun its deadline, so time comes first.
        if let Some(error) = self.poll_end(cx) {
            self.source = Source::Ended;
            return Poll::Ready(Some(Err(error)));
        }
        let next = match &mut self.source {
            Source::Call(pending) => pending.poll_next(cx),
            Source::Listening(messages) => messages.poll_recv(cx),
            Source::Ended => return Poll::Ready(None),
        };
        match (next, &self.source) {
            (Poll::Pending, _) => Poll::Pending,
            (Poll::Ready(Some(Item::Between(body))), _) => Poll::Ready(Some(Ok(event(body)))),
            (Poll::Ready(Some(Item::Last(body))), _) => {
                self.source = Source::Ended;
                Poll::Ready(Some(Ok(event(body))))
            }
            (Poll::Ready(None), Source::Call(_)) => {
                self.source = Source::Ended;
                Poll::Ready(Some(Err(SendError::Broken(Sent::Maybe))))
            }
            (Poll::Ready(None), Source::Listening(_) | Source::Ended) => {
                self.source = Source::Ended;
                Poll::Ready(None)
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Option<SendError> {
        if matches!(self.source, Source::Ended) {
            return None;
        }
        if self.cancel.as_mut().is_some_and(|cancel| cancel.as_mut().poll(cx).is_ready()) {
            return Some(SendError::Cancelled(Sent::Maybe));
        }
        let late = self.deadline.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        late.then_some(SendError::TimedOut(Sent::Maybe))
    }
}

/// A message as an event without id: a child's streams cannot be resumed.
fn event(body: Bytes) -> Event {
    let event = Some(Bytes::from_static(b"message"));
    Event { raw: sse::encode(&body), data: Some(body), id: None, event, retry_ms: None }
}

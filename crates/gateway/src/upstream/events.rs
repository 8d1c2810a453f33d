//! The events of an answer, taken one by one, whatever the transport. Never here: what an event means.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mcp::sse::Event;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::http::HttpEvents;
use super::message::SendError;
use super::stdio::StdioEvents;

/// How long a server may take to end a stream after its answer before the connection is closed instead of used again.
const REST_MS_MAX: Duration = Duration::from_millis(100);

/// The events of one answer or listening stream. Dropping it closes the exchange with the server.
#[derive(Debug)]
pub struct EventStream(Source);

#[derive(Debug)]
enum Source {
    Http(Box<HttpEvents>),
    Stdio(Box<StdioEvents>),
}

impl EventStream {
    /// The next event; `None` at the orderly end of the stream. Nothing is read from the server until it is called, and nothing is
    /// lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Event, SendError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// When the stream ends with a time-out, if it has one.
    pub fn until(&self) -> Option<Instant> {
        match &self.0 {
            Source::Http(events) => events.until(),
            Source::Stdio(events) => events.until(),
        }
    }

    /// As [`EventStream::next`], for a caller that polls.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, SendError>>> {
        match &mut self.0 {
            Source::Http(events) => events.poll_next(cx),
            Source::Stdio(events) => events.poll_next(cx),
        }
    }

    /// The answer has come. The end of the stream is read if it comes soon, so that its connection can be used again: a server
    /// mostly sends it with the answer.
    pub(crate) fn run_out(self, tracker: &TaskTracker) {
        let Source::Http(mut events) = self.0 else { return };
        if events.poll_rest(&mut Context::from_waker(Waker::noop())).is_pending() {
            tracker.spawn(async move {
                let rest = std::future::poll_fn(|cx| events.poll_rest(cx));
                let _late = timeout(REST_MS_MAX, rest).await;
            });
        }
    }
}

impl From<HttpEvents> for EventStream {
    fn from(events: HttpEvents) -> Self {
        Self(Source::Http(Box::new(events)))
    }
}

impl From<StdioEvents> for EventStream {
    fn from(events: StdioEvents) -> Self {
        Self(Source::Stdio(Box::new(events)))
    }
}

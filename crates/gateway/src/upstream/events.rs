//! The events of an answer, taken one by one, whatever the transport. Never here: what an event means.

use std::task::{Context, Poll};

use mcp::sse::Event;
use tokio::time::Instant;

use super::http::HttpEvents;
use super::message::SendError;
use super::stdio::StdioEvents;

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

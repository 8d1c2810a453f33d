//! The events of an answer, taken one by one. Never here: what an event means.

use bytes::Bytes;

use super::message::SendError;

/// The events of one answer or listening stream. Dropping it closes the exchange with the server.
#[derive(Debug)]
pub struct EventStream {}

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The bytes as the server sent them.
    pub raw: Bytes,
}

impl EventStream {
    /// The next event; `None` at the orderly end of the stream. Nothing is read from the server until it is called.
    pub async fn next(&mut self) -> Option<Result<Event, SendError>> {
        None
    }
}

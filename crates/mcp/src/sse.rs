//! Server-sent events (WHATWG HTML, "Server-sent events"): splitting a stream into events without changing a byte, and making
//! events. Never reads what the data means.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// One event: its bytes as they came, and what its fields say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Every byte of the event, its closing blank line included. The events of a stream, in order, are the stream.
    pub raw: Bytes,
    /// The `data` lines, joined by line feeds; `None` for an event without any, such as a comment.
    pub data: Option<Bytes>,
    /// The last `id` field without NUL; empty resets the client's last id.
    pub id: Option<Bytes>,
    /// The last `event` field; `None` means `message`.
    pub event: Option<Bytes>,
    /// The last valid `retry` field, in milliseconds.
    pub retry_ms: Option<u64>,
}

impl Event {
    /// Reads the fields of an event. Data on one line, as nearly always, is not copied.
    fn read(raw: Bytes) -> Self {
        let mut event =
            Self { raw: Bytes::new(), data: None, id: None, event: None, retry_ms: None };
        let mut data: SmallVec<[Bytes; 1]> = SmallVec::new();
        let mut rest = raw.clone();
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', &rest).unwrap_or(rest.len());
            let line = rest.split_to(end);
            // Blank lines between CR and LF are no lines, but they have no fields either.
            let _line_end = rest.split_to(rest.len().min(1));
            let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
            let mut value = line.slice(colon.saturating_add(1).min(line.len())..);
            if value.first() == Some(&b' ') {
                value = value.slice(1..);
            }
            match line.get(..colon).unwrap_or_default() {
                b"data" => data.push(value),
                b"id" if memchr::memchr(0, &value).is_none() => event.id = Some(value),
                b"event" => event.event = Some(value).filter(|name| !name.is_empty()),
                b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                    event.retry_ms =
                        core::str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok());
                }
                _ => {}
            }
        }
        event.data = match data.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(Bytes::from(several.join(&b'\n'))),
        };
        event.raw = raw;
        event
    }
}

/// A stream that cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event is longer than the bound given.
    #[error("an event is longer than {0} bytes")]
    TooLong(usize),
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    LineFeed,
    Return,
    Both,
}

/// The byte order mark that may begin a stream.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Splits a stream, chunk by chunk. An event that lies in one chunk is not copied.
///
/// An event ends with the blank line after at least one line; blank lines before it belong to it. Where a blank line ends with a
/// carriage return, the line feed that may follow is awaited only if the line before ended with both: so an event never waits
/// for the next one, and how a stream is cut into chunks never changes its events.
#[derive(Debug)]
pub struct FrameSplitter {
    event_bytes_max: usize,
    /// Bytes not looked at yet.
    chunk: Bytes,
    /// Bytes of the unfinished event from earlier chunks.
    held: BytesMut,
    /// First bytes of the stream, while they may still be a byte order mark.
    start: Option<BytesMut>,
    line_empty: bool,
    /// Whether the unfinished event has a line that is not blank.
    has_line: bool,
    /// A carriage return whose line feed may still come.
    return_open: bool,
    last_end: Option<LineEnd>,
}

impl FrameSplitter {
    /// A splitter whose events have at most this many bytes.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            chunk: Bytes::new(),
            held: BytesMut::new(),
            start: Some(BytesMut::new()),
            line_empty: true,
            has_line: false,
            return_open: false,
            last_end: None,
        }
    }

    /// Takes the next chunk. Call [`FrameSplitter::next_event`] until it says `None` before the next one.
    pub fn push(&mut self, chunk: Bytes) {
        let chunk = match self.start.take() {
            None => chunk,
            Some(start) if start.is_empty() && chunk.first().is_some_and(|byte| *byte != 0xEF) => {
                chunk
            }
            Some(mut start) => {
                start.extend_from_slice(&chunk);
                if start.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&start) {
                    self.start = Some(start);
                    return;
                }
                let mark =
                    if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
                start.freeze().slice(mark..)
            }
        };
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            let mut joined = BytesMut::from(self.chunk.as_ref());
            joined.extend_from_slice(&chunk);
            self.chunk = joined.freeze();
        }
    }

    /// The next whole event of what was pushed; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`SseError::TooLong`]; the stream cannot go on.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        let Some(end) = self.event_end() else {
            self.bound(self.chunk.len())?;
            self.held.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            return Ok(None);
        };
        let part = self.chunk.split_to(end);
        self.bound(part.len())?;
        if self.held.is_empty() {
            return Ok(Some(Event::read(part)));
        }
        self.held.extend_from_slice(&part);
        Ok(Some(Event::read(self.held.split().freeze())))
    }

    /// The stream ended: the last event, if only a line feed was still awaited. What else is left is no event.
    pub fn finish(mut self) -> Option<Event> {
        let complete = self.return_open && self.end_line(LineEnd::Return);
        complete.then(|| Event::read(self.held.split().freeze()))
    }

    fn bound(&self, more: usize) -> Result<(), SseError> {
        let long = self.held.len().saturating_add(more) > self.event_bytes_max;
        if long { Err(SseError::TooLong(self.event_bytes_max)) } else { Ok(()) }
    }

    /// Position in the chunk right after the next event, all bytes before it looked at.
    fn event_end(&mut self) -> Option<usize> {
        let mut pos = 0;
        loop {
            if self.return_open {
                let feed = *self.chunk.get(pos)? == b'\n';
                pos += usize::from(feed);
                self.return_open = false;
                if self.end_line(if feed { LineEnd::Both } else { LineEnd::Return }) {
                    return Some(pos);
                }
            }
            let rest = self.chunk.get(pos..).filter(|rest| !rest.is_empty())?;
            let Some(line) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.line_empty = false;
                return None;
            };
            let feed = rest.get(line) == Some(&b'\n');
            self.line_empty &= line == 0;
            pos += line + 1;
            if feed {
                if self.end_line(LineEnd::LineFeed) {
                    return Some(pos);
                }
            } else if self.line_empty && self.has_line && self.last_end != Some(LineEnd::Both) {
                self.end_line(LineEnd::Return);
                return Some(pos);
            } else {
                self.return_open = true;
            }
        }
    }

    /// Notes the end of a line; says whether it ends the event.
    fn end_line(&mut self, end: LineEnd) -> bool {
        self.last_end = Some(end);
        if !self.line_empty {
            self.line_empty = true;
            self.has_line = true;
            return false;
        }
        core::mem::take(&mut self.has_line)
    }
}

/// One JSON message as an event without id: `event: message`, and a `data` line for each line of the message.
pub fn encode(message: &[u8]) -> Bytes {
    const HEAD: &[u8] = b"event: message\n";
    const FIELD: &[u8] = b"data: ";
    let mut out = Vec::with_capacity(message.len() + HEAD.len() + FIELD.len() + 2);
    out.extend_from_slice(HEAD);
    for line in message.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(FIELD);
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

//! The event splitter: however a stream is cut, its events are the same, they are what a naive
//! line-by-line reader finds, and their bytes are the stream. What is encoded is read back.

use bytes::Bytes;
use mcp::sse::{self, Event, FrameSplitter, SseError};

/// Checks one input: the first byte bounds an event, the second says how the rest is cut.
pub fn run(data: &[u8]) {
    let [bound, cut, stream @ ..] = data else { return };
    let bound = if *bound == 0 { usize::MAX } else { usize::from(*bound) * 4 };
    let naive = naive(stream);
    let whole = split(std::iter::once(stream), bound);
    let pieces = split(pieces(stream, *cut), bound);
    let bytes = split(stream.chunks(1), bound);
    assert_eq!(whole, pieces, "cutting a stream changes its events");
    assert_eq!(whole, bytes, "a stream byte by byte has other events");
    compare(&whole, &naive, bound, stream);
    round_trip(stream);
}

/// What a splitter made of a stream: its events, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Split {
    events: Vec<Event>,
    error: Option<SseError>,
}

fn split<'s>(chunks: impl Iterator<Item = &'s [u8]>, bound: usize) -> Split {
    let mut splitter = FrameSplitter::new(bound);
    let mut events = Vec::new();
    for chunk in chunks {
        splitter.push(Bytes::copy_from_slice(chunk));
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return Split { events, error: Some(error) },
            }
        }
    }
    events.extend(splitter.finish());
    Split { events, error: None }
}

/// Cuts a stream into pieces of changing length, some of them empty.
fn pieces(stream: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) | 0x1_0000;
    let mut rest = stream;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let length = usize::try_from(state >> 16 & 15).unwrap_or(0).min(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

/// One event of the naive reader.
#[derive(Debug, Default, PartialEq, Eq)]
struct Block {
    /// Where its blank line ends, in bytes behind the byte order mark.
    end: usize,
    data: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    event: Option<Vec<u8>>,
    retry_ms: Option<u64>,
}

fn without_mark(stream: &[u8]) -> &[u8] {
    stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream)
}

/// Reads a whole stream as the HTML standard says it: lines, then fields, then blocks.
fn naive(stream: &[u8]) -> Vec<Block> {
    let text = without_mark(stream);
    let mut rest = text;
    let mut blocks = Vec::new();
    let (mut block, mut lines) = (Block::default(), 0_u32);
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let line = &rest[..end];
        let ending = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + ending..];
        if !line.is_empty() {
            lines += 1;
            field(line, &mut block);
        } else if lines > 0 {
            lines = 0;
            block.end = text.len() - rest.len();
            blocks.push(std::mem::take(&mut block));
        }
    }
    blocks
}

fn field(line: &[u8], block: &mut Block) {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or_default();
    let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
    match &line[..colon] {
        b"data" => match &mut block.data {
            None => block.data = Some(value),
            Some(data) => {
                data.push(b'\n');
                data.extend(value);
            }
        },
        b"id" if !value.contains(&0) => block.id = Some(value),
        b"event" => block.event = (!value.is_empty()).then_some(value),
        b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
            block.retry_ms = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
        }
        _ => {}
    }
}

fn compare(split: &Split, naive: &[Block], bound: usize, stream: &[u8]) {
    let text = without_mark(stream);
    let mut end = 0;
    for (event, block) in split.events.iter().zip(naive) {
        let vec = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.to_vec());
        let read = (vec(&event.data), vec(&event.id), vec(&event.event), event.retry_ms);
        let wanted = (block.data.clone(), block.id.clone(), block.event.clone(), block.retry_ms);
        assert_eq!(read, wanted, "an event is read otherwise");
        assert!(event.raw.len() <= bound, "an event beyond the bound");
        assert_eq!(text.get(end..end + event.raw.len()), Some(event.raw.as_ref()), "other bytes");
        end += event.raw.len();
        // A line feed right behind a blank line's carriage return may wait for the next event.
        let waits = end + 1 == block.end && text[..block.end].ends_with(b"\r\n");
        assert!(end == block.end || waits, "an event ends at {end} instead of {}", block.end);
    }
    match split.error {
        None => assert_eq!(split.events.len(), naive.len(), "another number of events"),
        Some(SseError::TooLong(named)) => {
            assert_eq!(named, bound);
            let unread = naive.get(split.events.len()).map_or(text.len(), |block| block.end);
            assert!(unread - end > bound, "the next event has {} bytes", unread - end);
        }
    }
}

/// A message that was encoded is the one event of its stream; line breaks become those of `data`.
fn round_trip(message: &[u8]) {
    let found = split(std::iter::once(sse::encode(message).as_ref()), usize::MAX);
    let [event] = found.events.as_slice() else { panic!("{found:?}") };
    let unix: Vec<u8> =
        message.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect();
    assert_eq!(event.data.as_deref(), Some(unix.as_slice()));
    assert_eq!(event.event.as_deref(), Some(b"message".as_slice()));
    assert_eq!((&event.id, event.retry_ms), (&None, None));
}

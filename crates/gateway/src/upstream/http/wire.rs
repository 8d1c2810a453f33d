//! The bytes of HTTP/1.1 (RFC 9112) towards a server: the head of a request, what matters of the head of an answer, and where a
//! body ends. An answer whose end two readers could see in different places is no answer. Never here: sockets, time, what an
//! answer means.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::upstream::message::{Media, Outgoing, UpstreamSession, Verb};

/// The most headers of an answer.
const HEADERS_MAX: usize = 100;
/// The longest line that begins a chunk, in bytes.
const CHUNK_LINE_BYTES_MAX: usize = 4 * 1024;
/// How much a chunked body may hold beside its data, in bytes: extensions of chunks, and trailers.
const CHUNK_EXTRA_BYTES_MAX: usize = 16 * 1024;
/// A piece of a body that is not longer than this is copied: what it was read into can be used again then, instead of being
/// kept, and made anew, for a few bytes.
const PIECE_BYTES_COPIED_MAX: usize = 2 * 1024;
/// What the lines of a request take that are not the same every time, in bytes: a first guess, not a bound.
const OWN_LINES_BYTES: usize = 256;

/// The lines that all requests to one server begin with. They may hold credentials: `Debug` prints none.
pub(super) struct Heads {
    post: Box<[u8]>,
    get: Box<[u8]>,
    delete: Box<[u8]>,
}

impl std::fmt::Debug for Heads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heads(…)")
    }
}

impl Heads {
    /// Path and query go out as the URL has them.
    pub(super) fn new(
        target: &PathAndQuery,
        host: &HeaderValue,
        credentials: &[(HeaderName, HeaderValue)],
    ) -> Self {
        let lines = |method: &str, accept: &str, body: &str| {
            let mut out = BytesMut::new();
            for text in [method, " ", target.as_str(), " HTTP/1.1\r\n"] {
                out.extend_from_slice(text.as_bytes());
            }
            line(&mut out, b"host", host.as_bytes());
            line(&mut out, b"accept", accept.as_bytes());
            out.extend_from_slice(body.as_bytes());
            for (name, value) in credentials {
                line(&mut out, name.as_str().as_bytes(), value.as_bytes());
            }
            Box::from(&*out)
        };
        Self {
            post: lines(
                "POST",
                "application/json, text/event-stream",
                "content-type: application/json\r\n",
            ),
            get: lines("GET", "text/event-stream", ""),
            delete: lines("DELETE", "application/json", ""),
        }
    }

    /// The head of one request: the server's session and the mirrored headers stand behind what is always the same.
    pub(super) fn request(&self, out: &Outgoing) -> BytesMut {
        let fixed = match out.verb {
            Verb::Post => &self.post,
            Verb::Get => &self.get,
            Verb::Delete => &self.delete,
        };
        let mut head = BytesMut::with_capacity(fixed.len().saturating_add(OWN_LINES_BYTES));
        head.extend_from_slice(fixed);
        if let Some(session) = &out.session {
            line(&mut head, b"mcp-session-id", session.header().as_bytes());
        }
        for (name, value) in &out.headers {
            if is_mirrored(name.as_str()) {
                line(&mut head, name.as_str().as_bytes(), value.as_bytes());
            }
        }
        if out.verb == Verb::Post {
            let mut length = itoa::Buffer::new();
            line(&mut head, b"content-length", length.format(out.body.len()).as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// One line of a head. Names and values are those of [`HeaderName`] and [`HeaderValue`], so no line ends within them.
fn line(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn is_mirrored(name: &str) -> bool {
    matches!(name, "mcp-protocol-version" | "mcp-method" | "mcp-name" | "last-event-id")
        || name.starts_with("mcp-param-")
}

/// What came is no answer in HTTP/1.1, or one whose end is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What matters of the head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) media: Media,
    /// There is a `Content-Encoding` that is not `identity`.
    pub(super) encoded: bool,
    /// The session that the answer opens. An unusable or repeated id is an error, since the gateway could not send it back.
    pub(super) session: Result<Option<UpstreamSession>, Malformed>,
    /// Whether the connection may carry another request after the body.
    pub(super) lasts: bool,
}

/// What was found at the start of what a server sent.
#[derive(Debug)]
pub(super) enum Found {
    /// The head is not complete yet.
    Part,
    /// A head of so many bytes that is not the answer's (1xx); another one follows.
    Interim(usize),
    /// The head of the answer, of so many bytes, and the body behind it.
    Answer(usize, Head, Body),
}

/// Reads the head of an answer (RFC 9112 sections 4 to 6). Bounds on its length are the caller's.
///
/// # Errors
/// What is no head of HTTP/1.1 or 1.0, has too many headers, or leaves the length of its body in doubt: both a length and a
/// transfer coding, lengths that differ, any coding but `chunked`.
pub(super) fn read_head(bytes: &[u8]) -> Result<Found, Malformed> {
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut head, bytes, &mut lines)
        .map_err(|_what| Malformed)?;
    let httparse::Status::Complete(length) = parsed else { return Ok(Found::Part) };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed)?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Found::Interim(length));
    }
    let mut seen = Seen::default();
    for header in head.headers.iter() {
        seen.header(header.name.as_bytes(), header.value.trim_ascii())?;
    }
    let recent = head.version == Some(1);
    let body = seen.body(status, recent)?;
    let kept = match seen.connection {
        Connection::Unsaid => recent,
        Connection::Kept => true,
        Connection::Closed => false,
    };
    let lasts = kept && status != StatusCode::SWITCHING_PROTOCOLS && body != Body::Rest;
    let (media, encoded) = (seen.media.unwrap_or(Media::Other), seen.encoded);
    Ok(Found::Answer(length, Head { status, media, encoded, session: seen.session, lasts }, body))
}

/// What the headers say of the connection.
#[derive(Clone, Copy)]
enum Connection {
    Unsaid,
    /// `keep-alive`, and no `close`.
    Kept,
    /// `close`.
    Closed,
}

/// What the headers of an answer say, one by one.
struct Seen {
    media: Option<Media>,
    encoded: bool,
    session: Result<Option<UpstreamSession>, Malformed>,
    length: Option<u64>,
    chunked: bool,
    connection: Connection,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            media: None,
            encoded: false,
            session: Ok(None),
            length: None,
            chunked: false,
            connection: Connection::Unsaid,
        }
    }
}

impl Seen {
    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            10 if is(b"connection") => {
                for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    if option.eq_ignore_ascii_case(b"close") {
                        self.connection = Connection::Closed;
                    } else if option.eq_ignore_ascii_case(b"keep-alive")
                        && matches!(self.connection, Connection::Unsaid)
                    {
                        self.connection = Connection::Kept;
                    }
                }
            }
            12 if is(b"content-type") => {
                let first = self.media.is_none();
                self.media = Some(if first { media(value) } else { Media::Other });
            }
            14 if is(b"content-length") => {
                for value in value.split(|byte| *byte == b',') {
                    let length = decimal(value.trim_ascii())?;
                    if self.length.replace(length).is_some_and(|before| before != length) {
                        return Err(Malformed);
                    }
                }
            }
            14 if is(b"mcp-session-id") => {
                let id = HeaderValue::from_bytes(value).ok().and_then(UpstreamSession::new);
                self.session = match (&self.session, id) {
                    (Ok(None), Some(id)) => Ok(Some(id)),
                    (Ok(_) | Err(_), _) => Err(Malformed),
                };
            }
            16 if is(b"content-encoding") => {
                self.encoded |= !value.eq_ignore_ascii_case(b"identity");
            }
            17 if is(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the body ends (RFC 9112 section 6.3).
    fn body(&self, status: StatusCode, recent: bool) -> Result<Body, Malformed> {
        let bodiless = matches!(
            status,
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        match (self.chunked, self.length) {
            _ if bodiless => Ok(Body::Over),
            (true, None) if recent => Ok(Body::Chunked(Chunks::default())),
            (true, Some(_) | None) => Err(Malformed),
            (false, Some(0)) => Ok(Body::Over),
            (false, Some(length)) => Ok(Body::Length(length)),
            (false, None) => Ok(Body::Rest),
        }
    }
}

/// The media type, ignoring case and parameters (RFC 9110 section 8.3.1).
fn media(value: &[u8]) -> Media {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        Media::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Media::EventStream
    } else {
        Media::Other
    }
}

fn decimal(digits: &[u8]) -> Result<u64, Malformed> {
    if digits.is_empty() {
        return Err(Malformed);
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(*digit & 0x0f));
        digit.and_then(|digit| value.checked_mul(10)?.checked_add(digit)).ok_or(Malformed)
    })
}

/// What of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes; never 0.
    Length(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunked(Chunks),
    /// Everything until the connection ends.
    Rest,
    /// Nothing.
    Over,
}

/// A chunked body on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chunks {
    step: Step,
    /// How much came beside the data.
    extra_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    /// The line that begins a chunk.
    #[default]
    Size,
    /// So many bytes of data; never 0.
    Data(u64),
    /// The end of the line behind the data.
    End,
    /// The lines behind the last chunk. They are dropped: trailers never become headers.
    Trailers,
}

impl Body {
    /// The next piece of the body from what was read; `None` when more must be read, or the body is over.
    ///
    /// # Errors
    /// Chunks that are none, or beyond their bounds.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        match self {
            Self::Over => Ok(None),
            _ if input.is_empty() => Ok(None),
            Self::Rest => Ok(Some(piece(input, u64::MAX))),
            Self::Length(left) => {
                let piece = piece(input, *left);
                *left = left.saturating_sub(piece.len() as u64);
                if *left == 0 {
                    *self = Self::Over;
                }
                Ok(Some(piece))
            }
            Self::Chunked(chunks) => {
                let next = chunks.take(input)?;
                if let Next::Over = next {
                    *self = Self::Over;
                }
                match next {
                    Next::Data(piece) => Ok(Some(piece)),
                    Next::Unread | Next::Over => Ok(None),
                }
            }
        }
    }
}

/// What comes next of a chunked body.
enum Next {
    Data(Bytes),
    /// More must be read first.
    Unread,
    Over,
}

impl Chunks {
    fn take(&mut self, input: &mut BytesMut) -> Result<Next, Malformed> {
        loop {
            match self.step {
                Step::Size => {
                    let Some(line) = whole_line(input)? else { return Ok(Next::Unread) };
                    let (size, extra) = chunk_size(input.get(..line).unwrap_or_default())?;
                    self.count(extra)?;
                    input.advance(line.saturating_add(2));
                    self.step = if size == 0 { Step::Trailers } else { Step::Data(size) };
                }
                Step::Data(_) if input.is_empty() => return Ok(Next::Unread),
                Step::Data(left) => {
                    let piece = piece(input, left);
                    let left = left.saturating_sub(piece.len() as u64);
                    self.step = if left == 0 { Step::End } else { Step::Data(left) };
                    return Ok(Next::Data(piece));
                }
                Step::End => {
                    let Some(end) = input.get(..2) else { return Ok(Next::Unread) };
                    if end != b"\r\n" {
                        return Err(Malformed);
                    }
                    input.advance(2);
                    self.step = Step::Size;
                }
                Step::Trailers => {
                    let Some(line) = whole_line(input)? else { return Ok(Next::Unread) };
                    self.count(line)?;
                    input.advance(line.saturating_add(2));
                    if line == 0 {
                        return Ok(Next::Over);
                    }
                }
            }
        }
    }

    fn count(&mut self, extra_bytes: usize) -> Result<(), Malformed> {
        self.extra_bytes = self.extra_bytes.saturating_add(extra_bytes);
        if self.extra_bytes > CHUNK_EXTRA_BYTES_MAX { Err(Malformed) } else { Ok(()) }
    }
}

/// The length of the line at the start of what was read, without its CRLF; `None` when it is not whole yet.
fn whole_line(input: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(end) = memchr::memchr2(b'\r', b'\n', input) else {
        return if input.len() > CHUNK_LINE_BYTES_MAX { Err(Malformed) } else { Ok(None) };
    };
    match (input.get(end), input.get(end.saturating_add(1))) {
        _ if end > CHUNK_LINE_BYTES_MAX => Err(Malformed),
        (Some(b'\r'), Some(b'\n')) => Ok(Some(end)),
        (Some(b'\r'), None) => Ok(None),
        _ => Err(Malformed),
    }
}

/// The size of a chunk, and how long what stands behind it is.
fn chunk_size(line: &[u8]) -> Result<(u64, usize), Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at_checked(digits).ok_or(Malformed)?;
    let known = matches!(rest.trim_ascii_start().first(), None | Some(b';'));
    if !known || size.is_empty() || size.len() > 16 {
        return Err(Malformed);
    }
    let size = size.iter().try_fold(0u64, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    });
    Ok((size.ok_or(Malformed)?, rest.len()))
}

/// As much of what was read as there is, `bytes_max` at most.
fn piece(input: &mut BytesMut, bytes_max: u64) -> Bytes {
    let length = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(input.len());
    if length > PIECE_BYTES_COPIED_MAX {
        return input.split_to(length).freeze();
    }
    let piece = Bytes::copy_from_slice(input.get(..length).unwrap_or_default());
    input.advance(length);
    piece
}

#[cfg(test)]
mod tests;

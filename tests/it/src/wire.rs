//! A raw HTTP/1.1 client: every byte of a request is the caller's, and an answer is read as it
//! stands. No redirects, no pooling, no opinion about what a well-behaved client would send.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest that one exchange may take, in seconds.
const EXCHANGE_SECONDS_MAX: u64 = 30;

/// A request to be written byte by byte.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The HTTP method, unchecked.
    pub method: String,
    /// The request target, unchecked, query included.
    pub target: String,
    /// Header lines in order; names may repeat.
    pub headers: Vec<(String, String)>,
    /// The body, sent with its `Content-Length` unless a header says otherwise.
    pub body: Vec<u8>,
}

impl Ask {
    /// A POST of a JSON body with the headers that an MCP client sends.
    pub fn mcp(target: &str, token: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: vec![],
            body: body.into(),
        }
        .with("Authorization", &format!("Bearer {token}"))
        .with("Content-Type", "application/json")
        .with("Accept", "application/json, text/event-stream")
        .with("MCP-Protocol-Version", "2025-11-25")
    }

    /// A request without a body.
    pub fn bare(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header line.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a header, in place of every line of that name.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(held, _value)| !held.eq_ignore_ascii_case(name));
        self.with(name, value)
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(held, _value)| held.eq_ignore_ascii_case(name))
    }

    /// The request as bytes; `Host`, `Content-Length` and `Connection: close` are added where the
    /// headers leave them out.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            write!(head, "Host: {host}\r\n").expect("a string takes everything");
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("a string takes everything");
        }
        if !self.has("content-length") && !self.has("transfer-encoding") {
            write!(head, "Content-Length: {}\r\n", self.body.len())
                .expect("a string takes everything");
        }
        if !self.has("connection") {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The HTTP status; 0 when the connection ended without an answer.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body with any chunked framing removed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _value)| held == name).map(|(_name, value)| value.as_str())
    }

    /// The body as text, damaged characters replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Every JSON message of the body: one of a JSON body, or one for each event of a stream.
    pub fn messages(&self) -> Vec<Value> {
        let stream =
            self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        if stream {
            return events(&self.text())
                .iter()
                .filter_map(|data| serde_json::from_str(data).ok())
                .collect();
        }
        serde_json::from_slice(&self.body).into_iter().collect()
    }

    /// The message that answers a request: the last one with a `result` or an `error`.
    pub fn reply(&self) -> Value {
        let answers =
            |message: &Value| message.get("result").is_some() || message.get("error").is_some();
        self.messages().into_iter().rfind(answers).unwrap_or(Value::Null)
    }
}

/// The `data` of each event of a finished stream.
pub fn events(stream: &str) -> Vec<String> {
    let unified = stream.replace("\r\n", "\n");
    let blocks = unified.split("\n\n");
    let data_of = |block: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix("data:"));
        let data: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        (!data.is_empty()).then(|| data.join("\n"))
    };
    blocks.filter_map(data_of).filter(|data| !data.is_empty()).collect()
}

/// Sends a request on a connection of its own and reads the whole answer.
///
/// # Errors
/// When the connection cannot be made, or the answer takes too long.
pub async fn ask(to: SocketAddr, ask: &Ask) -> io::Result<Answer> {
    exchange(to, ask.bytes(&to.to_string())).await
}

/// Sends raw bytes and reads one answer. A peer that closes without an answer gives status 0.
///
/// # Errors
/// When the connection cannot be made, or the answer takes too long.
pub async fn exchange(to: SocketAddr, bytes: Vec<u8>) -> io::Result<Answer> {
    Ok(exchange_all(to, bytes).await?.into_iter().next().unwrap_or_default())
}

/// Sends raw bytes and reads every answer until the peer closes, or has said nothing for a second
/// after the first one.
///
/// # Errors
/// When the connection cannot be made, or the answers take too long.
pub async fn exchange_all(to: SocketAddr, bytes: Vec<u8>) -> io::Result<Vec<Answer>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let received = async {
        // An early answer may close the connection while the body is still on its way, so a failed
        // write is no failed exchange.
        let write = async {
            drop(writer.write_all(&bytes).await);
            drop(writer.flush().await);
        };
        let read = read_answers(&mut reader);
        let ((), answers) = tokio::join!(write, read);
        answers
    };
    let limit = Duration::from_secs(EXCHANGE_SECONDS_MAX);
    let answers = tokio::time::timeout(limit, received)
        .await
        .map_err(|_elapsed| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))?;
    drop(writer);
    Ok(answers)
}

async fn read_answers(reader: &mut (impl AsyncReadExt + Unpin)) -> Vec<Answer> {
    let mut received = Vec::new();
    let mut answers = Vec::new();
    loop {
        while let Some((answer, used)) = parse(&received, false) {
            received.drain(..used);
            if answer.status >= 200 {
                answers.push(answer);
            }
        }
        received.reserve(64 * 1024);
        let read = reader.read_buf(&mut received);
        let got = if answers.is_empty() {
            read.await
        } else {
            let quiet = Duration::from_secs(1);
            tokio::time::timeout(quiet, read).await.unwrap_or(Ok(0))
        };
        match got {
            Ok(0) | Err(_) => break,
            Ok(_count) => {}
        }
    }
    if let Some((answer, _used)) = parse(&received, true) {
        answers.push(answer);
    }
    answers
}

/// One answer at the beginning of what was received, and how many bytes it took. An unfinished one
/// counts only at the end.
fn parse(received: &[u8], ended: bool) -> Option<(Answer, usize)> {
    let head_len = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&received[..head_len]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    let rest = &received[head_len..];
    if status < 200 || status == 204 || status == 304 {
        return Some((answer, head_len));
    }
    if answer.header("transfer-encoding").is_some() {
        let (body, used, finished) = dechunk(rest);
        answer.body = body;
        return (finished || ended).then_some((answer, head_len + used));
    }
    let Some(length) = answer.header("content-length").and_then(|text| text.parse().ok()) else {
        answer.body = rest.to_vec();
        return ended.then_some((answer, received.len()));
    };
    if rest.len() < length && !ended {
        return None;
    }
    let length = rest.len().min(length);
    answer.body = rest[..length].to_vec();
    Some((answer, head_len + length))
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, usize, bool) {
    let all = rest.len();
    let mut body = Vec::new();
    loop {
        let Some(line_end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, all, false);
        };
        let line = String::from_utf8_lossy(&rest[..line_end]).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else {
            return (body, all, false);
        };
        rest = &rest[line_end + 2..];
        if rest.len() < size + 2 {
            body.extend_from_slice(&rest[..rest.len().min(size)]);
            return (body, all, false);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
        if size == 0 {
            return (body, all - rest.len(), true);
        }
    }
}

/// Sends a request on a connection that stays, and reads its answer. The peer must say how long the
/// answer is, and nothing may come after it.
///
/// # Errors
/// When the connection ends before the end of the answer.
pub async fn ask_on(stream: &mut TcpStream, ask: &Ask) -> io::Result<Answer> {
    let host = stream.peer_addr()?.to_string();
    stream.write_all(&ask.clone().set("Connection", "keep-alive").bytes(&host)).await?;
    let mut received = Vec::new();
    loop {
        if let Some((answer, used)) = parse(&received, false) {
            let alone = used == received.len();
            return if alone { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A stream that stays open: what arrives on it is read event by event.
#[derive(Debug)]
pub struct OpenStream {
    reader: tokio::net::tcp::OwnedReadHalf,
    _writer: tokio::net::tcp::OwnedWriteHalf,
    received: Vec<u8>,
    /// The head of the answer; its body stays empty.
    pub head: Answer,
}

/// Sends a request and reads the head of its answer; the body stays to be read.
///
/// # Errors
/// When the connection cannot be made or ends before the head.
pub async fn open(to: SocketAddr, ask: &Ask) -> io::Result<OpenStream> {
    open_on(TcpStream::connect(to).await?, ask).await
}

/// As [`open`], on a connection that is there already.
///
/// # Errors
/// When the connection ends before the head.
pub async fn open_on(stream: TcpStream, ask: &Ask) -> io::Result<OpenStream> {
    let host = stream.peer_addr()?.to_string();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(&ask.bytes(&host)).await?;
    let mut received = Vec::new();
    loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = parse(&received, true).map(|(answer, _used)| answer).unwrap_or_default();
            let head = Answer { body: Vec::new(), ..head };
            received.drain(..end + 4);
            return Ok(OpenStream { reader, _writer: writer, received, head });
        }
        if reader.read_buf(&mut received).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the head"));
        }
    }
}

impl OpenStream {
    /// Reads until some event's data satisfies `wanted`; nothing when the stream ends first.
    pub async fn event(&mut self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        loop {
            let (body, _used, finished) = dechunk(&self.received);
            let text = String::from_utf8_lossy(&body).into_owned();
            if let Some(found) = events(&text).into_iter().find(|data| wanted(data)) {
                return Some(found);
            }
            if finished || self.reader.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Reads to the end of the stream; its whole text.
    pub async fn rest(&mut self) -> String {
        loop {
            let (body, _used, finished) = dechunk(&self.received);
            let ended =
                finished || self.reader.read_buf(&mut self.received).await.unwrap_or(0) == 0;
            if ended {
                return String::from_utf8_lossy(&body).into_owned();
            }
        }
    }
}

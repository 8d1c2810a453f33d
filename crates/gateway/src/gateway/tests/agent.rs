//! An agent that speaks plain HTTP/1.1, one connection for each request.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Nothing in these tests takes longer.
const ANSWER_SECONDS_MAX: u64 = 20;

#[derive(Clone)]
pub(super) struct Agent {
    address: SocketAddr,
    token: String,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let text = match self.body.lines().rfind(|line| line.starts_with("data: ")) {
            Some(line) => line.trim_start_matches("data: "),
            None => &self.body,
        };
        serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The text that a refused tool call shows.
    pub(super) fn text(&self) -> String {
        self.json()["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    }
}

pub(super) fn call(id: u32, name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
    )
}

/// A request of the modern era, with the headers that belong to it.
pub(super) fn modern(
    agent: &Agent,
    method: &str,
    params: &str,
    capabilities: &str,
) -> (Agent, String) {
    let agent = agent.with("MCP-Protocol-Version", "2026-07-28").with("Mcp-Method", method);
    let comma = if params.is_empty() { "" } else { "," };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"m","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    );
    (agent, body)
}

pub(super) fn method(id: u32, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

impl Agent {
    pub(super) fn new(address: SocketAddr, token: &str) -> Self {
        let headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ];
        Self { address, token: token.to_owned(), headers }
    }

    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(super) async fn post(&self, body: &str) -> Got {
        self.send("POST", "/mcp/pay", body).await
    }

    pub(super) async fn open(&self, verb: &str, path: &str, body: &str) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        self.ask_on(stream, verb, path, body).await
    }

    /// As `open` with a POST, on a connection that holds little that is not read.
    pub(super) async fn open_narrow(&self, body: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("set");
        let stream = socket.connect(self.address).await.expect("connected");
        self.ask_on(stream, "POST", "/mcp/pay", body).await
    }

    async fn ask_on(&self, mut stream: TcpStream, verb: &str, path: &str, body: &str) -> TcpStream {
        let mut head =
            format!("{verb} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if !self.token.is_empty() {
            write!(head, "Authorization: Bearer {}\r\n", self.token).expect("written");
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("written");
        }
        write!(head, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("written");
        stream.write_all(head.as_bytes()).await.expect("written");
        stream
    }

    pub(super) async fn send(&self, verb: &str, path: &str, body: &str) -> Got {
        read(self.open(verb, path, body).await).await
    }
}

pub(super) async fn read(mut stream: TcpStream) -> Got {
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(ANSWER_SECONDS_MAX), stream.read_to_end(&mut bytes))
        .await
        .expect("answered in time")
        .expect("read");
    parse(&bytes)
}

/// Reads until the stream shows `needle`.
pub(super) async fn read_until(stream: &mut TcpStream, needle: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains(needle) {
            let read = stream.read_buf(&mut bytes).await.expect("read");
            assert!(read > 0, "ended without {needle:?}: {}", String::from_utf8_lossy(&bytes));
        }
    };
    timeout(Duration::from_secs(ANSWER_SECONDS_MAX), reading).await.expect("shown in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parse(bytes: &[u8]) -> Got {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { dechunk(body) } else { body.to_owned() };
    Got { status, head: head.to_owned(), body }
}

fn dechunk(mut rest: &str) -> String {
    let mut out = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        let (chunk, after) = after.split_at_checked(size).expect("a whole chunk");
        out.push_str(chunk);
        rest = after.trim_start_matches("\r\n");
    }
    out
}

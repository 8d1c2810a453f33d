//! HTTP/1.1 as a run needs it: a listener for the mock server and the proxy, and a client connection
//! that costs little and reads an answer as it stands. No pool, no retry, no redirect.

use std::fmt::Display;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Listens on a free loopback port, prints the address, and serves until the process ends.
///
/// # Errors
/// When there is no port.
pub(crate) async fn serve<S, F, B, E>(answer: S) -> Result<(), String>
where
    S: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Result<Response<B>, E>> + 'static,
    B: Body + 'static,
    B::Error: std::error::Error + Send + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    allow_many_files()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(cannot("listen"))?;
    let address = listener.local_addr().map_err(cannot("listen"))?;
    crate::say(&format!("{address}\n"));
    let mut connections = JoinSet::new();
    loop {
        let (stream, _peer) = listener.accept().await.map_err(cannot("accept"))?;
        stream.set_nodelay(true).map_err(cannot("configure a connection"))?;
        let service = service_fn(answer.clone());
        connections.spawn_local(async move {
            let http = hyper::server::conn::http1::Builder::new();
            // A peer that hangs up is the load generator at its end.
            drop(http.serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Raises the number of open files to what the process may have.
///
/// # Errors
/// When the system refuses.
pub(crate) fn allow_many_files() -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(cannot("raise the number of open files"))
}

fn cannot<E: Display>(what: &str) -> impl Fn(E) -> String {
    move |error| format!("cannot {what}: {error}")
}

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most header lines of an answer.
const HEADERS_MAX: usize = 64;
/// What is read at once, in bytes.
const READ_BYTES: usize = 128 * 1024;

/// One connection, on which one request follows the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Length(usize),
    Chunked,
}

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Whether the body is an event stream.
    pub(crate) is_stream: bool,
    /// The session that the server names.
    pub(crate) session: Option<String>,
    ending: Ending,
    bytes: usize,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn open(to: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(to).await.map_err(cannot("connect"))?;
        stream.set_nodelay(true).map_err(cannot("configure a connection"))?;
        Ok(Self { stream, received: Vec::new(), body: Vec::new() })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection ends first, or what comes is no HTTP.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(Head, &[u8]), String> {
        let head = self.ask(request).await?;
        let body = match head.ending {
            Ending::Length(length) => {
                let end = head.bytes.saturating_add(length);
                while self.received.len() < end {
                    self.read().await?;
                }
                if self.received.len() > end {
                    return Err("bytes that nobody asked for".to_owned());
                }
                self.received.get(head.bytes..).unwrap_or_default()
            }
            Ending::Chunked => {
                self.body.clear();
                let mut at = head.bytes;
                while !self.chunk(&mut at).await? {}
                if self.received.len() > at {
                    return Err("bytes that nobody asked for".to_owned());
                }
                &self.body
            }
        };
        Ok((head, body))
    }

    /// Sends a request and reads the head of the answer; what follows stays to be read.
    ///
    /// # Errors
    /// When the connection ends first, or what comes is no HTTP.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Head, String> {
        self.received.clear();
        self.stream.write_all(request).await.map_err(cannot("send"))?;
        loop {
            self.read().await?;
            if let Some(head) = head(&self.received)? {
                return Ok(head);
            }
            if self.received.len() > HEAD_BYTES_MAX {
                return Err("the head of the answer does not end".to_owned());
            }
        }
    }

    /// Reads until what has arrived since the last request holds `wanted`.
    ///
    /// # Errors
    /// When the connection ends first.
    pub(crate) async fn wait_for(&mut self, wanted: &[u8]) -> Result<(), String> {
        while memchr::memmem::find(&self.received, wanted).is_none() {
            self.read().await?;
        }
        Ok(())
    }

    /// Gives back memory that a stream which stays open does not need.
    pub(crate) fn shrink(&mut self) {
        self.received.shrink_to_fit();
        self.body = Vec::new();
    }

    async fn read(&mut self) -> Result<(), String> {
        if self.received.capacity() - self.received.len() < READ_BYTES / 4 {
            self.received.reserve(READ_BYTES);
        }
        let count = self.stream.read_buf(&mut self.received).await.map_err(cannot("read"))?;
        if count == 0 { Err("the connection was closed".to_owned()) } else { Ok(()) }
    }

    /// Appends the next chunk to the body; whether it was the last one.
    async fn chunk(&mut self, at: &mut usize) -> Result<bool, String> {
        let (from, bytes) = loop {
            let rest = self.received.get(*at..).unwrap_or_default();
            match httparse::parse_chunk_size(rest).map_err(|_bad| "a chunk without a size")? {
                httparse::Status::Complete((used, bytes)) => {
                    let bytes = usize::try_from(bytes).map_err(|error| error.to_string())?;
                    break (at.saturating_add(used), bytes);
                }
                httparse::Status::Partial => self.read().await?,
            }
        };
        let end = from.saturating_add(bytes);
        while self.received.len() < end.saturating_add(2) {
            self.read().await?;
        }
        self.body.extend_from_slice(self.received.get(from..end).unwrap_or_default());
        *at = end.saturating_add(2);
        Ok(bytes == 0)
    }
}

/// The head of an answer, once it is whole.
fn head(received: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(received).map_err(|error| format!("no HTTP: {error}"))?;
    let httparse::Status::Complete(bytes) = parsed else {
        return Ok(None);
    };
    let status = answer.code.unwrap_or_default();
    let mut head =
        Head { status, is_stream: false, session: None, ending: Ending::Length(0), bytes };
    for header in answer.headers {
        let text = std::str::from_utf8(header.value).unwrap_or_default();
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = text.trim().parse().map_err(|_bad| "no length".to_owned())?;
            head.ending = Ending::Length(length);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            head.ending = Ending::Chunked;
        } else if header.name.eq_ignore_ascii_case("content-type") {
            head.is_stream = text.starts_with("text/event-stream");
        } else if header.name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(text.to_owned());
        }
    }
    Ok(Some(head))
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;

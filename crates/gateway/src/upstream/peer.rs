//! A loopback server for the tests that sends exactly the bytes a test says. Never here: HTTP manners.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What the peer does after a request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends bytes in one write.
    Send(Vec<u8>),
    /// Sends bytes again and again until the other side closes.
    Flood(Vec<u8>),
    /// Closes with a reset.
    Reset,
    /// Closes in order.
    Close,
    /// Waits until the other side closes.
    UntilClosed,
}

pub(crate) fn send(text: impl Into<Vec<u8>>) -> Step {
    Step::Send(text.into())
}

/// A whole answer with a length.
pub(crate) fn answer(head: &str, body: &str) -> Step {
    send(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &str) -> Step {
    send(format!("{:x}\r\n{bytes}\r\n", bytes.len()))
}

type Script = dyn Fn(&str, usize) -> Vec<Step> + Send + Sync;

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Each request as it came, head and body.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    /// A message each time the gateway closed a connection that the peer was waiting on, and each time the peer closed one.
    pub(crate) closed: mpsc::Receiver<()>,
    _tasks: JoinSet<()>,
}

impl Peer {
    /// Starts a peer that asks `script` what to do with the n-th request (from 0).
    pub(crate) async fn start(
        script: impl Fn(&str, usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let connections: Arc<AtomicUsize> = Arc::default();
        let (closing, closed) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        let (seen, count) = (Arc::clone(&requests), Arc::clone(&connections));
        tasks.spawn(async move {
            let script: Arc<Script> = Arc::new(script);
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, Arc::clone(&script), Arc::clone(&seen), closing.clone()));
            }
        });
        Self { address, requests, connections, closed, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<String>>>,
    closing: mpsc::Sender<()>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let number = {
            let mut seen = seen.lock().expect("not poisoned");
            seen.push(request.clone());
            seen.len() - 1
        };
        for step in script(&request, number) {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return closing.send(()).await.unwrap_or_default();
                    }
                }
                Step::Flood(bytes) => {
                    while stream.write_all(&bytes).await.is_ok() {}
                    return closing.send(()).await.unwrap_or_default();
                }
                Step::Reset => {
                    stream.set_zero_linger().expect("linger can be set");
                    return;
                }
                Step::Close => {
                    drop(stream);
                    return closing.send(()).await.unwrap_or_default();
                }
                Step::UntilClosed => {
                    let mut rest = [0; 64];
                    while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
                    return closing.send(()).await.unwrap_or_default();
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some(end) = text.find("\r\n\r\n").map(|at| at + 4) {
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |n| n.parse::<usize>().expect("a length"));
            if buffer.len() >= end + length {
                let rest = buffer.split_off(end + length);
                let request = std::mem::replace(buffer, rest);
                return String::from_utf8(request).ok();
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

//! A server that sends exactly the bytes that a test says, and counts connections. For what no server
//! made with a kit would do; where a recorder can show the same, the recorder is taken.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use it::gateway::{Config, Gateway, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::interval;

/// What the server does after a request; a connection goes on after the last step.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Writes these bytes again and again until the other side closes.
    Flood(Vec<u8>),
    /// Writes these bytes one by one, with so many milliseconds between them.
    Drip(Vec<u8>, u64),
    /// Writes these bytes again and again, so many times in a second, until the other side closes.
    Beat(Vec<u8>, u64),
    /// Says nothing more until the other side closes.
    Stay,
    /// Ends the connection in order.
    Close,
    /// Resets the connection.
    Reset,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: Value,
}

impl Seen {
    /// The JSON-RPC method; empty without one.
    pub(crate) fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let same = |held: &str| held.eq_ignore_ascii_case(name);
        lines.filter(|(held, _value)| same(held)).map(|(_held, value)| value.trim()).next()
    }
}

type Script = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

/// A running scripted server.
#[derive(Debug)]
pub(crate) struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Starts a server that asks `script` what to do.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (seen, connections) = (Arc::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        let script: Arc<Script> = Arc::new(script);
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _from)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, seen, connections, _tasks: tasks }
    }

    /// A gateway in front of it, with one grant, `agent`.
    pub(crate) async fn behind(&self, policy: &Value, lines: &[&str]) -> Gateway {
        let url = format!("http://{}/mcp", self.address);
        let server = Server::http("alpha", &url, "Bearer of-no-meaning");
        let server = lines.iter().fold(server, |server, line| server.with(line));
        Gateway::start(Config::with_servers(vec![server]).granting("agent", policy)).await
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no holder panics").clone()
    }

    /// How many requests of that method came.
    pub(crate) fn count(&self, method: &str) -> usize {
        let seen = self.seen.lock().expect("no holder panics");
        seen.iter().filter(|seen| seen.method() == method).count()
    }

    /// How many handshakes came that carry this client's name: the gateway's own, for listing tools, come whenever
    /// it likes and carry another.
    pub(crate) fn handshakes_of(&self, client: &str) -> usize {
        let own = |seen: &&Seen| {
            seen.method() == "initialize" && seen.body["params"]["clientInfo"]["name"] == client
        };
        self.seen.lock().expect("no holder panics").iter().filter(own).count()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Seen>>>) {
    let mut received = Vec::new();
    while let Some(seen) = request(&mut stream, &mut received).await {
        log.lock().expect("no holder panics").push(seen.clone());
        for step in script(&seen) {
            if !take(&mut stream, step).await {
                return;
            }
        }
    }
}

/// Takes a step; whether the connection goes on.
async fn take(stream: &mut TcpStream, step: Step) -> bool {
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).await.is_ok(),
        Step::Flood(bytes) => {
            while stream.write_all(&bytes).await.is_ok() {}
            false
        }
        Step::Drip(bytes, millis) => {
            let mut ticks = interval(Duration::from_millis(millis));
            for byte in bytes {
                ticks.tick().await;
                if stream.write_all(&[byte]).await.is_err() {
                    return false;
                }
            }
            true
        }
        Step::Beat(bytes, times) => {
            // A hundred times a second, so that the clock's grain does not matter.
            let (mut ticks, together) = (interval(Duration::from_millis(10)), times.div_ceil(100));
            let bytes = bytes.repeat(usize::try_from(together).expect("a small number"));
            loop {
                ticks.tick().await;
                if stream.write_all(&bytes).await.is_err() {
                    return false;
                }
            }
        }
        Step::Stay => {
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
            false
        }
        Step::Close => false,
        Step::Reset => {
            // Without lingering, closing discards what was not sent, and says so with a reset.
            stream.set_zero_linger().expect("an option of every socket");
            false
        }
    }
}

async fn request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<Seen> {
    loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let mut seen = Seen { head, body: Value::Null };
            let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap_or(0));
            let all = end + 4 + length;
            if received.len() >= all {
                seen.body = serde_json::from_slice(&received[end + 4..all]).unwrap_or_default();
                received.drain(..all);
                return Some(seen);
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

/// A whole answer: the status with its header lines, and a body with its length.
pub(crate) fn answer(head: &str, body: impl AsRef<[u8]>) -> Step {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Step::Send(bytes)
}

/// A JSON answer with status 200.
pub(crate) fn json_answer(body: impl AsRef<[u8]>) -> Step {
    answer("200 OK\r\nContent-Type: application/json", body)
}

/// A result under the id of its request.
pub(crate) fn result(seen: &Seen, result: &Value) -> Step {
    json_answer(json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result }).to_string())
}

/// A tool without conditions on its arguments.
pub(crate) fn tool(name: &str) -> Value {
    json!({ "name": name, "description": "A tool", "inputSchema": { "type": "object" } })
}

/// What an ordinary legacy server with sessions does; `None` where the test is to say it.
pub(crate) fn usual(seen: &Seen, tools: &[Value]) -> Option<Vec<Step>> {
    let verb = seen.head.split(' ').next().unwrap_or_default();
    Some(vec![match (verb, seen.method()) {
        ("DELETE", _) => answer("204 No Content", ""),
        (_, "initialize") => {
            let result = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "scripted", "version": "1" },
            });
            let body = json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result });
            answer(
                "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: of-the-server",
                body.to_string(),
            )
        }
        (_, "tools/list") => result(seen, &json!({ "tools": tools })),
        (_, "ping") => result(seen, &json!({})),
        ("GET", _) | (_, "tools/call") => return None,
        (_, _) if seen.body.get("id").is_none() => answer("202 Accepted", ""),
        (_, _) => {
            let error = json!({ "code": -32601, "message": "no such method" });
            let body = json!({ "jsonrpc": "2.0", "id": seen.body["id"], "error": error });
            json_answer(body.to_string())
        }
    }])
}

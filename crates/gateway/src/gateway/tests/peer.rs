//! A real MCP server on hyper: it records every request, lists tools, runs calls, opens sessions.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: String,
}

pub(super) struct State {
    pub(super) seen: Vec<Seen>,
    pub(super) tools: Vec<Value>,
    /// Sessions that the server still knows; `None`: it has no sessions.
    pub(super) sessions: Option<Vec<String>>,
    /// What the next calls answer in place of the usual: status, media type, body.
    pub(super) fault: Option<(u16, &'static str, String)>,
    /// The results of other methods, as JSON text; `{}` for those that are not here.
    pub(super) results: Vec<(&'static str, &'static str)>,
    /// The version that `initialize` chooses.
    pub(super) version: &'static str,
    /// Streams for the next requests of a method (`GET` for GET), in order.
    streams: Vec<(&'static str, mpsc::Receiver<Bytes>)>,
    opened: usize,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) struct Peer {
    address: SocketAddr,
    pub(super) state: Arc<Mutex<State>>,
    /// Calls wait while this is true.
    pub(super) gate: watch::Sender<bool>,
    /// Lists of tools wait while this is true.
    pub(super) first_list: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

pub(super) fn tool(name: &str, description: &str) -> Value {
    json!({
        "name": name, "description": description, "x-vendor": 1.50,
        "inputSchema": {"type": "object", "properties": {"amount": {"type": "number"}}}
    })
}

impl Peer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            seen: Vec::new(),
            tools: vec![
                tool("read_item", "reads"),
                tool("pay", "pays"),
                tool("delete_all", "deletes"),
            ],
            sessions: None,
            fault: None,
            results: Vec::new(),
            version: "2025-11-25",
            streams: Vec::new(),
            opened: 0,
        }));
        let (gate, gated) = watch::channel(false);
        let (first_list, lists) = watch::channel(false);
        let shared = Arc::clone(&state);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let gates = [gated.clone(), lists.clone()];
                connections.spawn(async move {
                    let service =
                        service_fn(|request| answer(Arc::clone(&shared), gates.clone(), request));
                    if let Err(error) =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
                    {
                        assert!(!error.is_parse(), "the gateway sent what is no HTTP: {error}");
                    }
                });
            }
        });
        Self { address, state, gate, first_list, _tasks: tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("not poisoned"));
    }

    /// Answers the next request of a method with the events that the returned sender hands in; it
    /// is closed when the gateway leaves.
    pub(super) fn stream(&self, method: &'static str) -> mpsc::Sender<Bytes> {
        let (sender, receiver) = mpsc::channel(16);
        self.set(|state| state.streams.push((method, receiver)));
        sender
    }

    /// The tools that were run, in order.
    pub(super) fn ran(&self) -> Vec<String> {
        let state = self.state.lock().expect("not poisoned");
        let calls = state.seen.iter().filter_map(|seen| {
            let message: Value = serde_json::from_str(&seen.body).ok()?;
            (message["method"] == "tools/call")
                .then(|| message["params"]["name"].as_str().map(str::to_owned))?
        });
        calls.collect()
    }

    pub(super) fn has_sessions(&self) -> bool {
        self.state.lock().expect("not poisoned").sessions.is_some()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().expect("not poisoned").seen.clone()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    [mut gated, mut lists]: [watch::Receiver<bool>; 2],
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let head = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
    let verb = request.method().clone();
    let session =
        request.headers().get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let message: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    state.lock().expect("not poisoned").seen.push(Seen { head, body: text });
    if message["method"] == "tools/call" {
        gated.wait_for(|closed| !closed).await.expect("the peer lives");
    }
    if message["method"] == "tools/list" {
        lists.wait_for(|closed| !closed).await.expect("the peer lives");
    }
    let mut state = state.lock().expect("not poisoned");
    let key = if verb == http::Method::GET {
        "GET"
    } else {
        message["method"].as_str().unwrap_or_default()
    };
    if let Some(at) = state.streams.iter().position(|(method, _)| *method == key) {
        let (_, receiver) = state.streams.remove(at);
        let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
            let bytes = receiver.recv().await?;
            Some((Ok(Frame::data(bytes)), receiver))
        });
        return Ok(Response::builder()
            .header("content-type", "text/event-stream")
            .body(StreamBody::new(frames).boxed_unsync())
            .expect("an answer"));
    }
    if verb == http::Method::GET {
        return Ok(plain(405, "text/plain", ""));
    }
    let known = match (&state.sessions, &session) {
        (Some(known), Some(session)) => known.contains(session),
        (Some(_), None) => message["method"] == "initialize",
        (None, _) => true,
    };
    if !known {
        return Ok(plain(404, "text/plain", "no such session"));
    }
    if verb == http::Method::DELETE {
        if let (Some(known), Some(session)) = (&mut state.sessions, session) {
            known.retain(|other| *other != session);
        }
        return Ok(plain(204, "text/plain", ""));
    }
    Ok(message_of(&mut state, &message))
}

fn message_of(state: &mut State, message: &Value) -> Response<Body> {
    if message["id"].is_null() {
        return plain(202, "text/plain", "");
    }
    let id = &message["id"];
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => {
            state.opened += 1;
            let result = json!({
                "protocolVersion": state.version, "serverInfo": {"name": "peer", "version": "1"},
                "capabilities": {"tools": {"listChanged": true}, "resources": {}, "prompts": {}}
            });
            let mut answer = reply(id, &result);
            if let Some(known) = &mut state.sessions {
                let session = format!("upstream-session-{}", state.opened);
                answer.headers_mut().insert("mcp-session-id", session.parse().expect("a value"));
                known.push(session);
            }
            return answer;
        }
        "tools/list" => json!({"tools": state.tools}),
        "resources/list" => {
            json!({"resources": [{"uri": "test://a", "name": "a"}, {"uri": "test://b", "name": "b"}]})
        }
        "tools/call" => {
            if let Some((status, media, body)) = &state.fault {
                return plain(*status, media, body);
            }
            let name = message["params"]["name"].as_str().unwrap_or_default();
            // Spelled so that a gateway that writes it anew would change it.
            let body = format!(
                "{{ \"jsonrpc\":\"2.0\",\"vendor\":1.50, \"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"ran {name}\"}}],\"big\":123456789012345678901234567890}}}}"
            );
            return plain(200, "application/json", &body);
        }
        method => {
            let known = state.results.iter().find(|(name, _)| *name == method);
            let result = known.map_or("{}", |(_, text)| text);
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}");
            return plain(200, "application/json", &body);
        }
    };
    reply(id, &result)
}

fn reply(id: &Value, result: &Value) -> Response<Body> {
    plain(
        200,
        "application/json",
        &json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string(),
    )
}

fn plain(status: u16, media: &str, body: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", media)
        .body(Full::new(Bytes::from(body.to_owned())).boxed_unsync())
        .expect("an answer")
}

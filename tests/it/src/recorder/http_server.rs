//! The recorder's HTTP door: Streamable HTTP of both eras, and the faults that happen on the way
//! back. Reads nothing itself; the two readers do.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answers::{Era, MODERN, Outcome};
use super::log::RawRequest;
use super::strict::Message;
use super::{Fault, Framing, Personality, Server, lenient, strict};

/// Largest body that a recorder reads, in bytes: larger than any that the gateway lets through.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Messages that wait on one stream.
const QUEUE_MESSAGES_MAX: usize = 1024;

/// Serves on a free loopback port, which is returned.
pub(super) async fn listen(tasks: &mut JoinSet<()>, server: Arc<Server>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    let router = axum::Router::new().fallback(handle).with_state(server);
    tasks.spawn(async move {
        axum::serve(listener, router).await.expect("the recorder serves until it is dropped");
    });
    port
}

async fn handle(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let mut raw = RawRequest {
        server: server.options.name,
        method: head.method.as_str().to_owned(),
        headers,
        body: body.to_vec(),
        credential: false,
    };
    raw.credential = raw.header("authorization") == Some(server.options.credential.as_str());
    server.log.request(raw.clone());
    if !raw.credential {
        return plain(401, "no credential");
    }
    if server.options.personality == Personality::Lenient && !raw.body.is_empty() {
        return lenient_post(&server, &raw).await;
    }
    match raw.method.as_str() {
        "POST" => post(&server, &raw).await,
        "GET" => get(&server, &raw),
        "DELETE" => delete(&server, &raw),
        _ => plain(405, "no such method"),
    }
}

fn plain(status: u16, words: &str) -> Response {
    let response = Response::builder().status(status).header("content-type", "text/plain");
    response.body(Body::from(words.to_owned())).expect("a response")
}

fn era_of(raw: &RawRequest) -> Era {
    let header = raw.header("mcp-protocol-version") == Some(MODERN);
    if header || raw.holds("io.modelcontextprotocol/protocolVersion") {
        Era::Modern
    } else {
        Era::Legacy
    }
}

async fn post(server: &Arc<Server>, raw: &RawRequest) -> Response {
    let message = match strict::read(raw) {
        Ok(message) => message,
        Err((code, words)) => return framed(server, 400, &error("null", code, words)),
    };
    let era = era_of(raw);
    let id = message.id.clone().unwrap_or_else(|| "null".to_owned());
    if era == Era::Modern
        && let Some(words) = mismatch(raw, &message)
    {
        return framed(server, 400, &error(&id, -32020, words));
    }
    let unknown = raw.header("mcp-session-id").is_some_and(|session| {
        !server.sessions.lock().expect("no holder panics").contains(session)
    });
    if era == Era::Legacy && server.options.stateful && unknown {
        return framed(server, 404, &error(&id, -32600, "no such session"));
    }
    if message.method.as_deref() == Some("subscriptions/listen") && era == Era::Modern {
        return listen_stream(server, &id);
    }
    let mut response = respond(server, &message, era).await;
    open_session(server, &message, era, &mut response);
    response
}

/// A stateful server's answer to `initialize` names a new session.
fn open_session(server: &Server, message: &Message, era: Era, response: &mut Response) {
    let starts = message.method.as_deref() == Some("initialize");
    if !starts || era == Era::Modern || !server.options.stateful {
        return;
    }
    let number = server.sessions_made.fetch_add(1, Ordering::Relaxed);
    let mut sessions = server.sessions.lock().expect("no holder panics");
    let session = format!("{}-session-{number}", server.options.name);
    sessions.insert(session.clone());
    let value = session.parse().expect("a header value");
    response.headers_mut().insert("mcp-session-id", value);
}

/// What in the mirrored headers differs from the body.
fn mismatch(raw: &RawRequest, message: &Message) -> Option<&'static str> {
    if raw.header("mcp-protocol-version") != Some(MODERN) {
        return Some("the version header is missing");
    }
    if raw.header("mcp-method") != message.method.as_deref() {
        return Some("Mcp-Method differs");
    }
    let named = message.text("name").or_else(|| message.text("uri"));
    let needs =
        matches!(message.method.as_deref(), Some("tools/call" | "prompts/get" | "resources/read"));
    let header = raw.header("mcp-name");
    let same = header == named || header.is_some_and(|value| value.starts_with("=?base64?"));
    (needs && !same).then_some("Mcp-Name differs")
}

async fn lenient_post(server: &Arc<Server>, raw: &RawRequest) -> Response {
    let era = era_of(raw);
    let mut last = None;
    for message in lenient::read(raw) {
        let mut response = respond(server, &message, era).await;
        open_session(server, &message, era, &mut response);
        last = Some(response);
    }
    last.unwrap_or_else(|| plain(202, ""))
}

async fn respond(server: &Arc<Server>, message: &Message, era: Era) -> Response {
    let id = message.id.clone().unwrap_or_else(|| "null".to_owned());
    match server.act(message, era).await {
        Outcome::Accepted => plain(202, ""),
        Outcome::Result(result) => {
            framed(server, 200, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
        }
        Outcome::Error(code, words) => {
            let unknown = code == -32601 && era == Era::Modern;
            framed(server, if unknown { 404 } else { 200 }, &error(&id, code, &words))
        }
        Outcome::Faulted(fault) => faulted(server, &id, fault),
    }
}

fn error(id: &str, code: i64, words: &str) -> String {
    let error = json!({ "code": code, "message": words });
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// A message in the server's framing; an error status is always a JSON body.
fn framed(server: &Server, status: u16, message: &str) -> Response {
    if server.options.framing == Framing::Stream && status == 200 {
        let body = format!("event: message\ndata: {message}\n\n");
        let response = Response::builder().header("content-type", "text/event-stream");
        return response.body(Body::from(body)).expect("a response");
    }
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(message.to_owned())).expect("a response")
}

fn faulted(server: &Server, id: &str, fault: Fault) -> Response {
    let fine = r#"{"content":[{"type":"text","text":"done"}]}"#;
    match fault {
        Fault::Status(status) => plain(status, "broken"),
        Fault::Redirect(place) => {
            let response = Response::builder().status(307).header("location", place);
            response.body(Body::empty()).expect("a response")
        }
        Fault::OtherId => framed(
            server,
            200,
            &format!(r#"{{"jsonrpc":"2.0","id":"of-another","result":{fine}}}"#),
        ),
        Fault::BadJson => framed(server, 200, "{\"jsonrpc\":\"2.0\",\"id\""),
        Fault::Body(text) => framed(server, 200, &text),
        Fault::Close => broken_off(String::new()),
        Fault::Cut => broken_off(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content""#)),
        Fault::RpcError(_) | Fault::Held | Fault::Result(_) => plain(500, "handled before"),
    }
}

/// A body that breaks off: its connection closes before it ends.
fn broken_off(begin: String) -> Response {
    let parts = [
        Ok(Bytes::from(begin)),
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "broken off")),
    ];
    let response = Response::builder().header("content-type", "application/json");
    response.body(Body::from_stream(stream::iter(parts))).expect("a response")
}

fn get(server: &Arc<Server>, raw: &RawRequest) -> Response {
    let wants = raw.header("accept").is_some_and(|kinds| kinds.contains("text/event-stream"));
    if !wants || raw.header("mcp-protocol-version") == Some(MODERN) {
        return plain(405, "no stream");
    }
    let session = raw.header("mcp-session-id");
    let known = session
        .is_some_and(|held| server.sessions.lock().expect("no holder panics").contains(held));
    if server.options.stateful && !known {
        return plain(404, "no such session");
    }
    stream_of(server, Vec::new())
}

fn listen_stream(server: &Arc<Server>, id: &str) -> Response {
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": serde_json::from_str::<Value>(id).unwrap_or_default() });
    let accepted = json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": { "notifications": { "toolsListChanged": true }, "_meta": meta },
    });
    stream_of(server, vec![accepted.to_string()])
}

/// A stream that stays open and carries what the server has to tell.
fn stream_of(server: &Arc<Server>, first: Vec<String>) -> Response {
    let (sender, queue) = mpsc::channel::<String>(QUEUE_MESSAGES_MAX);
    for message in first {
        drop(sender.try_send(message));
    }
    server.listeners.lock().expect("no holder panics").push(sender);
    let events = stream::unfold(queue, |mut queue| async move {
        let message = queue.recv().await?;
        let event = format!("event: message\ndata: {message}\n\n");
        Some((Ok::<_, Infallible>(Bytes::from(event)), queue))
    });
    let opening = stream::iter([Ok(Bytes::from_static(b": open\n\n"))]);
    let body = Body::from_stream(futures_util::StreamExt::chain(opening, events));
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(body).expect("a response")
}

fn delete(server: &Arc<Server>, raw: &RawRequest) -> Response {
    let session = raw.header("mcp-session-id").unwrap_or_default();
    let known = server.sessions.lock().expect("no holder panics").remove(session);
    plain(if known { 204 } else { 404 }, "")
}

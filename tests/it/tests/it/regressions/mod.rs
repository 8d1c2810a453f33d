//! What broke in other gateways, in the kits that servers and clients are made with, and in the
//! predecessors of this one: one test for each way, named after it. `docs/regressions.md` says which
//! test keeps out what. What the bypass cases or another module prove already is not proved again.

mod answers;
mod audit;
pub(crate) mod children;
mod identity;
mod lists;
mod packaging;
pub(crate) mod scripted;
mod secrets;
mod sessions;
mod streams;

use std::net::SocketAddr;

use it::recorder::Recorder;
use it::scene::{SERVER, Scene, call_body};
use it::wire::{self, Answer, Ask, OpenStream};
use serde_json::{Value, json};

use scripted::Scripted;

/// A policy that lets everything through.
pub(crate) fn open() -> Value {
    json!({ "version": "1", "default": "allow", "tools": {} })
}

/// The first message of a legacy client.
pub(crate) fn hello_body(client: &str) -> String {
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": { "elicitation": {}, "sampling": {} },
            "clientInfo": { "name": client, "version": "1" },
        },
    })
    .to_string()
}

/// Opens a legacy session as the grant of that label; its id.
pub(crate) async fn hello(scene: &Scene, label: &str) -> String {
    let answer = scene.post(label, &hello_body(label)).await;
    let session = answer.header("mcp-session-id");
    session.unwrap_or_else(|| panic!("no session: {}", answer.text())).to_owned()
}

/// A message of a session.
pub(crate) async fn post_in(scene: &Scene, label: &str, session: &str, body: &str) -> Answer {
    scene.send(&scene.ask(label, body).with("Mcp-Session-Id", session)).await
}

/// A call of a session, with an argument by which it can be told from others.
pub(crate) async fn call_in(scene: &Scene, label: &str, session: &str, mark: &str) -> Answer {
    let body = call_body(1, "read_item", &json!({ "id": mark }));
    post_in(scene, label, session, &body).await
}

/// The request that opens the stream of a session.
pub(crate) fn listening(scene: &Scene, label: &str, session: &str) -> Ask {
    let mut ask = scene.ask(label, "").set("Accept", "text/event-stream");
    "GET".clone_into(&mut ask.method);
    ask.headers.retain(|(name, _value)| name != "Content-Type");
    ask.with("Mcp-Session-Id", session)
}

/// Opens the stream of a session.
pub(crate) async fn listen(scene: &Scene, label: &str, session: &str) -> OpenStream {
    let ask = listening(scene, label, session);
    let stream = wire::open(scene.gateway.door, &ask).await.expect("a stream");
    assert_eq!(stream.head.status, 200);
    stream
}

/// Where a recorder listens.
fn place_of(recorder: &Recorder) -> SocketAddr {
    let url = recorder.url();
    let place = url.trim_start_matches("http://").trim_end_matches("/mcp");
    place.parse().expect("an address")
}

/// How many calls ran with that argument.
pub(crate) fn runs_of(scene: &Scene, mark: &str) -> usize {
    scene.log.executed().iter().filter(|call| call.arguments["id"] == mark).count()
}

/// How many messages of that method reached the server.
pub(crate) fn forwarded(scene: &Scene, method: &str) -> usize {
    scene.log.forwarded().iter().filter(|message| message.method == method).count()
}

/// Has the gateway list its server's tools now.
pub(crate) async fn inspect(scene: &Scene) -> Answer {
    scene.gateway.api("POST", &format!("servers/{SERVER}/inspect"), Some(json!({}))).await
}

/// The names in a list of tools.
pub(crate) fn names(answer: &Answer) -> Vec<String> {
    let reply = answer.reply();
    let tools = reply["result"]["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

/// A list of tools as an agent asks for it.
pub(crate) const LIST: &str = r#"{"jsonrpc":"2.0","id":"agent-list","method":"tools/list"}"#;

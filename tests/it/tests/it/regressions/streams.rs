//! Streams: kept alive, told only what changed, and closed to questions that were asked of somebody
//! else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use it::gateway::Config;
use it::recorder::Options;
use it::scene::{Plan, SERVER, Scene};
use it::wire::{self, Ask};
use serde_json::{Value, json};

use super::scripted::{Step, answer, tool, usual};
use super::{
    LIST, Scripted, forwarded, hello, hello_body, listen, listening, names, open, post_in,
};

async fn stateful() -> Scene {
    let plan = Plan::with(Options::strict(SERVER).stateful()).await;
    plan.granting("agent", &open()).granting("other", &open()).start().await
}

/// Time within which a silent stream must show that it lives: the 15 seconds of GATEWAY.md section 2
/// and some for a slow machine.
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_is_kept_alive_and_not_buffered() {
    let scene = stateful().await;
    let session = hello(&scene, "agent").await;
    let ask = listening(&scene, "agent", &session);
    let bytes = ask.bytes(&scene.gateway.door.to_string());
    let mut stream = tokio::net::TcpStream::connect(scene.gateway.door).await.expect("connected");
    tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await.expect("sent");
    let mut received = Vec::new();
    let beats = |received: &[u8]| {
        let text = String::from_utf8_lossy(received).into_owned();
        let body = text.split_once("\r\n\r\n").map(|(_head, body)| body.to_owned());
        let body = body.unwrap_or_default();
        body.split('\n').filter(|line| line.starts_with(':')).count()
    };
    // The first comments open the stream; one more that comes later is a heartbeat.
    let opened = loop {
        let count = tokio::io::AsyncReadExt::read_buf(&mut stream, &mut received).await;
        assert!(count.expect("open") > 0, "the stream ended");
        if String::from_utf8_lossy(&received).contains(": open") {
            break beats(&received);
        }
    };
    let alive = async {
        while beats(&received) <= opened {
            let count = tokio::io::AsyncReadExt::read_buf(&mut stream, &mut received).await;
            assert!(count.expect("open") > 0, "the stream ended");
        }
    };
    tokio::time::timeout(HEARTBEAT_WITHIN, alive).await.expect("a heartbeat in time");
    let head = String::from_utf8_lossy(&received).to_ascii_lowercase();
    assert!(head.contains("x-accel-buffering: no"), "{head}");
}

/// A server that never announces a change, with a list that the test changes.
async fn quiet_server() -> (Scripted, Arc<Mutex<Vec<Value>>>) {
    let tools = Arc::new(Mutex::new(vec![tool("first")]));
    let held = Arc::clone(&tools);
    let server = Scripted::start(move |seen| {
        let tools = held.lock().expect("no holder panics").clone();
        usual(seen, &tools).unwrap_or_else(|| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: open\n\n";
            vec![Step::Send(head.into()), Step::Stay]
        })
    })
    .await;
    (server, tools)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_polled_and_only_a_change_is_announced() {
    let (server, tools) = quiet_server().await;
    let gateway = server.behind(&open(), &["refresh_seconds = 1", "new_tools = \"allow\""]).await;
    let token = Config::token_of("agent");
    assert_eq!(names(&gateway.post(SERVER, &token, LIST).await), ["first"]);
    let opened = gateway.post(SERVER, &token, &hello_body("agent")).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let get = Ask::bare("GET", "/mcp/alpha")
        .with("Authorization", &format!("Bearer {token}"))
        .with("Accept", "text/event-stream")
        .with("Mcp-Session-Id", &session);
    let mut stream = wire::open(gateway.door, &get).await.expect("a stream");
    assert_eq!(stream.head.status, 200);
    let some_lists = || async {
        let before = server.count("tools/list");
        it::wait::until("three more lists", || async {
            (server.count("tools/list") >= before + 3).then_some(())
        })
        .await;
    };
    // Lists that say the same are no news; the one event after two changes and many lists says so.
    some_lists().await;
    tools.lock().expect("no holder panics").push(tool("second"));
    let heard = stream.event(|data| data.contains("tools/list_changed"));
    assert!(it::wait::bounded("the announcement", heard).await.is_some(), "polling found it");
    some_lists().await;
    gateway.signal(rustix::process::Signal::TERM);
    let all = it::wait::bounded("the end of the stream", stream.rest()).await;
    assert_eq!(all.matches("tools/list_changed").count(), 1, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_to_one_agent_cannot_be_answered_by_another() {
    let scene = stateful().await;
    let asked = hello(&scene, "agent").await;
    let stranger = hello(&scene, "other").await;
    let of_same_grant = hello(&scene, "agent").await;
    let mut stream = listen(&scene, "agent", &asked).await;
    let question = json!({
        "jsonrpc": "2.0", "id": "question-1", "method": "elicitation/create",
        "params": { "message": "Which one?", "requestedSchema": { "type": "object", "properties": {} } },
    });
    scene.recorder.send(&question);
    let heard = stream.event(|data| data.contains("question-1"));
    assert!(it::wait::bounded("the question", heard).await.is_some(), "elicitation passes");
    let reply = r#"{"jsonrpc":"2.0","id":"question-1","result":{"action":"accept","content":{}}}"#;
    for (label, session) in [("other", &stranger), ("agent", &of_same_grant)] {
        assert_eq!(post_in(&scene, label, session, reply).await.status, 400, "{label}");
    }
    assert_eq!(scene.post("other", reply).await.status, 400);
    assert_eq!(forwarded(&scene, "(response)"), 0);
    assert_eq!(post_in(&scene, "agent", &asked, reply).await.status, 202);
    assert_eq!(forwarded(&scene, "(response)"), 1);
    assert_eq!(post_in(&scene, "agent", &asked, reply).await.status, 400, "answered once");
    assert_eq!(forwarded(&scene, "(response)"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_sample_is_refused_and_the_agent_never_asked() {
    let scene = stateful().await;
    let session = hello(&scene, "agent").await;
    let requests = scene.log.requests();
    let opened = requests.iter().rfind(|request| request.holds("\"agent\"")).expect("a handshake");
    assert!(!opened.holds("sampling"), "the capability is not offered");
    let mut stream = listen(&scene, "agent", &session).await;
    for method in ["sampling/createMessage", "roots/list", "tools/call"] {
        scene
            .recorder
            .send(&json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": {} }));
        it::wait::until(format!("the refusal of {method}"), || async {
            let refused = |request: &it::recorder::RawRequest| {
                request.holds(&format!("\"{method}\"")) && request.holds("\"error\"")
            };
            scene.log.requests().iter().any(refused).then_some(())
        })
        .await;
    }
    scene.recorder.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": "the last word" },
    }));
    let heard = stream.event(|data| data.contains("the last word"));
    assert!(it::wait::bounded("the last word", heard).await.is_some());
    let again = stream.event(|data| data.contains("createMessage") || data.contains("roots/list"));
    let nothing = tokio::time::timeout(Duration::from_millis(1), again).await;
    assert!(nothing.is_err(), "the agent was asked: {nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_streams_is_a_405_and_not_an_error_of_the_gateway() {
    let server = Scripted::start(|seen| {
        usual(seen, &[tool("write")]).unwrap_or_else(|| vec![answer("405 Method Not Allowed", "")])
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let token = Config::token_of("agent");
    let opened = gateway.post(SERVER, &token, &hello_body("agent")).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let get = Ask::bare("GET", "/mcp/alpha")
        .with("Authorization", &format!("Bearer {token}"))
        .with("Accept", "text/event-stream")
        .with("Mcp-Session-Id", &session);
    assert_eq!(wire::ask(gateway.door, &get).await.expect("an answer").status, 405);
}

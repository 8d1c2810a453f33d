//! Sessions: the agent's, the server's behind it, and what the gateway keeps between them.

use futures_util::future::join_all;
use it::gateway::Config;
use it::recorder::{Fault, Options};
use it::scene::{Plan, SERVER, Scene, call_body, denied, ran};
use it::wire::{self, Ask};
use serde_json::{Value, json};

use super::scripted::{Step, answer, result, tool, usual};
use super::{
    Scripted, call_in, forwarded, hello, hello_body, inspect, listen, open, place_of, runs_of,
};

async fn stateful(policy: &Value) -> Scene {
    let plan = Plan::with(Options::strict(SERVER).stateful()).await;
    plan.granting("agent", policy).granting("other", policy).start().await
}

/// The session in which the newest call reached the server.
fn server_session(scene: &Scene) -> String {
    let requests = scene.log.requests();
    let call = requests.iter().rfind(|request| request.holds("tools/call")).expect("a call");
    call.header("mcp-session-id").expect("in a session").to_owned()
}

/// The server forgets a session, as after a restart of its own.
async fn forget(scene: &Scene, session: &str) {
    let ask = Ask::bare("DELETE", "/mcp")
        .with("Authorization", &scene.recorder.options().credential)
        .with("Mcp-Session-Id", session);
    let answer = wire::ask(place_of(&scene.recorder), &ask).await.expect("an answer");
    assert_eq!(answer.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream_session_is_reopened_once_and_no_write_is_replayed() {
    let scene = stateful(&open()).await;
    let session = hello(&scene, "agent").await;
    assert!(ran(&call_in(&scene, "agent", &session, "before").await));
    let dead = server_session(&scene);
    forget(&scene, &dead).await;
    let begun = forwarded(&scene, "initialize");
    let healed = call_in(&scene, "agent", &session, "after").await;
    assert!(ran(&healed), "{}", healed.text());
    assert_ne!(server_session(&scene), dead);
    assert!(ran(&call_in(&scene, "agent", &session, "later").await), "the session goes on");
    assert_eq!(forwarded(&scene, "initialize") - begun, 1, "it was opened again once");
    for mark in ["before", "after", "later"] {
        assert_eq!(runs_of(&scene, mark), 1, "{mark}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_in_a_dead_session_open_it_again_once_and_run_once_each() {
    let scene = stateful(&open()).await;
    let session = hello(&scene, "agent").await;
    assert!(ran(&call_in(&scene, "agent", &session, "before").await));
    forget(&scene, &server_session(&scene)).await;
    let begun = forwarded(&scene, "initialize");
    let marks: Vec<String> = (0..20).map(|n| format!("call-{n}")).collect();
    let answers = join_all(marks.iter().map(|mark| call_in(&scene, "agent", &session, mark))).await;
    for (mark, answer) in marks.iter().zip(&answers) {
        assert!(ran(answer), "{mark}: {}", answer.text());
        assert_eq!(runs_of(&scene, mark), 1, "{mark}");
    }
    assert_eq!(forwarded(&scene, "initialize") - begun, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ran_before_its_session_broke_is_not_made_again() {
    let scene = stateful(&open()).await;
    let session = hello(&scene, "agent").await;
    for (n, fault) in [Fault::Close, Fault::Cut, Fault::Status(500)].into_iter().enumerate() {
        scene.recorder.set_fault(Some(fault.clone()));
        let mark = format!("write-{n}");
        let answer = call_in(&scene, "agent", &session, &mark).await;
        scene.recorder.set_fault(None);
        assert_eq!(answer.reply()["error"]["code"], json!(1002), "{fault:?}: {}", answer.text());
        assert_eq!(runs_of(&scene, &mark), 1, "{fault:?}");
        assert!(ran(&call_in(&scene, "agent", &session, "healthy").await), "{fault:?} lasts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_reopened_is_tried_once_and_then_said_to_be_gone() {
    let server = Scripted::start(|seen| {
        let forgotten = || vec![answer("404 Not Found\r\nContent-Type: text/plain", "forgotten")];
        usual(seen, &[tool("write")]).unwrap_or_else(forgotten)
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let token = Config::token_of("agent");
    let answer = gateway.post(SERVER, &token, &hello_body("agent")).await;
    let session = answer.header("mcp-session-id").expect("a session").to_owned();
    let begun = server.handshakes_of("agent");
    let ask = Ask::mcp("/mcp/alpha", &token, call_body(1, "write", &json!({})))
        .with("Mcp-Session-Id", &session);
    let gone = wire::ask(gateway.door, &ask).await.expect("an answer");
    // 404 is what makes a client of the legacy era open a new session.
    assert_eq!(gone.status, 404, "{}", gone.text());
    assert_eq!(server.handshakes_of("agent") - begun, 1);
    assert_eq!(server.count("tools/call"), 2, "once, and once in the session opened again");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_never_share_a_session_of_the_server() {
    let scene = stateful(&open()).await;
    let mut seen = Vec::new();
    for label in ["agent", "other", "agent"] {
        let session = hello(&scene, label).await;
        assert!(ran(&call_in(&scene, label, &session, "a").await));
        seen.push(server_session(&scene));
        // The other side's name for it is not what the agent holds.
        assert_ne!(seen.last(), Some(&session));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_of_the_same_grant_keeps_its_session() {
    let scene = stateful(&open()).await;
    let wanted = json!({ "label": "made-here", "server": SERVER, "policy": "agent" });
    let made = scene.gateway.api("POST", "grants", Some(wanted)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = serde_json::from_slice(&made.body).expect("JSON");
    let old = made["token"].as_str().expect("a token").to_owned();
    let opened = it::wait::until("the grant to be in force", || async {
        let answer = scene.gateway.post(SERVER, &old, &hello_body("agent")).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let path = format!("grants/{}/rotate", made["id"].as_str().expect("an id"));
    let rotated = scene.gateway.api("POST", &path, Some(json!({}))).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let rotated: Value = serde_json::from_slice(&rotated.body).expect("JSON");
    let new = rotated["token"].as_str().expect("a token").to_owned();
    let body = call_body(1, "read_item", &json!({}));
    let call =
        |token: &str| Ask::mcp("/mcp/alpha", token, body.clone()).with("Mcp-Session-Id", &session);
    let answer = it::wait::until("the new token to be in force", || async {
        let answer = scene.send(&call(&new)).await;
        (answer.status != 401).then_some(answer)
    })
    .await;
    assert!(ran(&answer), "the session is bound to the grant: {}", answer.text());
    assert_eq!(scene.send(&call(&old)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_before_a_restart_is_a_404_that_opening_anew_heals() {
    let mut scene = stateful(&open()).await;
    let session = hello(&scene, "agent").await;
    assert!(ran(&call_in(&scene, "agent", &session, "before").await));
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    let stale = call_in(&scene, "agent", &session, "stale").await;
    assert_eq!(stale.status, 404, "{}", stale.text());
    assert_eq!(runs_of(&scene, "stale"), 0);
    let session = hello(&scene, "agent").await;
    assert!(ran(&call_in(&scene, "agent", &session, "after").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_under_the_policy_of_now_not_of_when_it_was_opened() {
    let mut scene = stateful(&open()).await;
    let session = hello(&scene, "agent").await;
    assert!(ran(&call_in(&scene, "agent", &session, "allowed").await));
    let nothing = json!({ "version": "1", "default": "deny", "tools": {} });
    scene.gateway.set_policy("agent", &nothing);
    scene.gateway.reload().await;
    let answer = call_in(&scene, "agent", &session, "refused").await;
    assert!(denied(&answer), "{}", answer.text());
    assert_eq!(runs_of(&scene, "refused"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_grant_that_may_nothing_opens_no_door_for_another() {
    let plan = Plan::with(Options::strict(SERVER).stateful()).await;
    let nothing = json!({ "version": "1", "default": "deny", "tools": {} });
    let scene = plan.granting("poor", &nothing).granting("rich", &open()).start().await;
    let of_poor = hello(&scene, "poor").await;
    let of_rich = hello(&scene, "rich").await;
    assert_eq!(call_in(&scene, "rich", &of_poor, "crossed").await.status, 404);
    assert_eq!(call_in(&scene, "poor", &of_rich, "crossed").await.status, 404);
    assert!(denied(&call_in(&scene, "poor", &of_poor, "crossed").await));
    assert_eq!(runs_of(&scene, "crossed"), 0);
    assert!(ran(&call_in(&scene, "rich", &of_rich, "own").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn inspecting_again_and_again_opens_one_session_of_the_server() {
    let server = Scripted::start(|seen| {
        usual(seen, &[tool("write")]).unwrap_or_else(|| vec![answer("405 No", "")])
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    for _look in 0..20 {
        let answer = gateway.api("POST", "servers/alpha/inspect", Some(json!({}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert!(server.count("tools/list") >= 20);
    assert_eq!(server.count("initialize"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_the_gateways_health_asks_nothing_of_its_servers() {
    let scene = stateful(&open()).await;
    assert_eq!(inspect(&scene).await.status, 200);
    let before = scene.log.request_count();
    for path in ["/livez", "/readyz", "/readyz?verbose", "/metrics"].repeat(10) {
        let answer = wire::ask(scene.gateway.console, &Ask::bare("GET", path)).await;
        assert_eq!(answer.expect("an answer").status, 200, "{path}");
    }
    assert_eq!(scene.log.request_count(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_to_list_again_is_not_dropped() {
    let lists = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let may_list = std::sync::Arc::clone(&lists);
    let server = Scripted::start(move |seen| {
        if seen.method() == "tools/call" {
            return vec![result(seen, &json!({ "content": [] }))];
        }
        let refuses = !may_list.load(std::sync::atomic::Ordering::SeqCst);
        if refuses && seen.method() == "tools/list" {
            return vec![answer("400 Bad Request\r\nContent-Type: text/plain", "no")];
        }
        usual(seen, &[tool("write")]).unwrap_or_else(|| vec![answer("405 No", "")])
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let token = Config::token_of("agent");
    assert!(ran(&gateway.call("alpha", &token, "write", json!({})).await));
    lists.store(false, std::sync::atomic::Ordering::SeqCst);
    let failed = gateway.api("POST", "servers/alpha/inspect", Some(json!({}))).await;
    assert!(failed.text().contains("\"reachable\":false"), "{}", failed.text());
    let answer = gateway.call("alpha", &token, "write", json!({})).await;
    assert!(ran(&answer), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_forgets_its_session_id_is_left_to_the_server() {
    let scene = stateful(&open()).await;
    hello(&scene, "agent").await;
    let before = scene.log.request_count();
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let mut sessions = Vec::new();
    scene.log.each_request_after(before, |request| {
        // The gateway may list the server at the same time.
        if String::from_utf8_lossy(&request.body).contains("tools/call") {
            sessions.push(request.header("mcp-session-id").map(str::to_owned));
        }
    });
    assert_eq!(sessions, [None], "forwarded as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_posts_and_the_stream_of_an_agent_meet_in_one_session_of_the_server() {
    let scene = stateful(&open()).await;
    let session = hello(&scene, "agent").await;
    let mut stream = listen(&scene, "agent", &session).await;
    assert!(ran(&call_in(&scene, "agent", &session, "a").await));
    let requests = scene.log.requests();
    let get = requests.iter().rfind(|request| request.method == "GET").expect("a stream");
    assert_eq!(get.header("mcp-session-id"), Some(server_session(&scene).as_str()));
    scene.recorder.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": "heard on the stream" },
    }));
    let heard = stream.event(|data| data.contains("heard on the stream"));
    assert!(it::wait::bounded("the message", heard).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_does_not_cost_a_connection_or_a_handshake() {
    let server = Scripted::start(|seen| {
        let ran = || vec![result(seen, &json!({ "content": [] }))];
        usual(seen, &[tool("write")]).unwrap_or_else(ran)
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let token = Config::token_of("agent");
    assert!(ran(&gateway.call("alpha", &token, "write", json!({})).await));
    let (connections, handshakes) = (server.connections(), server.count("initialize"));
    for _call in 0..50 {
        assert!(ran(&gateway.call("alpha", &token, "write", json!({})).await));
    }
    assert_eq!(server.count("initialize"), handshakes);
    assert!(server.connections() <= connections + 1, "{}", server.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_the_revision_that_has_them_carries_no_forbidden_call() {
    let policy = json!({ "version": "1", "default": "deny", "tools": { "read_item": {} } });
    let scene = stateful(&policy).await;
    let body = hello_body("agent").replace("2025-11-25", "2025-03-26");
    let ask = scene.ask("agent", &body).set("MCP-Protocol-Version", "2025-03-26");
    let opened = scene.send(&ask).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let calls = [
        call_body(1, "read_item", &json!({ "id": "one" })),
        call_body(2, "delete_all", &json!({})),
        call_body(3, "read_item", &json!({ "id": "two" })),
    ];
    let batch = format!("[{}]", calls.join(","));
    let ask = scene.ask("agent", &batch).set("MCP-Protocol-Version", "2025-03-26");
    let answer = scene.send(&ask.with("Mcp-Session-Id", &session)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut ran: Vec<String> = scene.log.tools_after(0);
    ran.sort();
    assert_eq!(ran, ["read_item", "read_item"]);
    let text = answer.text();
    assert_eq!(text.matches("[POLICY DENIED]").count(), 1, "{text}");
    let ask = scene.ask("agent", &format!("[{}]", calls[1]));
    let ask = ask.set("MCP-Protocol-Version", "2025-03-26").with("Mcp-Session-Id", &session);
    let later = scene.send(&ask).await;
    assert_eq!(later.status, 200, "a batch of one: {}", later.text());
    assert_eq!(scene.log.executed_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_stream_belongs_to_the_session_that_it_was_issued_in() {
    let server = Scripted::start(|seen| {
        let event = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: event-of-one\n\
                     data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"private\"}}\n\n";
        let stream = || vec![Step::Send(event.into()), Step::Stay];
        usual(seen, &[tool("write")]).unwrap_or_else(stream)
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let token = Config::token_of("agent");
    let mut sessions = Vec::new();
    for _client in 0..2 {
        let answer = gateway.post(SERVER, &token, &hello_body("agent")).await;
        sessions.push(answer.header("mcp-session-id").expect("a session").to_owned());
    }
    let get = |session: &str| {
        Ask::bare("GET", "/mcp/alpha")
            .with("Authorization", &format!("Bearer {token}"))
            .with("Accept", "text/event-stream")
            .with("Mcp-Session-Id", session)
    };
    let mut first = wire::open(gateway.door, &get(&sessions[0])).await.expect("a stream");
    let heard = first.event(|data| data.contains("private"));
    assert!(it::wait::bounded("the event", heard).await.is_some());
    let stolen = get(&sessions[1]).with("Last-Event-ID", "event-of-one");
    let stolen = wire::ask(gateway.door, &stolen).await.expect("an answer");
    assert_eq!(stolen.status, 400, "{}", stolen.text());
    let passed = |seen: &super::scripted::Seen| seen.header("last-event-id").is_some();
    assert!(!server.seen().iter().any(passed));
    let own = get(&sessions[0]).with("Last-Event-ID", "event-of-one");
    let own = wire::open(gateway.door, &own).await.expect("a stream");
    assert_eq!(own.head.status, 200);
    assert!(server.seen().iter().any(passed));
}

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::agent::{Agent, call, method, modern, read, read_until};
use super::sessions::opened;
use super::world::{Setup, TOKEN, World};

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;
const DENY: &str = r#"{"version":"1","default":"deny"}"#;
pub(super) const ANSWER: &str = r#"{ "jsonrpc":"2.0","id":7,"result":{"content":[],"big":1.50}}"#;

pub(super) async fn give(stream: &mpsc::Sender<Bytes>, text: &str) {
    stream.send(Bytes::from(text.to_owned())).await.expect("the gateway reads");
}

fn event(id: &str, data: &str) -> String {
    format!("id: {id}\ndata: {data}\n\n")
}

/// Waits until the record of the only call says how it ended.
pub(super) async fn outcome(world: &World) -> String {
    loop {
        let rows = world.audit().await;
        let ends = rows.iter().filter(|row| row.tool.is_some()).find_map(|row| row.outcome.clone());
        if let Some(end) = ends.filter(|end| end != "unknown") {
            return end;
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn until_seen(world: &World, needle: &str) {
    while !world
        .peer
        .seen()
        .iter()
        .any(|seen| seen.body.contains(needle) || seen.head.contains(needle))
    {
        tokio::task::yield_now().await;
    }
}

/// Opens a GET stream and reads its head.
pub(super) async fn listen(agent: &Agent) -> TcpStream {
    let mut stream = agent.open("GET", "/mcp/pay", "").await;
    let head = read_until(&mut stream, ":\n\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    stream
}

#[tokio::test]
async fn events_of_the_server_pass_as_they_were_sent_and_the_answer_ends_the_stream() {
    let world = World::new(ALLOW).await;
    let stream = world.peer.stream("tools/call");
    let running = world.agent().open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
    let note = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":0.50}}\n\n";
    give(&stream, note).await;
    let foreign = r#"{"jsonrpc":"2.0","id":8,"result":{}}"#;
    give(&stream, &format!("data: {foreign}\n\n")).await;
    give(&stream, &format!("data: {ANSWER}\n\n")).await;
    let got = read(running).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    assert_eq!(got.header("x-accel-buffering"), Some("no"));
    assert_eq!(got.body, format!(":\n\n{note}data: {ANSWER}\n\n"));
    assert_eq!(outcome(&world).await, "ok");
    world.stop().await;
}

#[tokio::test]
async fn a_stream_that_ends_without_the_answer_is_1002() {
    let world = World::new(ALLOW).await;
    for sent in ["", ": nothing\n\n", "data: {\"jsonrpc\":\"2.0\"\n\n"] {
        let stream = world.peer.stream("tools/call");
        let running = world.agent().open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
        if !sent.is_empty() {
            give(&stream, sent).await;
        }
        drop(stream);
        assert_eq!(read(running).await.json()["error"]["code"], 1002, "{sent:?}");
    }
    // Outcomes are written after the answer went out.
    let rows = loop {
        let rows = world.audit().await;
        let over = |row: &store::AuditEntry| row.outcome.as_deref().is_some_and(|o| o != "unknown");
        if rows.iter().all(over) {
            break rows;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.outcome.as_deref() == Some("broken")), "{rows:?}");
    assert!(rows.iter().all(|row| row.upstream_status == Some(200)), "{rows:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_parked_answer_comes_on_the_resumed_stream_of_its_session_only() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let stream = world.peer.stream("tools/call");
    let running = agent.open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
    give(&stream, "id: e-1\ndata: \n\n").await;
    drop(stream);
    let got = read(running).await;
    assert_eq!(got.body, ":\n\nid: e-1\ndata: \n\n");
    // Nobody else can resume it, also not the same grant in another session or without one.
    let resume = |agent: &Agent| agent.with("Last-Event-ID", "e-1");
    let got = world.agent().post(&method(0, "initialize", "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"b\",\"version\":\"1\"}}")).await;
    let second = world.agent().with("Mcp-Session-Id", got.header("mcp-session-id").expect("one"));
    for other in [world.agent(), world.other_agent(), second] {
        assert_eq!(resume(&other).send("GET", "/mcp/pay", "").await.status, 400);
    }
    assert_eq!(agent.with("Last-Event-ID", "e-2").send("GET", "/mcp/pay", "").await.status, 400);
    assert!(world.peer.seen().iter().all(|seen| !seen.head.contains("last-event-id")));
    let stream = world.peer.stream("GET");
    let mut resumed = resume(&agent).open("GET", "/mcp/pay", "").await;
    // The answer to a request that nobody made does not pass, the parked one does.
    give(&stream, &event("e-2", r#"{"jsonrpc":"2.0","id":99,"result":{}}"#)).await;
    give(&stream, &event("e-3", ANSWER)).await;
    let shown = read_until(&mut resumed, "1.50}}\n\n").await;
    assert!(shown.contains(&event("e-3", ANSWER)) && !shown.contains("99"), "{shown}");
    until_seen(&world, "\"last-event-id\": \"e-1\"").await;
    assert_eq!(outcome(&world).await, "ok");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_missed_can_be_replayed_and_a_replayed_list_is_filtered() {
    let world = World::new(r#"{"version":"1","default":"allow","hide":["delete_all"]}"#).await;
    let (agent, _session) = opened(&world).await;
    let _listed = agent.post(&method(1, "tools/list", "{}")).await;
    let stream = world.peer.stream("tools/list");
    let mut running = agent.open("POST", "/mcp/pay", &method(7, "tools/list", "{}")).await;
    give(&stream, "id: e-1\ndata: \n\n").await;
    let _shown = read_until(&mut running, "e-1").await;
    drop(running);
    // Another request of the same identifier does not change what the answer is.
    let tools =
        [super::peer::tool("read_item", "reads"), super::peer::tool("delete_all", "deletes")];
    let list =
        serde_json::json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": tools}}).to_string();
    let resumed = world.peer.stream("GET");
    let mut late = agent.with("Last-Event-ID", "e-1").open("GET", "/mcp/pay", "").await;
    give(&resumed, &event("e-2", &list)).await;
    let shown = read_until(&mut late, "read_item").await;
    assert!(shown.contains("id: e-2\n") && !shown.contains("delete_all"), "{shown}");
    drop(late);
    let again = world.peer.stream("GET");
    let mut late = agent.with("Last-Event-ID", "e-1").open("GET", "/mcp/pay", "").await;
    give(&again, &event("e-2", &list)).await;
    let shown = read_until(&mut late, "read_item").await;
    assert!(shown.contains("id: e-2\n") && !shown.contains("delete_all"), "{shown}");
    world.stop().await;
}

#[tokio::test]
async fn a_changed_policy_is_announced_on_one_stream_of_a_session_without_an_identifier() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let (first, second) = (world.peer.stream("GET"), world.peer.stream("GET"));
    let mut streams = [listen(&agent).await, listen(&agent).await];
    world.set_policy(DENY).await;
    let [one, two] = &mut streams;
    // What the server sends passes still, and is judged by the policy that is in force now.
    let updated = |uri: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{{\"uri\":\"{uri}\"}}}}\n\n"
        )
    };
    let last = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n";
    let mut all = String::new();
    for (stream, socket) in [(&first, one), (&second, two)] {
        give(stream, &updated("test://a")).await;
        give(stream, last).await;
        all.push_str(&read_until(socket, "notifications/message").await);
    }
    assert!(!all.contains("test://a"), "{all}");
    assert_eq!(all.matches("list_changed").count(), 1, "{all}");
    let announced = r#"data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    assert!(all.contains(announced) && !all.contains("id:"), "{all}");
    drop(streams);
    world.stop().await;
}

/// Reads on until an event of the server passed that is told now.
async fn read_past(server: &mpsc::Sender<Bytes>, socket: &mut TcpStream, mark: &str) -> String {
    let note = format!(
        "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"data\":\"{mark}\"}}}}\n\n"
    );
    give(server, &note).await;
    read_until(socket, mark).await
}

#[tokio::test]
async fn the_first_list_of_a_server_is_no_change_for_who_was_shown_none() {
    let setup = Setup { policy: Some(ALLOW), holds_first_list: true, ..Setup::default() };
    let world = World::with(setup).await;
    let (agent, _session) = opened(&world).await;
    let server = world.peer.stream("GET");
    let mut socket = listen(&agent).await;
    until_seen(&world, "tools/list").await;
    assert_eq!(world.gateway.status().servers[0].tools, 0);
    world.peer.first_list.send_replace(false);
    let slug = store::ServerSlug::parse("pay").expect("a slug");
    let found = world.gateway.inspect(&slug).await.expect("inspected");
    assert_eq!((found.tools, found.quarantined), (3, 0));
    let shown = read_past(&server, &mut socket, "mark-1").await;
    assert!(!shown.contains("list_changed"), "{shown}");
    world.stop().await;
}

#[tokio::test]
async fn a_change_is_announced_when_a_list_reads_differently_and_only_then() {
    let world = World::new(r#"{"version":"1","default":"allow","hide":["delete_all"]}"#).await;
    let _listed = world.agent().post(&method(1, "tools/list", "{}")).await;
    let (agent, _session) = opened(&world).await;
    let server = world.peer.stream("GET");
    let mut socket = listen(&agent).await;
    let slug = store::ServerSlug::parse("pay").expect("a slug");
    // A new tool is quarantined, and a changed one that is hidden is not on the list either.
    world.peer.set(|state| {
        state.tools.push(super::peer::tool("wipe_disk", "wipes"));
        state.tools[2] = super::peer::tool("delete_all", "deletes more");
    });
    let found = world.gateway.inspect(&slug).await.expect("inspected");
    assert_eq!((found.tools, found.quarantined), (4, 2));
    let shown = read_past(&server, &mut socket, "mark-1").await;
    assert!(!shown.contains("list_changed"), "{shown}");
    world.peer.set(|state| state.tools[1] = super::peer::tool("pay", "pays more"));
    assert!(world.gateway.inspect(&slug).await.expect("inspected").changed);
    let shown = read_past(&server, &mut socket, "mark-2").await;
    assert_eq!(shown.matches("list_changed").count(), 1, "it is quarantined now: {shown}");
    world.peer.set(|state| state.tools[1] = super::peer::tool("pay", "pays"));
    assert!(world.gateway.inspect(&slug).await.expect("inspected").changed);
    let shown = read_past(&server, &mut socket, "mark-3").await;
    assert_eq!(shown.matches("list_changed").count(), 1, "it is accepted again: {shown}");
    assert!(!world.gateway.inspect(&slug).await.expect("inspected").changed);
    let shown = read_past(&server, &mut socket, "mark-4").await;
    assert!(!shown.contains("list_changed"), "{shown}");
    world.stop().await;
}

#[tokio::test]
async fn a_change_while_no_stream_was_open_is_announced_on_the_next() {
    let world = World::new(ALLOW).await;
    let _listed = world.agent().post(&method(1, "tools/list", "{}")).await;
    let (agent, _session) = opened(&world).await;
    world.set_policy(DENY).await;
    world.set_policy(ALLOW).await;
    let _stream = world.peer.stream("GET");
    let mut socket = agent.open("GET", "/mcp/pay", "").await;
    let shown = read_until(&mut socket, "list_changed").await;
    assert_eq!(shown.matches("list_changed").count(), 1, "{shown}");
    world.stop().await;
}

#[tokio::test]
async fn a_subscription_announces_after_its_acknowledgement_and_what_it_grants() {
    let world = World::new(ALLOW).await;
    let _listed = world.agent().post(&method(1, "tools/list", "{}")).await;
    for (granted, announced) in [("true", 1), ("false", 0)] {
        let stream = world.peer.stream("subscriptions/listen");
        let filter = r#""notifications":{"toolsListChanged":true}"#;
        let (agent, body) = modern(&world.agent(), "subscriptions/listen", filter, "{}");
        let mut socket = agent.open("POST", "/mcp/pay", &body).await;
        let _head = read_until(&mut socket, ":\n\n").await;
        let text = format!(r#"{{"version":"1","default":"allow","hide":["x{granted}"]}}"#);
        world.set_policy(&text).await;
        let acknowledged = format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{{\"notifications\":{{\"toolsListChanged\":{granted}}}}}}}\n\n"
        );
        give(&stream, &acknowledged).await;
        let mut shown = read_until(&mut socket, "acknowledged").await;
        assert!(!shown.contains("tools/list_changed"), "{shown}");
        give(
            &stream,
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\"}}\n\n",
        )
        .await;
        shown.push_str(&read_until(&mut socket, "complete").await);
        assert_eq!(shown.matches("tools/list_changed").count(), announced, "{shown}");
        if announced == 1 {
            assert!(shown.contains(r#"{"io.modelcontextprotocol/subscriptionId":1}"#), "{shown}");
        }
    }
    let uris = r#""notifications":{"resourceSubscriptions":["test://a"]}"#;
    world.set_policy(DENY).await;
    let (agent, body) = modern(&world.agent(), "subscriptions/listen", uris, "{}");
    assert_eq!(agent.post(&body).await.json()["error"]["code"], 1003);
    world.stop().await;
}

#[tokio::test]
async fn a_modern_client_that_leaves_cancels_its_call_at_the_server() {
    let world = World::new(ALLOW).await;
    let stream = world.peer.stream("tools/call");
    let (agent, body) =
        modern(&world.agent(), "tools/call", r#""name":"pay","arguments":{}"#, "{}");
    let mut socket = agent.with("Mcp-Name", "pay").open("POST", "/mcp/pay", &body).await;
    give(&stream, ": begun\n\n").await;
    let _shown = read_until(&mut socket, "begun").await;
    drop(socket);
    stream.closed().await;
    assert_eq!(outcome(&world).await, "cancelled");
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_that_leaves_its_stream_cancels_nothing() {
    let world = World::new(ALLOW).await;
    let stream = world.peer.stream("tools/call");
    let mut socket = world.agent().open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
    give(&stream, ": begun\n\n").await;
    let _shown = read_until(&mut socket, "begun").await;
    drop(socket);
    while world.gateway.plane.tracker.len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!stream.is_closed());
    give(&stream, &format!("data: {ANSWER}\n\n")).await;
    assert_eq!(outcome(&world).await, "ok");
    world.stop().await;
}

#[tokio::test]
async fn the_streams_of_a_revoked_grant_close_within_a_second() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let (listening, calling) = (world.peer.stream("GET"), world.peer.stream("tools/call"));
    let mut listener = listen(&agent).await;
    let mut caller = agent.open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
    give(&calling, ": begun\n\n").await;
    let _shown = read_until(&mut caller, "begun").await;
    let now = policy::UnixMillis(world.clock.load(std::sync::atomic::Ordering::SeqCst));
    world.store.revoke_grant(&store::GrantId::from_bytes([1; 16]), now).await.expect("revoked");
    let mut rest = Vec::new();
    for socket in [&mut listener, &mut caller] {
        let ended = timeout(Duration::from_secs(1), socket.read_to_end(&mut rest)).await;
        ended.expect("closed within a second").expect("closed in order");
    }
    listening.closed().await;
    // The call had left: it is finished and recorded, for nobody to read.
    give(&calling, &format!("data: {ANSWER}\n\n")).await;
    assert_eq!(outcome(&world).await, "ok");
    assert!(!String::from_utf8_lossy(&rest).contains("big"));
    world.stop().await;
}

#[tokio::test]
async fn the_streams_of_an_ended_session_close() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let listening = world.peer.stream("GET");
    let listener = listen(&agent).await;
    assert_eq!(agent.send("DELETE", "/mcp/pay", "").await.status, 204);
    listening.closed().await;
    drop(listener);
    world.stop().await;
}

#[tokio::test]
async fn requests_of_the_server_pass_as_its_settings_say_and_are_answered_once() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let stream = world.peer.stream("tools/call");
    let mut socket = agent.open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
    let ask = |id: &str, method: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"method\":\"{method}\",\"params\":{{}}}}\n\n"
        )
    };
    give(&stream, &ask("s-1", "sampling/createMessage")).await;
    give(&stream, &ask("s-2", "roots/list")).await;
    give(&stream, &ask("s-3", "vendor/anything")).await;
    give(&stream, &ask("s-4", "elicitation/create")).await;
    let shown = read_until(&mut socket, "elicitation/create").await;
    assert!(shown.contains(&ask("s-4", "elicitation/create")), "{shown}");
    assert!(!shown.contains("s-1") && !shown.contains("s-2") && !shown.contains("s-3"), "{shown}");
    let seen = world.peer.seen();
    for id in ["s-1", "s-2", "s-3"] {
        let refusal = seen.iter().find(|seen| seen.body.contains(id)).expect("refused");
        assert!(refusal.body.contains("-32601"), "{refusal:?}");
        assert!(refusal.head.contains("upstream-session-"), "{refusal:?}");
    }
    let answer =
        |id: &str| format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"action":"accept"}}}}"#);
    assert_eq!(agent.post(&answer("s-1")).await.status, 400);
    // Outstanding in its own session only.
    assert_eq!(world.agent().post(&answer("s-4")).await.status, 400);
    assert_eq!(world.other_agent().post(&answer("s-4")).await.status, 400);
    assert_eq!(agent.post(&answer("s-4")).await.status, 202);
    assert_eq!(agent.post(&answer("s-4")).await.status, 400);
    let sent = world.peer.seen().iter().filter(|seen| seen.body == answer("s-4")).count();
    assert_eq!(sent, 1);
    give(&stream, &format!("data: {ANSWER}\n\n")).await;
    assert!(read_until(&mut socket, "1.50}}").await.contains(ANSWER));
    let rows = world.audit().await;
    let rejected = rows.iter().filter(|row| row.kind == store::AuditKind::Rejected).count();
    assert_eq!(rejected, 4);
    world.stop().await;
}

#[tokio::test]
async fn every_element_of_a_batch_is_decided_on_its_own() {
    let world = World::new(r#"{"version":"1","default":"deny","tools":{"read_item":{"limits":[{"window":"hour","max":1}]}}}"#).await;
    world.peer.set(|state| state.version = "2025-03-26");
    let (agent, session) = opened(&world).await;
    let batch = format!(
        "[{},{},{},{},{}]",
        call(1, "read_item", "{}"),
        call(2, "pay", "{}"),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        call(3, "read_item", "{}"),
        r#"{"jsonrpc":"2.0","id":77,"result":{}}"#,
    );
    let got = agent.post(&batch).await;
    assert_eq!(got.status, 200, "{got:?}");
    let answers = got.json();
    let answers = answers.as_array().expect("an array");
    assert_eq!(answers.len(), 4, "{got:?}");
    assert!(got.body.contains("ran read_item"), "{got:?}");
    let reason =
        |at: usize| answers[at]["result"]["_meta"]["portcullis/decision"]["reason"].clone();
    assert_eq!((reason(1), reason(2)), ("not_listed".into(), "limit_exceeded".into()));
    assert!(answers[3]["error"]["code"].is_i64(), "{got:?}");
    assert_eq!(world.peer.ran(), ["read_item"]);
    assert!(world.peer.seen().iter().all(|seen| !seen.body.starts_with('[')));
    let rows = world.audit().await;
    let verdicts: Vec<&str> = rows
        .iter()
        .filter(|row| row.session.as_deref() == Some(session.as_str()))
        .map(|row| row.verdict.as_str())
        .collect();
    assert_eq!(verdicts, ["allow", "deny", "deny"]);
    // Nobody else may send one.
    for other in [world.agent(), world.other_agent().with("Mcp-Session-Id", &session)] {
        let status = other.post(&format!("[{}]", call(1, "read_item", "{}"))).await.status;
        assert!(status == 400 || status == 404, "{status}");
    }
    assert_eq!(agent.with_token(TOKEN).post("[]").await.status, 400);
    world.stop().await;
}

#[tokio::test]
async fn a_grant_whose_time_is_over_hears_nothing_more() {
    let setup = Setup { policy: Some(ALLOW), grant_seconds: Some(600), ..Setup::default() };
    let world = World::with(setup).await;
    let (agent, _session) = opened(&world).await;
    let get = world.peer.stream("GET");
    let mut listener = listen(&agent).await;
    let subscription = world.peer.stream("subscriptions/listen");
    let filter = r#""notifications":{"toolsListChanged":true}"#;
    let (modern_agent, body) = modern(&world.agent(), "subscriptions/listen", filter, "{}");
    let mut subscriber = modern_agent.open("POST", "/mcp/pay", &body).await;
    let _head = read_until(&mut subscriber, ":\n\n").await;
    world.pass(599);
    give(&get, ": still here\n\n").await;
    let _shown = read_until(&mut listener, "still here").await;
    world.pass(1);
    for (stream, socket) in [(&get, &mut listener), (&subscription, &mut subscriber)] {
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(20), socket.read_to_end(&mut rest)).await;
        ended.expect("closed in time").expect("closed in order");
        stream.closed().await;
    }
    assert_eq!(agent.post(&method(1, "ping", "{}")).await.status, 401);
    // The subscription had a record, which says that it is over.
    loop {
        let rows = world.audit().await;
        let row = rows.iter().find(|row| row.method.as_deref() == Some("subscriptions/listen"));
        if let Some(end) = row.and_then(|row| row.outcome.clone()).filter(|end| end != "unknown") {
            assert_eq!(end, "cancelled");
            break;
        }
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_parked_call_that_nothing_answers_is_given_up_recorded_and_counted() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let stream = world.peer.stream("tools/call");
    let running = agent.open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
    give(&stream, "id: e-1\ndata: \n\n").await;
    drop(stream);
    let _parked = read(running).await;
    world.begin_shutdown();
    assert_eq!(outcome(&world).await, "timeout");
    let metrics = world.gateway.encode_metrics();
    assert!(metrics.contains("outcomes_total{outcome=\"timeout\"} 1"), "{metrics}");
    world.stop().await;
}

#[tokio::test]
async fn calls_beyond_the_bound_of_parked_ones_are_not_parked() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let park = |id: u32| {
        let (world, agent) = (&world, &agent);
        async move {
            let stream = world.peer.stream("tools/call");
            let running = agent.open("POST", "/mcp/pay", &call(id, "pay", "{}")).await;
            give(&stream, &format!("id: e-{id}\ndata: \n\n")).await;
            drop(stream);
            read(running).await.body
        }
    };
    let bound = u32::try_from(crate::desk::AWAITED_MAX).expect("a small number");
    for id in 0..bound {
        let shown = park(id).await;
        assert_eq!(shown, format!(":\n\nid: e-{id}\ndata: \n\n"));
    }
    let shown = park(bound).await;
    assert!(shown.contains("1002"), "the agent is told that there is no answer: {shown}");
    assert_eq!(outcome_of(&world, "broken").await, 1);
    world.begin_shutdown();
    assert_eq!(outcome_of(&world, "timeout").await, crate::desk::AWAITED_MAX);
    world.stop().await;
}

/// Waits until calls ended so; how many.
async fn outcome_of(world: &World, end: &str) -> usize {
    loop {
        let rows = world.audit().await;
        let ended = rows.iter().filter(|row| row.outcome.as_deref() == Some(end)).count();
        let open = rows.iter().any(|row| row.outcome.as_deref() == Some("unknown"));
        if ended > 0 && (end != "timeout" || !open) {
            return ended;
        }
        tokio::task::yield_now().await;
    }
}

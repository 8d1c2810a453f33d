use super::agent::{Agent, call, method, read};
use super::world::World;

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;
const INITIALIZE: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"sampling":{},"roots":{},"elicitation":{}},"clientInfo":{"name":"tester","version":"3"}}"#;

pub(super) async fn opened(world: &World) -> (Agent, String) {
    world.peer.set(|state| state.sessions = Some(Vec::new()));
    opened_as(world, &world.agent()).await
}

/// Opens a further session.
async fn opened_as(world: &World, agent: &Agent) -> (Agent, String) {
    assert!(world.peer.has_sessions());
    let got = agent.post(&method(0, "initialize", INITIALIZE)).await;
    assert_eq!(got.status, 200, "{got:?}");
    let session = got.header("mcp-session-id").expect("a session").to_owned();
    (agent.with("Mcp-Session-Id", &session), session)
}

#[tokio::test]
async fn a_session_is_bound_to_its_grant_and_hides_the_servers_own() {
    let world = World::new(ALLOW).await;
    let (agent, session) = opened(&world).await;
    assert!(!session.contains("upstream"), "{session}");
    assert!(agent.post(&call(1, "read_item", "{}")).await.body.contains("ran read_item"));
    let sent = world.peer.seen();
    let last = sent.iter().rfind(|seen| seen.body.contains("tools/call")).expect("sent");
    assert!(
        last.head.contains("upstream-session-") && !last.head.contains(&session),
        "{}",
        last.head
    );
    let initialize = sent.iter().find(|seen| seen.body.contains("tester")).expect("sent");
    assert!(
        !initialize.body.contains("sampling") && !initialize.body.contains("roots"),
        "{}",
        initialize.body
    );
    assert!(initialize.body.contains("elicitation"), "{}", initialize.body);
    let foreign = world.other_agent().with("Mcp-Session-Id", &session);
    assert_eq!(foreign.post(&call(1, "read_item", "{}")).await.status, 404);
    assert_eq!(foreign.send("DELETE", "/mcp/pay", "").await.status, 404);
    assert_eq!(agent.send("DELETE", "/mcp/pay", "").await.status, 204);
    assert_eq!(agent.post(&call(1, "read_item", "{}")).await.status, 404);
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.tool.is_some()).expect("a row");
    assert_eq!(
        (row.client.as_deref(), row.session.as_deref()),
        (Some("tester/3"), Some(session.as_str()))
    );
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_opened_again_once() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    world.peer.set(|state| state.sessions = Some(Vec::new()));
    let got = agent.post(&call(1, "read_item", "{}")).await;
    assert!(got.body.contains("ran read_item"), "{got:?}");
    let opened = world.peer.seen().iter().filter(|seen| seen.body.contains("tester")).count();
    assert_eq!(opened, 2);
    world.stop().await;
}

#[tokio::test]
async fn cancellations_pass_only_for_requests_that_run_and_responses_only_for_requests_that_wait() {
    let world = World::new(ALLOW).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#;
    assert_eq!(world.agent().post(cancel).await.status, 202);
    world.peer.gate.send_replace(true);
    let running = world.agent().open("POST", "/mcp/pay", &call(9, "read_item", "{}")).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.other_agent().post(cancel).await.status, 202);
    assert!(world.peer.seen().iter().all(|seen| !seen.body.contains("cancelled")));
    assert_eq!(world.agent().post(cancel).await.status, 202);
    assert_eq!(world.peer.seen().iter().filter(|seen| seen.body.contains("cancelled")).count(), 1);
    world.peer.gate.send_replace(false);
    assert_eq!(read(running).await.status, 200);
    let response = r#"{"jsonrpc":"2.0","id":5,"result":{}}"#;
    assert_eq!(world.agent().post(response).await.status, 400);
    let unknown = r#"{"jsonrpc":"2.0","method":"notifications/tools/call"}"#;
    let got = world.agent().with_token(super::world::TOKEN).post(unknown).await;
    assert!(got.status == 202 || got.status == 400, "{got:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_request_is_cancelled_from_its_own_session_only() {
    let world = World::new(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let (second, _session) = opened_as(&world, &world.agent()).await;
    let (foreign, _session) = opened_as(&world, &world.other_agent()).await;
    world.peer.gate.send_replace(true);
    let running = agent.open("POST", "/mcp/pay", &call(9, "read_item", "{}")).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#;
    let text = cancel.replace('9', "\"9\"");
    let others = [&second, &foreign, &world.agent(), &world.other_agent()];
    for (who, body) in others.map(|other| (other, cancel)).into_iter().chain([(&agent, &*text)]) {
        assert_eq!(who.post(body).await.status, 202);
    }
    assert!(world.peer.seen().iter().all(|seen| !seen.body.contains("cancelled")));
    assert_eq!(agent.post(cancel).await.status, 202);
    let seen = world.peer.seen();
    let sent: Vec<_> = seen.iter().filter(|seen| seen.body.contains("cancelled")).collect();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].head.contains("upstream-session-"), "{:?}", sent[0]);
    world.peer.gate.send_replace(false);
    assert_eq!(read(running).await.status, 200);
    world.stop().await;
}

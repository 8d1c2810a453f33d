use std::sync::Arc;
use std::time::Duration;

use store::GrantId;

use super::agent::{Agent, call, method, read, read_until};
use super::sessions::opened;
use super::streams::{ANSWER, give, listen};
use super::world::{Setup, World};
use crate::plane::{Bounds, HOLDS_WAITING_MAX};
use crate::snapshot::GrantLive;

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;
const ASK: &str = r#"{"version":"1","default":"allow","tools":{"pay":{"action":"approve"}}}"#;
const HELLO: &str =
    r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"b","version":"1"}}"#;
const OPEN_MAX: usize = 3;
/// How long a held call waits.
const WAIT: Duration = Duration::from_secs(30);

async fn world(policy: &'static str) -> World {
    let bounds = Bounds { open_per_grant: OPEN_MAX, ..Bounds::default() };
    let setup = Setup { policy: Some(policy), wait_seconds: 30, bounds, ..Setup::default() };
    World::with(setup).await
}

fn grant(world: &World) -> Arc<GrantLive> {
    let snapshot = world.gateway.plane.snapshot.load();
    let first = GrantId::from_bytes([1; 16]);
    let grant = snapshot.grants().find(|grant| grant.record.id == first).expect("a grant");
    Arc::clone(&grant.live)
}

async fn until_open(world: &World, count: usize) {
    let grant = grant(world);
    while grant.seats.taken() != count {
        tokio::task::yield_now().await;
    }
}

async fn is_crowded(agent: &Agent) {
    let got = agent.post(&call(99, "read_item", "{}")).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("1")), "{got:?}");
    let error = &got.json()["error"];
    assert_eq!(error["code"], 1429);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("open at once")), "{got:?}");
}

#[tokio::test]
async fn a_grant_with_as_much_open_as_it_may_waits_and_others_do_not() {
    let world = world(ALLOW).await;
    let (agent, _session) = opened(&world).await;
    let _get = world.peer.stream("GET");
    let listener = listen(&agent).await;
    let events = world.peer.stream("tools/call");
    let mut streaming = agent.open("POST", "/mcp/pay", &call(7, "pay", "{}")).await;
    give(&events, ": begun\n\n").await;
    let _shown = read_until(&mut streaming, "begun").await;
    until_open(&world, 2).await;
    world.peer.gate.send_replace(true);
    let waiting = agent.open("POST", "/mcp/pay", &call(8, "pay", "{}")).await;
    until_open(&world, 3).await;
    is_crowded(&agent).await;
    is_crowded(&world.agent()).await;
    world.peer.gate.send_replace(false);
    // Sessions or not, a grant is one; another is another.
    let other = world.other_agent().post(&method(1, "initialize", HELLO)).await;
    assert_eq!(other.status, 200, "{other:?}");
    assert!(read(waiting).await.body.contains("ran pay"));
    until_open(&world, 2).await;
    assert!(agent.post(&call(9, "pay", "{}")).await.body.contains("ran pay"));
    give(&events, &format!("data: {ANSWER}\n\n")).await;
    let _shown = read_until(&mut streaming, "1.50").await;
    until_open(&world, 1).await;
    drop(listener);
    until_open(&world, 0).await;
    let rows = world.audit().await;
    let refused: Vec<_> =
        rows.iter().filter(|row| row.kind == store::AuditKind::Rejected).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|row| row.grant.as_deref() == Some("agent-a")), "{refused:?}");
    let metrics = world.gateway.encode_metrics();
    assert!(metrics.contains("refused_requests_total{why=\"too_many_open\"} 2"), "{metrics}");
    world.stop().await;
}

#[tokio::test]
async fn calls_that_go_on_without_their_client_and_held_calls_count() {
    let world = world(ASK).await;
    world.peer.gate.send_replace(true);
    let left = world.agent().open("POST", "/mcp/pay", &call(1, "read_item", "{}")).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(left);
    while world.gateway.plane.tracker.len() < 2 {
        tokio::task::yield_now().await;
    }
    let held = [
        world.agent().open("POST", "/mcp/pay", &call(2, "pay", r#"{"n":1}"#)).await,
        world.agent().open("POST", "/mcp/pay", &call(3, "pay", r#"{"n":2}"#)).await,
    ];
    while world.gateway.plane.holds.available_permits() > HOLDS_WAITING_MAX - 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(grant(&world).seats.taken(), 3);
    is_crowded(&world.agent()).await;
    drop(held);
    world.peer.gate.send_replace(false);
    until_open(&world, 2).await;
    // The held ones go on without their clients until their wait is over.
    tokio::time::pause();
    tokio::time::advance(WAIT).await;
    tokio::time::resume();
    until_open(&world, 0).await;
    world.stop().await;
}

#[tokio::test]
async fn a_batch_is_one_request() {
    let world = world(ALLOW).await;
    world.peer.set(|state| state.version = "2025-03-26");
    let (agent, _session) = opened(&world).await;
    let calls: Vec<String> = (0..8).map(|id| call(id, "read_item", "{}")).collect();
    let got = agent.post(&format!("[{}]", calls.join(","))).await;
    assert_eq!(got.json().as_array().expect("answers").len(), 8, "{got:?}");
    until_open(&world, 0).await;
    world.stop().await;
}

#[tokio::test]
async fn the_bodies_of_a_grants_open_requests_are_bounded_together() {
    let long = call(1, "pay", &format!(r#"{{"note":"{}"}}"#, "x".repeat(700_000)));
    // One byte short of two of them, so that the second is refused when it was read.
    let bounds = Bounds { bodies_per_grant: 2 * long.len() - 1, ..Bounds::default() };
    let world = World::with(Setup { policy: Some(ALLOW), bounds, ..Setup::default() }).await;
    world.peer.gate.send_replace(true);
    let waiting = world.agent().open("POST", "/mcp/pay", &long).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    let got = world.agent().post(&long).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("1")), "{got:?}");
    until_open(&world, 1).await;
    world.peer.gate.send_replace(false);
    assert!(world.other_agent().post(&long).await.body.contains("ran pay"));
    assert!(world.agent().post(&call(2, "pay", "{}")).await.body.contains("ran pay"));
    assert!(read(waiting).await.body.contains("ran pay"));
    until_open(&world, 0).await;
    assert!(world.agent().post(&long).await.body.contains("ran pay"), "what ended makes room");
    world.stop().await;
}

#[tokio::test]
async fn the_bodies_of_all_open_requests_are_bounded_together() {
    let long = call(1, "pay", &format!(r#"{{"note":"{}"}}"#, "x".repeat(700_000)));
    let bounds = Bounds { bodies: 2 * long.len() - 1, ..Bounds::default() };
    let world = World::with(Setup { policy: Some(ALLOW), bounds, ..Setup::default() }).await;
    world.peer.gate.send_replace(true);
    let waiting = world.agent().open("POST", "/mcp/pay", &long).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    let got = world.other_agent().post(&long).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("1")), "{got:?}");
    world.peer.gate.send_replace(false);
    assert!(world.other_agent().post(&call(2, "pay", "{}")).await.body.contains("ran pay"));
    assert!(read(waiting).await.body.contains("ran pay"));
    until_open(&world, 0).await;
    assert!(
        world.other_agent().post(&long).await.body.contains("ran pay"),
        "what ended makes room"
    );
    world.stop().await;
}

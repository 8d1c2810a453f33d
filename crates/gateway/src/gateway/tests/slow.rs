//! Agents that stop reading. Their connections hold little, and what the server sends is without end,
//! so that the gateway is certain to wait for them.

use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::agent::{Agent, call, modern, read_until};
use super::streams::{ANSWER, give, outcome};
use super::world::{Setup, World};
use crate::plane::Bounds;

const ONE_AT_A_TIME: &str = r#"{"version":"1","default":"deny","tools":{"pay":{"limits":[{"window":"in_flight","max":1}]},"read_item":{}}}"#;

/// An event of 64 KiB.
fn event() -> Bytes {
    let data = "x".repeat(64 * 1024);
    let note = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{data}"}}}}"#
    );
    Bytes::from(format!("data: {note}\n\n"))
}

#[derive(Clone, Copy, Debug)]
enum Era {
    Legacy,
    Modern,
}

/// Calls, reads the beginning of the answer, and then no more.
async fn stop_reading(world: &World, era: Era) -> (TcpStream, mpsc::Sender<Bytes>) {
    let server = world.peer.stream("tools/call");
    let (agent, body) = of_era(&world.agent(), era);
    let mut socket = agent.open_narrow(&body).await;
    give(&server, ": begun\n\n").await;
    let _shown = read_until(&mut socket, "begun").await;
    (socket, server)
}

fn of_era(agent: &Agent, era: Era) -> (Agent, String) {
    match era {
        Era::Legacy => (agent.clone(), call(7, "pay", "{}")),
        Era::Modern => {
            let (agent, body) = modern(agent, "tools/call", r#""name":"pay","arguments":{}"#, "{}");
            (agent.with("Mcp-Name", "pay"), body)
        }
    }
}

/// Sends events until the gateway leaves.
async fn flood(server: &mpsc::Sender<Bytes>) {
    let event = event();
    while server.send(event.clone()).await.is_ok() {}
}

/// Sends more events than the gateway, the kernel and the agent hold together.
async fn fill(server: &mpsc::Sender<Bytes>) {
    let event = event();
    let stuck = Duration::from_millis(300);
    while tokio::time::timeout(stuck, server.send(event.clone())).await.is_ok() {}
}

#[tokio::test]
async fn the_time_for_a_call_ends_it_also_when_its_agent_reads_no_more() {
    for era in [Era::Legacy, Era::Modern] {
        let world =
            World::with(Setup { policy: Some(ONE_AT_A_TIME), total_ms: 1500, ..Setup::default() })
                .await;
        let (socket, server) = stop_reading(&world, era).await;
        assert!(world.agent().post(&call(8, "pay", "{}")).await.body.contains("limit_exceeded"));
        flood(&server).await;
        assert_eq!(outcome(&world).await, "timeout", "{era:?}");
        world.disconnected().await;
        let again = world.agent().post(&call(9, "pay", "{}")).await;
        assert!(again.body.contains("ran pay"), "{era:?}: {again:?}");
        drop(socket);
        world.stop().await;
    }
}

#[tokio::test]
async fn an_agent_that_takes_nothing_for_long_has_left() {
    let bounds = Bounds { stall: Duration::from_millis(200), ..Bounds::default() };
    for (era, end) in [(Era::Modern, "cancelled"), (Era::Legacy, "ok")] {
        let setup = Setup { policy: Some(ONE_AT_A_TIME), bounds, ..Setup::default() };
        let world = World::with(setup).await;
        let (socket, server) = stop_reading(&world, era).await;
        match era {
            Era::Modern => flood(&server).await,
            Era::Legacy => {
                while world.gateway.plane.metrics.connections.get() > 0 {
                    server.send(event()).await.expect("what is left is read to its end");
                }
                give(&server, &format!("data: {ANSWER}\n\n")).await;
            }
        }
        assert_eq!(outcome(&world).await, end, "{era:?}");
        world.disconnected().await;
        drop(socket);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_revoked_grant_ends_the_stream_that_its_agent_does_not_read() {
    for (era, end) in [(Era::Modern, "cancelled"), (Era::Legacy, "ok")] {
        let world = World::with(Setup { policy: Some(ONE_AT_A_TIME), ..Setup::default() }).await;
        let (socket, server) = stop_reading(&world, era).await;
        fill(&server).await;
        assert_eq!(world.gateway.plane.metrics.connections.get(), 1);
        world.revoke().await;
        // Half of the time after which nobody is waited for in any case.
        let cut = tokio::time::timeout(Duration::from_secs(30), world.disconnected()).await;
        cut.expect("its connection was cut");
        if matches!(era, Era::Legacy) {
            give(&server, &format!("data: {ANSWER}\n\n")).await;
        } else {
            server.closed().await;
        }
        assert_eq!(outcome(&world).await, end, "{era:?}");
        drop(socket);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_who_does_not_read_and_the_record_is_closed() {
    for era in [Era::Legacy, Era::Modern] {
        let world = World::with(Setup {
            policy: Some(ONE_AT_A_TIME),
            drain_seconds: 1,
            ..Setup::default()
        })
        .await;
        let (socket, server) = stop_reading(&world, era).await;
        fill(&server).await;
        world.begin_shutdown();
        server.closed().await;
        assert_eq!(outcome(&world).await, "cancelled", "{era:?}");
        drop(socket);
        world.stop().await;
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_that_nobody_takes_ends_its_connection() {
    let bounds = Bounds { stall: Duration::from_millis(200), ..Bounds::default() };
    let setup = Setup { policy: Some(ONE_AT_A_TIME), bounds, ..Setup::default() };
    let world = World::with(setup).await;
    let data = "x".repeat(16 * 1024 * 1024);
    let large = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[],"data":"{data}"}}}}"#);
    world.peer.set(|state| state.fault = Some((200, "application/json", large)));
    let mut socket = world.agent().open_narrow(&call(7, "pay", "{}")).await;
    let head = read_until(&mut socket, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    world.disconnected().await;
    assert_eq!(outcome(&world).await, "ok", "the server had answered");
    drop(socket);
    world.stop().await;
}

use super::agent::{call, read};
use super::world::World;

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;

#[tokio::test]
async fn a_shutdown_finishes_the_calls_that_run() {
    let world = World::new(ALLOW).await;
    world.peer.gate.send_replace(true);
    let running = world.agent().open("POST", "/mcp/pay", &call(1, "read_item", "{}")).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    world.begin_shutdown();
    world.peer.gate.send_replace(false);
    assert!(read(running).await.body.contains("ran read_item"));
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_that_leaves_cancels_nothing_and_its_call_is_recorded() {
    let world = World::new(ALLOW).await;
    world.peer.gate.send_replace(true);
    let running = world.agent().open("POST", "/mcp/pay", &call(1, "read_item", "{}")).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(running);
    // The gateway notices that the client left, and a tracked task takes the call over.
    while world.gateway.plane.tracker.len() < 2 {
        tokio::task::yield_now().await;
    }
    world.peer.gate.send_replace(false);
    while world.gateway.plane.tracker.len() > 1 {
        tokio::task::yield_now().await;
    }
    loop {
        let rows = world.audit().await;
        let row = rows.iter().find(|row| row.tool.is_some()).expect("a row");
        if row.outcome.as_deref() != Some("unknown") && row.outcome.is_some() {
            assert_eq!(row.outcome.as_deref(), Some("ok"));
            break;
        }
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_new_policy_holds_for_the_next_message_and_a_revoked_grant_is_over() {
    let world = World::new(ALLOW).await;
    assert!(world.agent().post(&call(1, "pay", "{}")).await.body.contains("ran pay"));
    world.set_policy(r#"{"version":"1","default":"deny"}"#).await;
    assert!(world.agent().post(&call(2, "pay", "{}")).await.body.contains("not_listed"));
    let now = policy::UnixMillis(world.clock.load(std::sync::atomic::Ordering::SeqCst));
    let grant = store::GrantId::from_bytes([1; 16]);
    world.store.revoke_grant(&grant, now).await.expect("revoked");
    world.gateway.reload().await.expect("a snapshot");
    assert_eq!(world.agent().post(&call(3, "pay", "{}")).await.status, 401);
    let status = world.gateway.status();
    assert_eq!((status.grants, status.servers.len()), (1, 1));
    assert!(world.gateway.encode_metrics().contains("portcullis_decisions_total"));
    world.stop().await;
}

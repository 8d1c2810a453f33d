//! Batches of sessions that negotiated 2025-03-26.

use store::Answer;

use super::agent::{Agent, call};
use super::approvals::{asked, decide};
use super::sessions::opened;
use super::world::World;

const MIXED: &str = r#"{"version":"1","default":"deny","tools":{"read_item":{},"delete_all":{"action":"approve"}}}"#;

async fn session(world: &World) -> Agent {
    world.peer.set(|state| state.version = "2025-03-26");
    opened(world).await.0
}

fn batch(calls: &[String]) -> String {
    format!("[{}]", calls.join(","))
}

#[tokio::test]
async fn allowed_denied_and_held_elements_stand_side_by_side_in_their_order() {
    let world = World::new(MIXED).await;
    let agent = session(&world).await;
    let calls = [call(1, "delete_all", "{}"), call(2, "pay", "{}"), call(3, "read_item", "{}")];
    let got = agent.post(&batch(&calls)).await;
    let answers = got.json();
    let ids: Vec<_> = answers.as_array().expect("answers").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [1, 2, 3]);
    let reason =
        |at: usize| answers[at]["result"]["_meta"]["portcullis/decision"]["reason"].clone();
    assert_eq!((reason(0), reason(1)), ("approval_required".into(), "not_listed".into()));
    assert!(answers[2].to_string().contains("ran read_item"), "{answers}");
    assert_eq!(world.peer.ran(), ["read_item"]);
    // The held element is asked for as any call, and its approval serves it alone.
    let id = &answers[0]["result"]["_meta"]["portcullis/decision"]["approval"]["id"];
    decide(&world, id.as_str().expect("an id"), Answer::Approve).await;
    let got = agent.post(&batch(&calls[..2])).await;
    assert!(got.body.contains("ran delete_all"), "{got:?}");
    assert_eq!(world.peer.ran(), ["read_item", "delete_all"]);
    assert_ne!(asked(&agent.post(&calls[0]).await), *id);
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_batch_cancels_none_of_it() {
    let world = World::new(MIXED).await;
    let agent = session(&world).await;
    world.peer.gate.send_replace(true);
    let calls: Vec<String> = (1..=3).map(|id| call(id, "read_item", "{}")).collect();
    let left = agent.open("POST", "/mcp/pay", &batch(&calls)).await;
    while world.peer.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(left);
    while world.gateway.plane.tracker.len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.peer.ran().len(), 1, "one after the other");
    world.peer.gate.send_replace(false);
    while world.gateway.plane.tracker.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.peer.ran().len(), 3);
    loop {
        let rows = world.audit().await;
        let ends: Vec<_> = rows.iter().filter_map(|row| row.outcome.as_deref()).collect();
        if ends == ["ok", "ok", "ok"] {
            break;
        }
        assert!(ends.iter().all(|end| matches!(*end, "ok" | "unknown")), "{ends:?}");
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_too_long_or_names_an_id_twice_runs_nothing() {
    let world = World::new(MIXED).await;
    let agent = session(&world).await;
    let long: Vec<String> = (0..=100).map(|id| call(id, "read_item", "{}")).collect();
    let read = |id: &str| call(0, "read_item", "{}").replace("\"id\":0", &format!("\"id\":{id}"));
    for (what, body) in [
        ("101 messages", batch(&long)),
        ("none", "[]".to_owned()),
        ("an id twice", batch(&[read("1"), read("2"), read("1")])),
        ("an id twice, spelt otherwise", batch(&[read(r#""a""#), read(r#""\u0061""#)])),
        ("a batch in a batch", format!("[{}]", batch(&[read("1")]))),
        ("one that is no message", batch(&[read("1"), "{}".to_owned()])),
    ] {
        let got = agent.post(&body).await;
        assert_eq!(got.status, 400, "{what}: {got:?}");
    }
    assert!(world.peer.ran().is_empty());
    // A text and a number are two ids, and a hundred messages are one batch.
    let got = agent.post(&batch(&[read("1"), read(r#""1""#)])).await;
    assert_eq!(got.json().as_array().expect("answers").len(), 2);
    let got = agent.post(&batch(&long[1..])).await;
    assert_eq!(got.json().as_array().expect("answers").len(), 100);
    assert_eq!(world.peer.ran().len(), 102);
    world.stop().await;
}

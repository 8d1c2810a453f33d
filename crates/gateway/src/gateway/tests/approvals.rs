use policy::{ApprovalId, ApprovalState, UnixMillis};
use store::{Actor, Answer, Decision};

use super::agent::{Agent, Got, call, read, read_until};
use super::world::{Setup, World};

pub(super) const ASK: &str =
    r#"{"version":"1","default":"deny","tools":{"delete_all":{"deny_if":[{"conditions":[]}]}}}"#;

pub(super) async fn decide(world: &World, id: &str, answer: Answer) {
    let decision = Decision {
        answer,
        by: Actor::parse("boss").expect("an actor"),
        roles: vec!["approver".to_owned()],
        from: "test".to_owned(),
        reason: Some("because".to_owned()),
    };
    let id: ApprovalId = id.parse().expect("an id");
    let now = UnixMillis(world.clock.load(std::sync::atomic::Ordering::SeqCst));
    world.store.decide_approval(&id, decision, now).await.expect("decided");
}

pub(super) fn asked(got: &Got) -> String {
    assert!(got.text().starts_with("[APPROVAL REQUIRED] "), "{got:?}");
    assert!(got.text().contains("call again with exactly the same arguments"), "{got:?}");
    let approval = &got.json()["result"]["_meta"]["portcullis/decision"]["approval"];
    let id = approval["id"].as_str().expect("an id").to_owned();
    assert_eq!(approval["url"], format!("http://127.0.0.1:8421/approvals/{id}"));
    id
}

#[tokio::test]
async fn an_approval_serves_one_call_with_the_same_arguments_by_the_same_grant() {
    let world = World::new(ASK).await;
    let body = call(1, "delete_all", r#"{"scope":"tmp","n":1}"#);
    let id = asked(&world.agent().post(&body).await);
    assert_eq!(asked(&world.agent().post(&body).await), id, "the same call joins its request");
    decide(&world, &id, Answer::Approve).await;
    assert_ne!(
        asked(&world.agent().post(&call(2, "delete_all", r#"{"scope":"prod","n":1}"#)).await),
        id
    );
    assert_ne!(asked(&world.other_agent().post(&body).await), id);
    let same = call(3, "delete_all", r#"{"n":1.0,"scope":"tmp"}"#);
    assert!(world.agent().post(&same).await.body.contains("ran delete_all"));
    assert_ne!(asked(&world.agent().post(&same).await), id);
    assert_eq!(world.peer.ran(), ["delete_all"]);
    world.stop().await;
}

#[tokio::test]
async fn a_rejected_call_is_denied_with_the_reason() {
    let world = World::new(ASK).await;
    let body = call(1, "delete_all", "{}");
    let id = asked(&world.agent().post(&body).await);
    decide(&world, &id, Answer::Reject).await;
    let got = world.agent().post(&body).await;
    assert_eq!(got.text(), "[POLICY DENIED] Rejected by a person: because");
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_changed_definition_or_policy_is_not_what_was_approved() {
    let world = World::new(ASK).await;
    let body = call(1, "delete_all", "{}");
    let id = asked(&world.agent().post(&body).await);
    decide(&world, &id, Answer::Approve).await;
    // The server changes the tool and says nothing.
    world.peer.set(|state| state.tools[2] = super::peer::tool("delete_all", "deletes more"));
    let got = world.agent().post(&body).await;
    assert!(got.text().starts_with("[POLICY DENIED] "), "{got:?}");
    world.peer.set(|state| state.tools[2] = super::peer::tool("delete_all", "deletes"));
    let slug = store::ServerSlug::parse("pay").expect("a slug");
    world.gateway.inspect(&slug).await.expect("inspected");
    world
        .set_policy(r#"{"version":"1","default":"deny","tools":{"delete_all":{"action":"deny"}}}"#)
        .await;
    assert!(world.agent().post(&body).await.text().starts_with("[POLICY DENIED] "));
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

pub(super) async fn held(world: &World, agent: &Agent) -> (tokio::net::TcpStream, String) {
    held_as(world, agent, &call(1, "delete_all", "{}")).await
}

/// Makes a call that is held; its stream, and the first approval that is asked for.
pub(super) async fn held_as(
    world: &World,
    agent: &Agent,
    body: &str,
) -> (tokio::net::TcpStream, String) {
    let mut stream = agent.open("POST", "/mcp/pay", body).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.contains("text/event-stream") && head.contains("x-accel-buffering: no"), "{head}");
    let mut changes = world.store.approval_changes();
    loop {
        let state = Some(ApprovalState::Pending);
        let filter = store::ApprovalFilter { state, ..store::ApprovalFilter::default() };
        let now = UnixMillis(world.clock.load(std::sync::atomic::Ordering::SeqCst));
        let pending = world.store.approvals(filter, 10, now).await.expect("approvals");
        if let Some(record) = pending.first() {
            return (stream, record.id.to_string());
        }
        changes.changed().await.expect("the store lives");
    }
}

#[tokio::test]
async fn a_held_call_goes_on_in_the_same_request_once_it_is_approved() {
    let world =
        World::with(Setup { policy: Some(ASK), wait_seconds: 30, ..Setup::default() }).await;
    let (stream, id) = held(&world, &world.agent()).await;
    decide(&world, &id, Answer::Approve).await;
    let mut stream = stream;
    let rest = read_until(&mut stream, "ran delete_all").await;
    assert!(!rest.contains("id: "), "{rest}");
    assert_eq!(world.peer.ran(), ["delete_all"]);
    world.stop().await;
}

#[tokio::test]
async fn a_wait_that_is_over_ends_with_the_link() {
    let world = World::with(Setup { policy: Some(ASK), wait_seconds: 1, ..Setup::default() }).await;
    let (stream, id) = held(&world, &world.agent()).await;
    let mut stream = stream;
    let shown = read_until(&mut stream, "expires_at").await;
    assert!(shown.contains("[APPROVAL REQUIRED]") && shown.contains(&id), "{shown}");
    drop(read(stream));
    world.stop().await;
}

#[tokio::test]
async fn an_approval_that_ends_while_the_server_is_listed_for_it_is_over() {
    let world = World::new(ASK).await;
    let body = call(1, "delete_all", "{}");
    let id = asked(&world.agent().post(&body).await);
    decide(&world, &id, Answer::Approve).await;
    let lists = || world.peer.seen().iter().filter(|seen| seen.body.contains("tools/list")).count();
    let before = lists();
    world.peer.first_list.send_replace(true);
    let waiting = world.agent().open("POST", "/mcp/pay", &body).await;
    while lists() == before {
        tokio::task::yield_now().await;
    }
    world.pass(3601);
    world.peer.first_list.send_replace(false);
    assert_ne!(asked(&read(waiting).await), id);
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

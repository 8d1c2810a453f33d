//! How long a held call waits (GATEWAY.md section 7, points 1 to 3), what it hears at once, and how a
//! resource or a prompt is held.

use store::Answer;

use super::agent::{call, method, read_until};
use super::approvals::{ASK, asked, decide, held_as};
use super::world::{Setup, World};

/// A call that wants progress.
const TOLD: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all","arguments":{},"_meta":{"progressToken":"t"}}}"#;

/// Waits of the configuration, without and with a progress token.
async fn world(policy: &'static str, plain: u32, told: u32) -> World {
    let setup = Setup { policy: Some(policy), wait_seconds: plain, ..Setup::default() };
    World::with(Setup { told_seconds: Some(told), ..setup }).await
}

/// The call waits: its stream is open and nothing is answered before it is decided.
async fn waits(world: &World, body: &str) {
    let (mut stream, id) = held_as(world, &world.agent(), body).await;
    decide(world, &id, Answer::Approve).await;
    read_until(&mut stream, "ran delete_all").await;
}

#[tokio::test]
async fn a_call_waits_as_the_configuration_says_for_clients_with_and_without_progress() {
    let told = world(ASK, 0, 60).await;
    asked(&told.agent().post(&call(1, "delete_all", "{}")).await);
    waits(&told, TOLD).await;
    told.stop().await;
    let plain = world(ASK, 60, 0).await;
    asked(&plain.agent().post(TOLD).await);
    waits(&plain, &call(1, "delete_all", "{}")).await;
    plain.stop().await;
}

#[tokio::test]
async fn the_shortest_wait_of_the_rules_comes_before_the_configurations() {
    const AT_ONCE: &str = r#"{"version":"1","default":"deny","tools":{"delete_all":{"deny_if":[
        {"conditions":[],"approval":{"wait_seconds":60}},
        {"conditions":[],"approval":{"wait_seconds":0}}]}}}"#;
    const WAITS: &str = r#"{"version":"1","default":"deny","tools":{"delete_all":{"deny_if":[
        {"conditions":[],"approval":{"wait_seconds":60}},{"conditions":[]}]}}}"#;
    let at_once = world(AT_ONCE, 60, 60).await;
    for body in [TOLD, &call(1, "delete_all", "{}")] {
        asked(&at_once.agent().post(body).await);
    }
    at_once.stop().await;
    for body in [TOLD, &call(1, "delete_all", "{}")] {
        let own = world(WAITS, 0, 0).await;
        waits(&own, body).await;
        own.stop().await;
    }
}

#[tokio::test]
async fn a_call_that_waits_is_answered_at_once_with_a_comment() {
    let world = world(ASK, 60, 60).await;
    let mut stream = world.agent().open("POST", "/mcp/pay", &call(1, "delete_all", "{}")).await;
    // Nobody has decided anything.
    let shown = read_until(&mut stream, ":\n\n").await;
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    assert!(shown.contains("content-type: text/event-stream"), "{shown}");
    assert!(!shown.contains("\"result\""), "{shown}");
    drop(stream);
    world.stop().await;
}

const HELD_READS: &str = r#"{"version":"1","default":"deny",
    "resources":{"test://b":{"deny_if":[{"conditions":[]}]}},
    "prompts":{"greet":{"action":"approve"}}}"#;

#[tokio::test]
async fn a_held_resource_or_prompt_is_an_error_with_the_link_and_goes_through_once() {
    let reads =
        [("resources/read", r#"{"uri":"test://b"}"#), ("prompts/get", r#"{"name":"greet"}"#)];
    let world = world(HELD_READS, 0, 0).await;
    for (name, params) in reads {
        let body = method(1, name, params);
        let sent = || world.peer.seen().iter().filter(|seen| seen.body.contains(params)).count();
        let got = world.agent().post(&body).await;
        let error = &got.json()["error"];
        assert_eq!((got.status, error["code"].as_i64()), (200, Some(1004)), "{name}: {got:?}");
        assert_eq!(error["message"], "approval required");
        let decision = &error["data"]["portcullis/decision"];
        assert_eq!(decision["verdict"], "hold", "{got:?}");
        let id = decision["approval"]["id"].as_str().expect("an id");
        assert_eq!(decision["approval"]["url"], format!("http://127.0.0.1:8421/approvals/{id}"));
        assert_eq!(sent(), 0);
        decide(&world, id, Answer::Approve).await;
        let ran = world.agent().post(&body).await;
        assert!(ran.json()["result"].is_object(), "{name}: {ran:?}");
        assert_eq!(world.agent().post(&body).await.json()["error"]["code"], 1004);
        assert_eq!(sent(), 1);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_held_resource_waits_as_a_call_does_and_ends_with_the_error() {
    let world = world(HELD_READS, 1, 1).await;
    let body = method(1, "resources/read", r#"{"uri":"test://b"}"#);
    let (mut stream, id) = held_as(&world, &world.agent(), &body).await;
    let shown = read_until(&mut stream, "expires_at").await;
    assert!(shown.contains("\"code\":1004") && shown.contains(&id), "{shown}");
    world.stop().await;
}

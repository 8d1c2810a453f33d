use store::Answer;

use super::agent::{call, method, modern, read_until};
use super::approvals::{ASK, decide, held, held_as};
use super::world::{Setup, World};
use crate::{CallEnd, CallObserver, FinishedCall};

const POLICY: &str = r#"{"version":"1","default":"deny","tools":{
    "read_item":{},
    "pay":{"deny_if":[{"conditions":[{"path":"args.amount","op":"gt","value":10}]}]},
    "delete_all":{"action":"deny"}}}"#;

const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn now(policy: &'static str) -> Setup {
    Setup { policy: Some(policy), ..Setup::default() }
}

fn words(call: &FinishedCall) -> (&str, Option<&str>, Option<&str>, Option<&str>) {
    (call.verdict, call.reason, call.rule.as_deref(), call.end.outcome)
}

#[tokio::test]
async fn an_observer_hears_of_allowed_and_denied_calls_once() {
    let (world, mut heard) = World::observed(now(POLICY)).await;
    world.agent().post(&call(1, "read_item", "{}")).await;
    let seen = heard.recv().await.expect("a call");
    assert_eq!(words(&seen), ("allow", None, None, Some("ok")));
    assert_eq!((&*seen.grant, &*seen.server), ("agent-a", "pay"));
    assert_eq!((&*seen.method, seen.tool.as_deref()), ("tools/call", Some("read_item")));
    assert_eq!((seen.policy.as_deref(), seen.policy_version), (Some("p"), Some(1)));
    assert_eq!(seen.end.upstream_status, Some(200));
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.tool.as_deref() == Some("read_item")).expect("a row");
    assert_eq!(*seen.request_id, *row.request_id);
    assert_eq!(seen.revision.0, row.revision);

    world.agent().post(&call(2, "pay", r#"{"amount":11}"#)).await;
    let seen = heard.recv().await.expect("a call");
    let rule = Some("/tools/pay/deny_if/0");
    assert_eq!(words(&seen), ("deny", Some("deny_if_matched"), rule, None));
    assert_eq!(seen.end, CallEnd::default());

    world.agent().post(&call(3, "pay", r#"{"amount":1}"#)).await;
    assert_eq!(heard.recv().await.expect("a call").verdict, "allow");
    world.agent().post("no message").await;
    world.agent().post(&method(4, "tools/list", "{}")).await;
    assert!(heard.try_recv().is_err(), "what policy does not judge is no call");
    world.stop().await;
}

#[tokio::test]
async fn names_that_the_agent_invents_are_not_handed_on() {
    let (world, mut heard) = World::observed(now(POLICY)).await;
    world.agent().post(&call(1, "s3cr3t-in-a-name", "{}")).await;
    let seen = heard.recv().await.expect("a call");
    assert_eq!((&*seen.method, seen.tool.as_deref()), ("tools/call", None));
    assert_eq!((seen.verdict, seen.reason), ("deny", Some("not_listed")));
    world.agent().post(&method(2, "s3cr3t/method", "{}")).await;
    let seen = heard.recv().await.expect("a call");
    assert_eq!((&*seen.method, seen.verdict), (crate::OTHER_METHOD, "deny"));
    world.agent().post(&method(3, "resources/read", r#"{"uri":"file:///s3cr3t"}"#)).await;
    let seen = heard.recv().await.expect("a call");
    assert_eq!((&*seen.method, seen.verdict), ("resources/read", "deny"));
    assert!(!format!("{seen:?}").contains("s3cr3t"), "{seen:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_hold_is_heard_of_once_however_it_ends() {
    let (world, mut heard) = World::observed(now(ASK)).await;
    world.agent().post(&call(1, "delete_all", "{}")).await;
    let seen = heard.recv().await.expect("a call");
    let rule = Some("/tools/delete_all/deny_if/0");
    assert_eq!(words(&seen), ("hold", Some("approval_required"), rule, None));
    world.stop().await;

    let (world, mut heard) = World::observed(Setup { wait_seconds: 30, ..now(ASK) }).await;
    let (mut stream, id) = held(&world, &world.agent()).await;
    assert!(heard.try_recv().is_err(), "it is not over while it waits");
    decide(&world, &id, Answer::Approve).await;
    read_until(&mut stream, "ran delete_all").await;
    assert_eq!(words(&heard.recv().await.expect("a call")), ("allow", None, None, Some("ok")));

    let params = r#""name":"delete_all","arguments":{}"#;
    let (agent, body) = modern(&world.agent(), "tools/call", params, "{}");
    let agent = agent.with("Mcp-Name", "delete_all");
    let (stream, id) = held_as(&world, &agent, &body).await;
    drop(stream);
    assert_eq!(heard.recv().await.expect("a call").verdict, "hold");
    decide(&world, &id, Answer::Reject).await;
    world.agent().post(&call(2, "delete_all", "{}")).await;
    assert_eq!(heard.recv().await.expect("a call").reason, Some("approval_rejected"));
    assert!(heard.try_recv().is_err());
    world.stop().await;
}

#[tokio::test]
async fn the_traces_of_message_and_request_are_handed_on_within_their_bound() {
    let (world, mut heard) = World::observed(now(POLICY)).await;
    let agent = world.agent().with("Traceparent", HEADER);
    agent.post(&call(1, "read_item", "{}")).await;
    let seen = heard.recv().await.expect("a call");
    assert_eq!(seen.request_parent.as_deref(), Some(HEADER));
    assert_eq!(seen.message_parent, None);
    let peer = world.peer.state.lock().expect("not poisoned").seen.clone();
    let sent = peer.iter().find(|seen| seen.body.contains("read_item")).expect("it came");
    assert!(!sent.head.to_lowercase().contains("traceparent"), "{}", sent.head);

    let params = r#""name":"read_item","arguments":{}"#;
    let (agent, body) = modern(&world.agent(), "tools/call", params, "{}");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body = body.replace(r#""_meta":{"#, &format!(r#""_meta":{{"traceparent":"{parent}","#));
    agent.with("Mcp-Name", "read_item").with("traceparent", &"0".repeat(129)).post(&body).await;
    let seen = heard.recv().await.expect("a call");
    assert_eq!(seen.protocol_version, Some("2026-07-28"));
    assert_eq!((seen.message_parent.as_deref(), seen.request_parent), (Some(parent), None));
    world.stop().await;
}

#[tokio::test]
async fn an_observer_that_panics_changes_nothing() {
    let observer = CallObserver::new(|call| panic!("{}", call.verdict));
    let world = World::with(Setup { observer: Some(observer), ..now(POLICY) }).await;
    assert!(world.agent().post(&call(1, "read_item", "{}")).await.body.contains("ran read_item"));
    let got = world.agent().post(&call(2, "delete_all", "{}")).await;
    assert!(got.text().starts_with("[POLICY DENIED] "), "{got:?}");
    world.stop().await;
}

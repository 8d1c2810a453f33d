//! What may happen to a call while it waits for a person.

use std::time::Duration;

use policy::ApprovalId;
use store::{Answer, ServerSlug};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::agent::{Agent, call, modern, read_until};
use super::approvals::{ASK, asked, decide, held, held_as};
use super::sessions::opened;
use super::streams::outcome;
use super::world::{Setup, World};

async fn world() -> World {
    World::with(Setup { policy: Some(ASK), wait_seconds: 30, ..Setup::default() }).await
}

fn stateless(agent: &Agent) -> (Agent, String) {
    let params = r#""name":"delete_all","arguments":{}"#;
    let (agent, body) = modern(agent, "tools/call", params, "{}");
    (agent.with("Mcp-Name", "delete_all"), body)
}

/// Waits until as many calls wait for an approval with their client.
async fn attended(world: &World, id: &str, calls: usize) {
    let id: ApprovalId = id.parse().expect("an id");
    while world.gateway.plane.attended.calls(&id) != calls {
        tokio::task::yield_now().await;
    }
}

/// Every approval that was ever asked for.
async fn approvals(world: &World) -> Vec<policy::ApprovalRecord> {
    let all = store::ApprovalFilter::default();
    world.store.approvals(all, 10, world.now()).await.expect("approvals")
}

/// Approves a call whose wait is over: nothing runs.
async fn approved_in_vain(world: World, id: &str) {
    world.nothing_held().await;
    decide(&world, id, Answer::Approve).await;
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

/// What is left of a stream when it ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("in time").expect("read");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_stateless_client_that_leaves_withdraws_its_call_and_the_approval_serves_the_next() {
    let world = world().await;
    let (agent, body) = stateless(&world.agent());
    let (stream, id) = held_as(&world, &agent, &body).await;
    drop(stream);
    world.nothing_held().await;
    decide(&world, &id, Answer::Approve).await;
    assert!(world.peer.ran().is_empty());
    let got = agent.post(&body).await;
    assert!(got.body.contains("ran delete_all"), "{got:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_that_leaves_cancels_nothing_and_its_call_runs_once_it_is_approved() {
    let world = world().await;
    let (stream, id) = held(&world, &world.agent()).await;
    attended(&world, &id, 1).await;
    drop(stream);
    attended(&world, &id, 0).await;
    assert!(world.peer.ran().is_empty());
    decide(&world, &id, Answer::Approve).await;
    world.nothing_held().await;
    assert_eq!(world.peer.ran(), ["delete_all"]);
    assert_eq!(outcome_of(&world, &id).await, "ok");
    // The approval is used up.
    let (_stream, other) = held(&world, &world.agent()).await;
    assert_ne!(other, id);
    world.stop().await;
}

/// How the call ended that used an approval.
async fn outcome_of(world: &World, id: &str) -> String {
    loop {
        let rows = world.audit().await;
        let ran = |row: &&store::AuditEntry| {
            row.approval_id.as_deref() == Some(id) && row.verdict == "allow"
        };
        let end = rows.iter().find(ran).and_then(|row| row.outcome.clone());
        if let Some(end) = end.filter(|end| end != "unknown") {
            return end;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_a_call_whose_client_left_and_the_same_made_again_the_one_with_a_client_runs() {
    let world = world().await;
    let (left, id) = held(&world, &world.agent()).await;
    attended(&world, &id, 1).await;
    drop(left);
    attended(&world, &id, 0).await;
    let (mut again, joined) = held(&world, &world.agent()).await;
    assert_eq!(joined, id);
    attended(&world, &id, 1).await;
    decide(&world, &id, Answer::Approve).await;
    let shown = read_until(&mut again, "ran delete_all").await;
    assert!(shown.contains("\"id\":1"), "{shown}");
    world.nothing_held().await;
    assert_eq!(world.peer.ran(), ["delete_all"]);
    assert_eq!(approvals(&world).await.len(), 1, "nobody is asked again");
    world.stop().await;
}

#[tokio::test]
async fn of_two_calls_whose_clients_left_one_runs_and_nobody_is_asked_for_the_other() {
    let world = world().await;
    let (first, id) = held(&world, &world.agent()).await;
    let (second, joined) = held(&world, &world.agent()).await;
    assert_eq!(joined, id);
    attended(&world, &id, 2).await;
    drop((first, second));
    attended(&world, &id, 0).await;
    decide(&world, &id, Answer::Approve).await;
    world.nothing_held().await;
    assert_eq!(world.peer.ran(), ["delete_all"]);
    assert_eq!(approvals(&world).await.len(), 1, "nobody is asked again");
    world.stop().await;
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sessionless,
    InSession,
    Stateless,
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_waits_does_not_run_when_it_is_approved() {
    for kind in [Kind::Sessionless, Kind::InSession, Kind::Stateless] {
        let world = world().await;
        let (agent, body) = match kind {
            Kind::Sessionless => (world.agent(), call(1, "delete_all", "{}")),
            Kind::InSession => (opened(&world).await.0, call(1, "delete_all", "{}")),
            Kind::Stateless => stateless(&world.agent()),
        };
        let (mut stream, id) = held_as(&world, &agent, &body).await;
        attended(&world, &id, 1).await;
        let cancel = |agent: &Agent, id: u32| {
            let mut agent = agent.with("Mcp-Method", "notifications/cancelled");
            agent.headers.retain(|(name, _)| name != "Mcp-Name");
            let params = format!("{{\"requestId\":{id}}}");
            let body = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{params}}}"
            );
            async move { assert_eq!(agent.post(&body).await.status, 202, "{kind:?}") }
        };
        // Another call, and another grant's of the same identifier.
        cancel(&agent, 2).await;
        cancel(&world.other_agent(), 1).await;
        assert_eq!(world.gateway.plane.attended.calls(&id.parse().expect("an id")), 1);
        cancel(&agent, 1).await;
        let shown = rest(&mut stream).await;
        assert!(!shown.contains("result"), "{kind:?} {shown}");
        world.nothing_held().await;
        decide(&world, &id, Answer::Approve).await;
        assert!(world.peer.ran().is_empty(), "{kind:?}");
        let told = world.peer.seen().iter().any(|seen| seen.body.contains("cancelled"));
        assert!(!told, "{kind:?}: the server never heard of the call");
        assert!(agent.post(&body).await.body.contains("ran delete_all"), "{kind:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn the_end_of_its_session_ends_the_wait_and_nothing_runs() {
    let world = world().await;
    let agent = opened(&world).await.0;
    let (mut stream, id) = held(&world, &agent).await;
    assert_eq!(agent.send("DELETE", "/mcp/pay", "").await.status, 204);
    let shown = rest(&mut stream).await;
    assert!(!shown.contains("result"), "{shown}");
    approved_in_vain(world, &id).await;
}

/// What comes first: a person's yes, or the end of the wait.
#[derive(Clone, Copy, Debug)]
enum First {
    /// The yes, before the end is near.
    Yes,
    /// Neither: the call was woken by the end and finds both when it looks up, since this task goes
    /// on first after the clock was moved.
    Both,
    /// The end, of which the call took notice.
    End,
}

/// Approves while this thread does nothing else, so that no call can take notice before it goes on.
fn decide_unnoticed(world: &World, id: &str) {
    std::thread::scope(|scope| {
        let deciding = scope.spawn(|| {
            let own = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            own.block_on(decide(world, id, Answer::Approve));
        });
        deciding.join().expect("decided");
    });
}

#[tokio::test]
async fn an_approval_that_comes_as_the_wait_ends_runs_the_call_once_now_or_at_the_next() {
    let world = world().await;
    // Timers know no less than a millisecond.
    let end = Duration::from_millis(30_002);
    let orders = [First::Yes, First::Both, First::End];
    // Of what it finds at once, a call notices either first: several rounds see both.
    for (round, first) in (1_u32..).zip(orders.into_iter().cycle().take(48)) {
        let body = call(round, "delete_all", &format!(r#"{{"n":{round}}}"#));
        let (mut stream, id) = held_as(&world, &world.agent(), &body).await;
        attended(&world, &id, 1).await;
        tokio::time::pause();
        match first {
            First::Yes => {
                decide_unnoticed(&world, &id);
                tokio::time::advance(end).await;
            }
            First::End => {
                tokio::time::advance(end).await;
                attended(&world, &id, 0).await;
                decide_unnoticed(&world, &id);
            }
            First::Both => {
                tokio::time::advance(end).await;
                decide_unnoticed(&world, &id);
            }
        }
        tokio::time::resume();
        let shown = rest(&mut stream).await;
        let went_on = shown.contains("ran delete_all");
        match first {
            First::Yes | First::Both => assert!(went_on, "a yes in time counts: {shown}"),
            First::End => assert!(!went_on, "nothing runs after the wait: {shown}"),
        }
        if !went_on {
            assert!(shown.contains("[APPROVAL REQUIRED]"), "{shown}");
            let got = world.agent().post(&body).await;
            assert!(got.body.contains("ran delete_all"), "{got:?}");
        }
        assert_eq!(world.peer.ran().len(), usize::try_from(round).expect("few"), "{first:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_revoked_grant_ends_the_wait_and_nothing_runs() {
    let world = world().await;
    let (mut stream, id) = held(&world, &world.agent()).await;
    world.revoke().await;
    let shown = rest(&mut stream).await;
    assert!(!shown.contains("result"), "{shown}");
    world.nothing_held().await;
    decide(&world, &id, Answer::Approve).await;
    assert_eq!(world.agent().post(&call(2, "delete_all", "{}")).await.status, 401);
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_grant_whose_time_is_over_ends_the_wait_and_nothing_runs() {
    let setup =
        Setup { policy: Some(ASK), wait_seconds: 30, grant_seconds: Some(600), ..Setup::default() };
    let world = World::with(setup).await;
    let (mut stream, id) = held(&world, &world.agent()).await;
    world.pass(601);
    let shown = rest(&mut stream).await;
    assert!(!shown.contains("result"), "{shown}");
    approved_in_vain(world, &id).await;
}

#[tokio::test]
async fn a_policy_that_denies_meanwhile_denies_the_approved_call() {
    let world = world().await;
    let (mut stream, id) = held(&world, &world.agent()).await;
    world
        .set_policy(r#"{"version":"1","default":"deny","tools":{"delete_all":{"action":"deny"}}}"#)
        .await;
    decide(&world, &id, Answer::Approve).await;
    let shown = rest(&mut stream).await;
    assert!(shown.contains("[POLICY DENIED]") && shown.contains("action_deny"), "{shown}");
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_definition_that_changes_meanwhile_is_not_what_was_approved() {
    for tells in [false, true] {
        let world = world().await;
        let (mut stream, id) = held(&world, &world.agent()).await;
        world.peer.set(|state| state.tools[2] = super::peer::tool("delete_all", "deletes more"));
        if tells {
            let slug = ServerSlug::parse("pay").expect("a slug");
            world.gateway.inspect(&slug).await.expect("inspected");
        }
        decide(&world, &id, Answer::Approve).await;
        let shown = rest(&mut stream).await;
        assert!(shown.contains("[POLICY DENIED]") && shown.contains("quarantined"), "{shown}");
        assert!(world.peer.ran().is_empty());
        world.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_is_removed_ends_the_wait_and_nothing_runs() {
    let world = world().await;
    let (mut stream, id) = held(&world, &world.agent()).await;
    let slug = ServerSlug::parse("pay").expect("a slug");
    world.store.remove_server(&slug).await.expect("removed");
    let shown = rest(&mut stream).await;
    assert!(!shown.contains("result"), "{shown}");
    world.nothing_held().await;
    let known: ApprovalId = id.parse().expect("an id");
    if world.store.live_approval(&known).is_some() {
        decide(&world, &id, Answer::Approve).await;
    }
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_the_wait_with_the_link_and_the_request_stays() {
    let world = world().await;
    let (mut stream, id) = held(&world, &world.agent()).await;
    world.begin_shutdown();
    let shown = rest(&mut stream).await;
    assert!(shown.contains("[APPROVAL REQUIRED]") && shown.contains(&id), "{shown}");
    let pending = approvals(&world).await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0].state, policy::ApprovalState::Pending);
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn what_a_retry_brings_along_changes_nothing_about_how_it_is_judged() {
    let world = World::new(
        r#"{"version":"1","default":"deny","tools":{"pay":{"limits":[{"window":"hour","max":2}]},"delete_all":{"action":"approve"}}}"#,
    )
    .await;
    let brought = r#""inputResponses":{"k":{"action":"accept","content":{"n":1.50}}},"requestState":"opaque \\u00e9 state""#;
    let ask = |tool: &str, more: &str| {
        let comma = if more.is_empty() { "" } else { "," };
        let params = format!(r#""name":"{tool}","arguments":{{"n":1}}{comma}{more}"#);
        let (agent, body) = modern(&world.agent(), "tools/call", &params, "{}");
        (agent.with("Mcp-Name", tool), body)
    };
    // The first round, and the retry: two calls, each charged, the second one as it was sent.
    for more in ["", brought] {
        let (agent, body) = ask("pay", more);
        assert!(agent.post(&body).await.body.contains("ran pay"));
        assert!(world.peer.seen().iter().any(|seen| seen.body == body), "{body}");
    }
    let (agent, body) = ask("pay", brought);
    assert!(agent.post(&body).await.body.contains("limit_exceeded"));
    // An answer to a question of the server approves nothing.
    let (agent, body) = ask("delete_all", brought);
    asked(&agent.post(&body).await);
    let (agent, body) = ask("read_item", brought);
    assert!(agent.post(&body).await.body.contains("not_listed"));
    assert_eq!(world.peer.ran(), ["pay", "pay"]);
    // Anything else beside a call's members is refused unread.
    let (agent, body) = ask("pay", r#""inputResponse":{}"#);
    assert_eq!(agent.post(&body).await.status, 400);
    let rows = world.audit().await;
    let verdicts: Vec<&str> = rows.iter().map(|row| row.verdict.as_str()).collect();
    assert_eq!(verdicts, ["allow", "allow", "deny", "hold", "deny", "deny"]);
    world.stop().await;
}

#[tokio::test]
async fn an_approved_call_ends_its_stream_with_its_outcome_also_when_it_fails() {
    let world = world().await;
    let (stream, id) = held(&world, &world.agent()).await;
    world.peer.set(|state| state.fault = Some((500, "text/plain", String::new())));
    decide(&world, &id, Answer::Approve).await;
    let mut stream = stream;
    let shown = rest(&mut stream).await;
    assert!(shown.contains("1002"), "{shown}");
    assert_eq!(outcome(&world).await, "broken");
    world.stop().await;
}

#[tokio::test]
async fn progress_of_the_server_goes_on_above_what_was_told_of_the_wait() {
    let world = world().await;
    let agent = world.agent();
    let body = call(1, "delete_all", "{}")
        .replace(r#""arguments":{}"#, r#""arguments":{},"_meta":{"progressToken":"t\u002d1"}"#);
    let mut stream = agent.open("POST", "/mcp/pay", &body).await;
    let told = read_until(&mut stream, "waiting for a person's approval").await;
    assert!(told.contains(r#""progress":0.000001"#), "{told}");
    let upstream = world.peer.stream("tools/call");
    let id = approvals(&world).await[0].id.to_string();
    decide(&world, &id, Answer::Approve).await;
    let report = |token: &str, progress: &str| {
        let params = format!(r#"{{"progress":{progress},"progressToken":{token},"message":"m"}}"#);
        let note =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
        format!("data: {note}\n\n")
    };
    for progress in ["0", "-1", "0.0000005", "1e-3", "0.5"] {
        super::streams::give(&upstream, &report(r#""t-1""#, progress)).await;
    }
    // What is reported under another token is nothing of this call's.
    super::streams::give(&upstream, &report("7", "0")).await;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    super::streams::give(&upstream, &format!("data: {answer}\n\n")).await;
    let got = rest(&mut stream).await;
    let mut left = &*got;
    for progress in ["0.000002", "0.000003", "0.000004", "1e-3", "0.5"] {
        let (_, behind) = left.split_once(&report(r#""t-1""#, progress)).expect(progress);
        left = behind;
    }
    assert!(left.contains(&report("7", "0")) && left.contains(answer), "{got}");
    assert_eq!(got.matches("notifications/progress").count(), 6);
    world.stop().await;
}

#[tokio::test]
async fn a_call_whose_request_ends_while_it_waits_ends_with_it_and_nobody_is_asked_again() {
    let world = world().await;
    let (mut stream, id) = held(&world, &world.agent()).await;
    world.pass(3601);
    // Somebody else's request moves the news of approvals, and what is over leaves the memory.
    let (other, _) = held_as(&world, &world.other_agent(), &call(2, "delete_all", "{}")).await;
    let shown = rest(&mut stream).await;
    assert!(shown.contains("[APPROVAL REQUIRED]") && shown.contains(&id), "{shown}");
    assert_eq!(approvals(&world).await.len(), 2, "one for each agent");
    drop(other);
    world.stop().await;
}

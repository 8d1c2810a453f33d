//! Held calls as tasks of the gateway, and the link to an approval as an elicitation.

use serde_json::Value;
use store::{Answer, ApprovalFilter};

use super::agent::{Agent, Got, method, modern, read_until};
use super::approvals::{ASK, asked, decide};
use super::world::{Setup, World};

const TASKS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
const LINKS: &str = r#"{"elicitation":{"url":{}}}"#;

async fn call(agent: &Agent, capabilities: &str, more: &str) -> Got {
    let params = format!(r#""name":"delete_all","arguments":{{}}{more}"#);
    let (agent, body) = modern(agent, "tools/call", &params, capabilities);
    agent.with("Mcp-Name", "delete_all").post(&body).await
}

async fn about(agent: &Agent, method: &str, task: &str, capabilities: &str) -> Got {
    let params = format!(r#""taskId":"{task}""#);
    let (agent, body) = modern(agent, method, &params, capabilities);
    agent.with("Mcp-Name", task).post(&body).await
}

/// Opens a legacy session with these capabilities.
async fn opened(world: &World, capabilities: &str) -> Agent {
    world.peer.set(|state| {
        state.sessions.get_or_insert_default();
    });
    let params = format!(
        r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"t","version":"3"}}}}"#
    );
    let got = world.agent().post(&method(0, "initialize", &params)).await;
    let session = got.header("mcp-session-id").expect("a session").to_owned();
    world.agent().with("Mcp-Session-Id", &session)
}

async fn state(agent: &Agent, task: &str) -> Value {
    let got = about(agent, "tasks/get", task, TASKS).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.json()["result"].clone()
}

/// Makes a call that is held; its task, and the approval that it waits for.
async fn task(agent: &Agent) -> (String, String) {
    let got = call(agent, TASKS, "").await;
    let result = &got.json()["result"];
    assert_eq!(result["resultType"], "task", "{got:?}");
    assert_eq!(result["status"], "working");
    let decision = &result["_meta"]["portcullis/decision"];
    assert_eq!(decision["verdict"], "hold");
    let approval = decision["approval"]["id"].as_str().expect("an id");
    let link = format!("http://127.0.0.1:8421/approvals/{approval}");
    assert!(result["statusMessage"].as_str().expect("a sentence").ends_with(&link));
    assert!(result["ttlMs"].as_i64().is_some_and(|ttl| ttl > 0 && ttl <= 3_600_000));
    (result["taskId"].as_str().expect("an id").to_owned(), approval.to_owned())
}

/// Asks until the task has ended.
async fn ended(agent: &Agent, task: &str) -> Value {
    loop {
        let state = state(agent, task).await;
        if state["status"] != "working" {
            return state;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_held_call_is_a_task_at_once_and_runs_once_when_it_is_approved() {
    let world =
        World::with(Setup { policy: Some(ASK), wait_seconds: 30, ..Setup::default() }).await;
    let agent = world.agent();
    let (task, id) = task(&agent).await;
    assert_eq!(state(&agent, &task).await["status"], "working");
    assert!(world.peer.ran().is_empty());
    decide(&world, &id, Answer::Approve).await;
    let done = ended(&agent, &task).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["resultType"], "complete");
    assert!(done["result"].to_string().contains("ran delete_all"), "{done}");
    assert_eq!(world.peer.ran(), ["delete_all"]);
    // It stays what it is, and a further call is another one.
    assert_eq!(ended(&agent, &task).await["result"], done["result"]);
    let (other, another) = self::task(&agent).await;
    assert!(other != task && another != id);
    let rows = world.audit().await;
    let used = rows
        .iter()
        .filter(|row| row.verdict == "allow" && row.approval_id.as_deref() == Some(&*id));
    assert_eq!(used.count(), 1);
    assert!(!world.peer.seen().iter().any(|seen| seen.body.contains("tasks/")));
    world.stop().await;
}

#[tokio::test]
async fn a_task_is_shown_to_its_own_grant_and_to_clients_that_declare_tasks() {
    let world = World::new(ASK).await;
    let (task, id) = task(&world.agent()).await;
    let foreign = about(&world.other_agent(), "tasks/get", &task, TASKS).await;
    let absent = about(&world.other_agent(), "tasks/get", "portcullis-0", TASKS).await;
    assert_eq!(foreign.json()["error"]["code"], -32602);
    assert_eq!(foreign.body, absent.body);
    let cancelled = about(&world.other_agent(), "tasks/cancel", &task, TASKS).await;
    assert_eq!(cancelled.json()["error"]["code"], -32602);
    let undeclared = about(&world.agent(), "tasks/get", &task, "{}").await;
    assert_eq!(
        (undeclared.status, undeclared.json()["error"]["code"].as_i64()),
        (400, Some(-32021))
    );
    decide(&world, &id, Answer::Reject).await;
    let done = ended(&world.agent(), &task).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["result"]["isError"], true);
    let text = done["result"]["content"][0]["text"].as_str().expect("a text");
    assert_eq!(text, "[POLICY DENIED] Rejected by a person: because");
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawn_task_does_not_run_and_the_approval_serves_another_call() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let (task, id) = task(&agent).await;
    let updated = about(&agent, "tasks/update", &task, TASKS).await;
    assert_eq!(updated.json()["result"]["resultType"], "complete", "{updated:?}");
    let got = about(&agent, "tasks/cancel", &task, TASKS).await;
    assert_eq!(got.json()["result"]["resultType"], "complete", "{got:?}");
    assert_eq!(ended(&agent, &task).await["status"], "cancelled");
    decide(&world, &id, Answer::Approve).await;
    world.nothing_held().await;
    assert!(world.peer.ran().is_empty());
    assert!(call(&agent, TASKS, "").await.body.contains("ran delete_all"));
    world.stop().await;
}

#[tokio::test]
async fn what_the_server_answers_instead_of_a_result_shows_in_the_task() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let answers = [
        (r#""error":{"code":-32602,"message":"no"}"#, "failed"),
        (r#""result":{"resultType":"input_required","inputRequests":{}}"#, "failed"),
        (r#""result":{"resultType":"complete","content":[],"isError":true}"#, "completed"),
    ];
    for (answer, status) in answers {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,{answer}}}"#);
        world.peer.set(|state| state.fault = Some((200, "application/json", body.clone())));
        let (task, id) = task(&agent).await;
        decide(&world, &id, Answer::Approve).await;
        assert_eq!(ended(&agent, &task).await["status"], status, "{answer}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_task_that_the_server_makes_of_the_call_is_asked_for_under_the_gateways_name() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let made = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t-9","status":"working"}}"#;
    world.peer.set(|state| {
        state.fault = Some((200, "application/json", made.to_owned()));
        let done = r#"{"resultType":"complete","taskId":"t-9","status":"completed","result":{}}"#;
        state.results = vec![("tasks/get", done)];
    });
    let (task, id) = task(&agent).await;
    decide(&world, &id, Answer::Approve).await;
    let done = ended(&agent, &task).await;
    assert_eq!(
        (done["status"].as_str(), done["taskId"].as_str()),
        (Some("completed"), Some(&*task))
    );
    let seen = world.peer.seen();
    let asked = seen.iter().find(|seen| seen.body.contains("tasks/get")).expect("asked");
    assert!(asked.body.contains(r#""taskId":"t-9""#), "{}", asked.body);
    assert!(asked.head.contains(r#""mcp-name": "t-9""#), "{}", asked.head);
    // Also by a process that knows it from the store alone.
    forget(&world);
    assert_eq!(state(&agent, &task).await["status"], "completed");
    let there = world.peer.seen().into_iter().filter(|seen| seen.body.contains("tasks/get"));
    assert!(there.count() > 1);
    world.stop().await;
}

/// Leaves of all tasks what lies in the store, as a process finds it that starts anew.
fn forget(world: &World) {
    world.gateway.plane.held_tasks.sweep(world.now(), |_grant| true);
}

#[tokio::test]
async fn what_became_of_a_task_is_told_from_the_store_and_its_call_is_not_made_again() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let (ran, id) = task(&agent).await;
    decide(&world, &id, Answer::Approve).await;
    let done = ended(&agent, &ran).await;
    let (withdrawn, _id) = task(&agent).await;
    let got = about(&agent, "tasks/cancel", &withdrawn, TASKS).await;
    assert_eq!(got.json()["result"]["resultType"], "complete", "{got:?}");
    // What was said to be withdrawn is, by the time that this is said.
    let kept = world.store.held_task(&withdrawn).await.expect("read").expect("kept");
    assert_eq!(kept.ended.map(|end| end.outcome), Some(store::TaskOutcome::Cancelled));
    forget(&world);
    assert_eq!(state(&agent, &withdrawn).await["status"], "cancelled");
    assert_eq!(state(&agent, &ran).await, done);
    let foreign = about(&world.other_agent(), "tasks/get", &ran, TASKS).await;
    let absent = about(&world.other_agent(), "tasks/get", "portcullis-0", TASKS).await;
    assert_eq!(foreign.body, absent.body);
    assert_eq!(world.peer.ran(), ["delete_all"]);
    world.stop().await;
}

#[tokio::test]
async fn a_task_is_not_taken_up_in_the_name_of_another_grant() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let (task, id) = task(&agent).await;
    forget(&world);
    let foreign = about(&world.other_agent(), "tasks/get", &task, TASKS).await;
    assert_eq!(foreign.json()["error"]["code"], -32602, "{foreign:?}");
    let (grant, server) = (store::GrantId::from_bytes([1; 16]), store::ServerSlug::parse("pay"));
    let server = server.expect("a slug");
    let held = &world.gateway.plane.held_tasks;
    assert!(held.find(&task, &grant, &server, world.now()).is_none(), "nobody goes on with it");
    assert_eq!(state(&agent, &task).await["status"], "working");
    let all = world.store.approvals(ApprovalFilter::default(), 10, world.now()).await;
    let all: Vec<_> = all.expect("approvals").into_iter().map(|one| one.id.to_string()).collect();
    assert_eq!(all, [id], "nobody else is asked");
    world.stop().await;
}

#[tokio::test]
async fn a_task_whose_result_had_to_make_room_says_that_its_call_may_have_been_made() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let (made, _id) = task(&agent).await;
    let known = world.store.held_task(&made).await.expect("read").expect("kept");
    let id = "portcullis-elsewhere";
    let other = store::HeldTaskRecord { id: id.to_owned(), ..known };
    let (at, expires_at) = (other.made_at, other.expires_at);
    world.store.keep_held_task(other).await.expect("kept");
    let end = store::HeldTaskEnd { outcome: store::TaskOutcome::Completed(None), at, expires_at };
    world.store.end_held_task(id, end).await.expect("ended");
    let got = about(&agent, "tasks/get", id, TASKS).await.json();
    assert_eq!(got["error"]["code"], -32602, "{got}");
    let said = got["error"]["message"].as_str().expect("a sentence");
    assert!(said.contains("may have been made, and is not made again"), "{said}");
    assert!(said.contains("no longer kept"), "{said}");
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_task_that_cannot_be_taken_up_now_is_not_said_to_be_none() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let (task, _id) = task(&agent).await;
    forget(&world);
    let holds = &world.gateway.plane.holds;
    let all = u32::try_from(holds.available_permits()).expect("few");
    let full = holds.clone().try_acquire_many_owned(all).expect("room");
    let got = about(&agent, "tasks/get", &task, TASKS).await.json();
    assert_eq!(got["error"]["code"], -32603, "{got}");
    drop(full);
    assert_eq!(state(&agent, &task).await["status"], "working");
    world.stop().await;
}

#[tokio::test]
async fn tasks_are_announced_where_the_policy_may_hold_and_the_client_takes_them() {
    let capabilities = |got: &Got| got.json()["result"]["capabilities"]["extensions"].clone();
    for (policy, announced) in [(ASK, true), (r#"{"version":"1","default":"allow"}"#, false)] {
        let world = World::new(policy).await;
        let can = r#"{"resultType":"complete","capabilities":{"tools":{}}}"#;
        world.peer.set(|state| state.results = vec![("server/discover", can)]);
        let (agent, body) = modern(&world.agent(), "server/discover", "", TASKS);
        let with = agent.post(&body).await;
        assert_eq!(
            capabilities(&with).get("io.modelcontextprotocol/tasks").is_some(),
            announced,
            "{with:?}"
        );
        let (agent, body) = modern(&world.agent(), "server/discover", "", "{}");
        assert!(capabilities(&agent.post(&body).await).is_null());
        world.stop().await;
    }
}

#[tokio::test]
async fn a_link_is_shown_once_and_what_the_client_says_to_it_approves_nothing() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let got = call(&agent, LINKS, "").await;
    let result = got.json()["result"].clone();
    assert_eq!(result["resultType"], "input_required", "{got:?}");
    let link = &result["inputRequests"]["portcullis_approval"];
    assert_eq!(link["method"], "elicitation/create");
    assert_eq!(link["params"]["mode"], "url");
    let id = link["params"]["url"].as_str().expect("a link").rsplit('/').next().expect("an id");
    let accepted = format!(
        r#","inputResponses":{{"portcullis_approval":{{"action":"accept"}}}},"requestState":{}"#,
        result["requestState"]
    );
    assert_eq!(asked(&call(&agent, LINKS, &accepted).await), id);
    assert!(world.peer.ran().is_empty());
    decide(&world, id, Answer::Approve).await;
    let got = call(&agent, LINKS, &accepted).await;
    assert!(got.body.contains("ran delete_all"), "{got:?}");
    let sent = world.peer.seen().into_iter().rfind(|seen| seen.body.contains("tools/call"));
    let sent = sent.expect("it was sent").body;
    assert!(!sent.contains("inputResponses") && !sent.contains("requestState"), "{sent}");
    world.stop().await;
}

#[tokio::test]
async fn a_state_of_the_server_or_of_another_grant_is_left_alone() {
    let world = World::new(ASK).await;
    let of_server = r#","inputResponses":{},"requestState":"s-1""#;
    let id = asked(&call(&world.agent(), LINKS, of_server).await);
    decide(&world, &id, Answer::Approve).await;
    assert!(call(&world.agent(), LINKS, of_server).await.body.contains("ran delete_all"));
    let sent = |world: &World| {
        let mut calls = world.peer.seen().into_iter();
        calls.rfind(|seen| seen.body.contains("tools/call")).expect("sent").body
    };
    assert!(sent(&world).contains(r#""requestState":"s-1""#));
    let foreign = format!(r#","inputResponses":{{}},"requestState":"portcullis.approval.{id}""#);
    let other = world.other_agent();
    let own = asked(&call(&other, LINKS, &foreign).await);
    decide(&world, &own, Answer::Approve).await;
    assert!(call(&other, LINKS, &foreign).await.body.contains("ran delete_all"));
    assert!(sent(&world).contains(&id), "it may be the server's own");
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_gets_the_link_on_the_stream_and_its_answer_goes_nowhere() {
    let world =
        World::with(Setup { policy: Some(ASK), wait_seconds: 30, ..Setup::default() }).await;
    let agent = opened(&world, LINKS).await;
    let body = super::agent::call(1, "delete_all", "{}");
    let mut stream = agent.open("POST", "/mcp/pay", &body).await;
    let shown = read_until(&mut stream, "elicitationId").await;
    assert!(shown.contains(r#""mode":"url""#), "{shown}");
    let line = shown.lines().find(|line| line.contains("elicitation/create")).expect("a request");
    let request: Value = serde_json::from_str(line.trim_start_matches("data: ")).expect("JSON");
    let approval = request["params"]["elicitationId"].as_str().expect("an id").to_owned();
    let answer =
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept"}}}}"#, request["id"]);
    assert_eq!(agent.post(&answer).await.status, 202);
    assert_eq!(agent.post(&answer).await.status, 400, "it was answered");
    assert!(world.peer.ran().is_empty());
    assert!(!world.peer.seen().iter().any(|seen| seen.body.contains("accept")));
    decide(&world, &approval, Answer::Approve).await;
    let rest = read_until(&mut stream, "ran delete_all").await;
    assert!(rest.contains("notifications/elicitation/complete"), "{rest}");
    world.stop().await;
}

#[tokio::test]
async fn a_legacy_client_whose_call_does_not_wait_gets_the_link_as_an_error() {
    let world = World::new(ASK).await;
    let agent = opened(&world, LINKS).await;
    let got = agent.post(&super::agent::call(1, "delete_all", "{}")).await;
    let error = &got.json()["error"];
    assert_eq!(error["code"], -32042, "{got:?}");
    let link = &error["data"]["elicitations"][0];
    assert_eq!(link["mode"], "url");
    let id = link["elicitationId"].as_str().expect("an id");
    assert_eq!(error["data"]["portcullis/decision"]["approval"]["id"], id);
    decide(&world, id, Answer::Approve).await;
    let got = agent.post(&super::agent::call(2, "delete_all", "{}")).await;
    assert!(got.body.contains("ran delete_all"), "{got:?}");
    // Whoever only declares forms reads the result.
    let plain = opened(&world, r#"{"elicitation":{}}"#).await;
    asked(&plain.post(&super::agent::call(1, "delete_all", "{}")).await);
    let all = world.store.approvals(ApprovalFilter::default(), 10, world.now()).await;
    assert_eq!(all.expect("approvals").len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_task_that_nobody_decides_ends_with_its_time() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    let (task, id) = task(&agent).await;
    let kept = world.store.held_task(&task).await.expect("read").expect("kept");
    assert_eq!(kept.approval.as_str(), id);
    world.pass(3601);
    // Somebody else's request moves the news of approvals.
    asked(&call(&world.other_agent(), "{}", "").await);
    let done = ended(&agent, &task).await;
    assert_eq!((&done["status"], &done["result"]["isError"]), (&"completed".into(), &true.into()));
    assert!(done["result"].to_string().contains("[APPROVAL REQUIRED]"), "{done}");
    assert!(world.peer.ran().is_empty());
    let kept = world.store.held_task(&task).await.expect("read").expect("kept");
    assert!(kept.ended.is_some() && kept.body.is_empty(), "{kept:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_grant_with_as_many_tasks_as_it_may_have_waits_without_one() {
    let world = World::new(ASK).await;
    let agent = world.agent();
    // Calls that are alike join one request, and each is a task of its own.
    for _ in 0..crate::held_tasks::TASKS_PER_GRANT_MAX {
        task(&agent).await;
    }
    asked(&call(&agent, TASKS, "").await);
    let long = format!(r#","_meta2":"{}""#, "x".repeat(70_000));
    let other = world.other_agent();
    assert!(call(&other, TASKS, &long).await.json()["result"]["taskId"].is_null());
    task(&other).await;
    world.stop().await;
}

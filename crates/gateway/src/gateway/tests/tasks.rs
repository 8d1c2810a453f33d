use bytes::Bytes;

use super::agent::{Agent, Got, call, method, modern, read, read_until};
use super::sessions::opened;
use super::streams::{give, listen};
use super::world::{Setup, World};

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;
const EXTENSION: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

async fn get(agent: &Agent, task: &str, capabilities: &str) -> Got {
    let (agent, body) = modern(agent, "tasks/get", &format!(r#""taskId":"{task}""#), capabilities);
    agent.with("Mcp-Name", task).post(&body).await
}

#[tokio::test]
async fn a_task_belongs_to_the_grant_that_created_it() {
    let world = World::new(ALLOW).await;
    let created =
        r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}"#;
    world.peer.set(|state| state.fault = Some((200, "application/json", created.to_owned())));
    assert_eq!(world.agent().post(&call(1, "pay", "{}")).await.body, created);
    let other = world.other_agent().with("MCP-Protocol-Version", "2025-11-25");
    let body = method(2, "tasks/result", r#"{"taskId":"t-1"}"#);
    assert_eq!(world.agent().post(&body).await.body, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#);
    assert_eq!(other.post(&body).await.json()["error"]["code"], -32602);
    assert_eq!(get(&world.agent(), "t-1", EXTENSION).await.status, 200);
    let foreign = get(&world.other_agent(), "t-1", EXTENSION).await;
    let absent = get(&world.other_agent(), "t-2", EXTENSION).await;
    assert_eq!((foreign.status, &foreign.json()["error"]["code"]), (200, &(-32602).into()));
    assert_eq!(foreign.body, absent.body);
    let undeclared = get(&world.other_agent(), "t-1", "{}").await;
    assert_eq!(undeclared.status, 400);
    let error = &undeclared.json()["error"];
    assert_eq!(error["code"], -32021);
    assert!(
        error["data"]["requiredCapabilities"]["extensions"]["io.modelcontextprotocol/tasks"]
            .is_object(),
        "{undeclared:?}"
    );
    let asked = world.peer.seen().iter().filter(|seen| seen.body.contains("tasks/")).count();
    assert_eq!(asked, 2);
    let rows = world.audit().await;
    assert_eq!(rows.iter().filter(|row| row.verdict == "deny").count(), 4);
    world.stop().await;
}

#[tokio::test]
async fn a_grant_whose_policy_denies_everything_reaches_no_task_of_its_own() {
    let world = World::new(ALLOW).await;
    let agent = world.agent().with("MCP-Protocol-Version", "2025-11-25");
    create(&world, &agent, "t-1").await;
    world.break_policy().await;
    for name in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let got = agent.post(&method(2, name, r#"{"taskId":"t-1"}"#)).await;
        assert_eq!(got.json()["error"]["code"], -32602, "{got:?}");
    }
    assert!(!world.peer.seen().iter().any(|seen| seen.body.contains("tasks/")));
    world.stop().await;
}

/// Has the call of a grant create a task.
async fn create(world: &World, agent: &Agent, task: &str) {
    let created = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"task":{{"taskId":"{task}","status":"working"}}}}}}"#
    );
    world.peer.set(|state| state.fault = Some((200, "application/json", created.clone())));
    assert_eq!(agent.post(&call(1, "pay", "{}")).await.body, created);
    world.peer.set(|state| state.fault = None);
}

/// What the server lists: the tasks of all its clients, of one of which nobody knows the creator.
const LISTED: &str = r#"{"tasks":[ {"taskId":"t-a","ttl":1.50},{"taskId":"t-b","vendor":{"b":1,"a":2}} , {"taskId":"t-0"},{"status":"working","taskId":"t-\u0061"}],"nextCursor":"p-2"}"#;

async fn list(agent: &Agent) -> String {
    let agent = agent.with("MCP-Protocol-Version", "2025-11-25");
    let got = agent.post(&method(3, "tasks/list", r#"{"cursor":"p-1"}"#)).await;
    assert_eq!(got.status, 200, "{got:?}");
    let head = r#"{"jsonrpc":"2.0","id":3,"result":"#;
    got.body.strip_prefix(head).unwrap_or_else(|| panic!("{got:?}")).to_owned()
}

#[tokio::test]
async fn a_list_of_tasks_shows_each_grant_its_own_and_tasks_of_nobody_to_none() {
    for policy in [ALLOW, r#"{"version":"1","default":"deny","tools":{"pay":{}}}"#] {
        let world = World::new(policy).await;
        create(&world, &world.agent(), "t-a").await;
        create(&world, &world.other_agent(), "t-b").await;
        world.peer.set(|state| state.results.push(("tasks/list", LISTED)));
        assert_eq!(
            list(&world.agent()).await,
            r#"{"tasks":[ {"taskId":"t-a","ttl":1.50},{"status":"working","taskId":"t-\u0061"}],"nextCursor":"p-2"}}"#
        );
        assert_eq!(
            list(&world.other_agent()).await,
            r#"{"tasks":[ {"taskId":"t-b","vendor":{"b":1,"a":2}}],"nextCursor":"p-2"}}"#
        );
        let sent = world.peer.seen();
        let asked = method(3, "tasks/list", r#"{"cursor":"p-1"}"#);
        assert_eq!(sent.iter().filter(|seen| seen.body == asked).count(), 2);
        let rows = world.audit().await;
        let rows: Vec<_> =
            rows.iter().filter(|row| row.method.as_deref() == Some("tasks/list")).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.verdict == "allow"), "{rows:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_list_of_tasks_on_an_event_stream_is_filtered_too_and_an_unreadable_one_is_refused() {
    let world = World::new(ALLOW).await;
    create(&world, &world.agent(), "t-a").await;
    let answer = |tasks: &str| format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{{tasks}}}}}"#);
    for (sent, shown) in [
        (r#""tasks":[{"taskId":"t-b"},{"taskId":"t-a"}]"#, Some(r#""tasks":[{"taskId":"t-a"}]"#)),
        (r#""tasks":[{"taskId":"t-a"}],"Tasks":[{"taskId":"t-b"}]"#, None),
    ] {
        let stream = world.peer.stream("tasks/list");
        let running = world.agent().open("POST", "/mcp/pay", &method(3, "tasks/list", "{}")).await;
        let event = format!("data: {}\n\n", answer(sent));
        stream.send(Bytes::from(event)).await.expect("the gateway reads");
        let got = read(running).await;
        assert!(!got.body.contains("t-b"), "{got:?}");
        match shown {
            Some(shown) => assert!(got.body.contains(&answer(shown)), "{got:?}"),
            None => assert_eq!(got.json()["error"]["code"], 1002, "{got:?}"),
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn a_revision_without_lists_of_tasks_takes_one_for_any_other_method() {
    for (policy, passes) in [(ALLOW, true), (r#"{"version":"1","default":"deny"}"#, false)] {
        let world = World::new(policy).await;
        if passes {
            create(&world, &world.agent(), "t-a").await;
        }
        world.peer.set(|state| state.results.push(("tasks/list", LISTED)));
        let (agent, body) = modern(&world.agent(), "tasks/list", "", EXTENSION);
        let got = agent.post(&body).await;
        if passes {
            let shown = r#"{"cacheScope":"private","tasks":[ {"taskId":"t-a","ttl":1.50},{"status":"working","taskId":"t-\u0061"}],"nextCursor":"p-2"}"#;
            assert!(got.body.contains(shown), "{got:?}");
        } else {
            assert_eq!((got.status, &got.json()["error"]["code"]), (404, &(-32601).into()));
            assert!(world.peer.seen().iter().all(|seen| !seen.body.contains("tasks/list")));
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_grant_without_policy_sees_no_tasks_and_the_server_is_not_asked() {
    let world = World::with(Setup { policy: None, wait_seconds: 0, ..Setup::default() }).await;
    world.peer.set(|state| state.results.push(("tasks/list", LISTED)));
    assert_eq!(list(&world.agent()).await, r#"{"tasks":[]}}"#);
    assert!(world.peer.seen().iter().all(|seen| !seen.body.contains("tasks/list")));
    world.stop().await;
}

#[tokio::test]
async fn news_of_a_task_goes_to_the_grant_that_created_it() {
    let world = World::new(ALLOW).await;
    create(&world, &world.agent(), "t-a").await;
    create(&world, &world.other_agent(), "t-b").await;
    let news = |method: &str, task: &str| {
        let note = format!(
            r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"taskId":"{task}","status":"working"}}}}"#
        );
        format!("data: {note}\n\n")
    };
    let last = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"last\"}}\n\n";
    // A subscription names tasks that there are; a session may hear of one before it is created.
    let filter = r#""notifications":{"taskIds":["t-a","t-b","t-of-nobody"]}"#;
    let (agent, body) = modern(&world.agent(), "subscriptions/listen", filter, "{}");
    let stream = world.peer.stream("subscriptions/listen");
    let mut subscribed = agent.open("POST", "/mcp/pay", &body).await;
    let _head = read_until(&mut subscribed, ":\n\n").await;
    for task in ["t-b", "t-of-nobody", "t-a"] {
        give(&stream, &news("notifications/tasks", task)).await;
    }
    give(&stream, last).await;
    let shown = read_until(&mut subscribed, "last").await;
    assert!(shown.contains("t-a") && !shown.contains("t-b"), "{shown}");
    assert!(!shown.contains("nobody"), "{shown}");
    let (agent, _session) = opened(&world).await;
    let stream = world.peer.stream("GET");
    let mut listening = listen(&agent).await;
    for task in ["t-b", "t-to-come", "t-a"] {
        give(&stream, &news("notifications/tasks/status", task)).await;
    }
    give(&stream, last).await;
    let shown = read_until(&mut listening, "last").await;
    assert!(shown.contains("t-a") && shown.contains("t-to-come"), "{shown}");
    assert!(!shown.contains("t-b"), "{shown}");
    world.stop().await;
}

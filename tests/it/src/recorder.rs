//! An MCP server that writes down everything: the raw requests that reach it, the credential that
//! each carries, and the calls that it ran. It comes strict, and as a lenient twin that reads what no
//! careful server would read, so that whatever slips past the gateway shows up as a call that ran.

mod answers;
mod http_server;
mod lenient;
mod log;
mod node;
mod pipe;
mod strict;
mod tools;

use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

pub use log::{Executed, Forwarded, Log, RawRequest};
pub use pipe::CREDENTIAL_VARIABLE;

/// How the server reads what reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personality {
    /// Refuses what the specification refuses.
    Strict,
    /// The evil twin: first duplicate wins, keys ignoring case, other encodings, batches, calls
    /// without an id, trimmed and folded names.
    Lenient,
}

/// How the server answers requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One JSON body.
    Json,
    /// An event stream that ends with the answer.
    Stream,
}

/// What a recorder is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name in the log.
    pub name: &'static str,
    /// How it reads.
    pub personality: Personality,
    /// How it answers.
    pub framing: Framing,
    /// Whether it hands out `Mcp-Session-Id` and knows only the ids that it handed out.
    pub stateful: bool,
    /// The value of `Authorization` that only the gateway knows.
    pub credential: String,
}

impl Options {
    /// A strict, stateless server that answers JSON.
    pub fn strict(name: &'static str) -> Self {
        Self {
            name,
            personality: Personality::Strict,
            framing: Framing::Json,
            stateful: false,
            credential: format!("Bearer upstream-credential-of-{name}"),
        }
    }

    /// The same server as its lenient twin.
    #[must_use]
    pub fn reading(mut self, personality: Personality) -> Self {
        self.personality = personality;
        self
    }

    /// The same server with sessions.
    #[must_use]
    pub fn stateful(mut self) -> Self {
        self.stateful = true;
        self
    }

    /// The same server answering as event streams.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.framing = Framing::Stream;
        self
    }
}

/// What happens to a call after it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A JSON-RPC error with that code.
    RpcError(i64),
    /// An HTTP status without a JSON-RPC body.
    Status(u16),
    /// The connection closes without an answer.
    Close,
    /// The answer belongs to another request.
    OtherId,
    /// The body stops in the middle.
    Cut,
    /// The body is no JSON.
    BadJson,
    /// A redirect to that place.
    Redirect(String),
    /// The answer waits until [`Recorder::release`] lets it go.
    Held,
    /// The result is this raw JSON text.
    Result(String),
    /// The whole HTTP body is this text.
    Body(String),
}

impl Fault {
    /// Reads the fault names of case files: `rpcerr:-32603`, `status:500`, `close`, …
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        Some(match name {
            "rpcerr" | "rpc_error" | "error" => Self::RpcError(value.parse().ok()?),
            "status" | "http" => Self::Status(value.parse().ok()?),
            "close" | "reset" | "drop" => Self::Close,
            "other_id" | "wrong_id" => Self::OtherId,
            "cut" | "truncate" => Self::Cut,
            "badjson" | "bad_json" => Self::BadJson,
            "redirect" => Self::Redirect(value.to_owned()),
            "hang" | "hold" | "timeout" => Self::Held,
            "is_error" | "iserror" => Self::Result(answers::TOOL_FAILED.to_owned()),
            _ => return None,
        })
    }
}

/// State of one server, shared by its connections.
struct Server {
    options: Options,
    log: Log,
    tools: Mutex<Vec<serde_json::Value>>,
    fault: Mutex<Option<Fault>>,
    /// The tasks that calls created, of all clients, in order.
    tasks: Mutex<Vec<String>>,
    sessions: Mutex<HashSet<String>>,
    /// Counts every session ever handed out, so that no id is given twice.
    sessions_made: AtomicUsize,
    listeners: Mutex<Vec<mpsc::Sender<String>>>,
    gate: Semaphore,
}

/// A running recorder; dropping it closes its listeners.
pub struct Recorder {
    server: Arc<Server>,
    port: u16,
    pipe_port: u16,
    _tasks: JoinSet<()>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Recorder({} on {})", self.server.options.name, self.port)
    }
}

impl Recorder {
    /// Starts a server on a free loopback port, writing to `log`.
    pub async fn start(options: Options, log: Log) -> Self {
        let server = Arc::new(Server {
            options,
            log,
            tools: Mutex::new(tools::first_list()),
            fault: Mutex::default(),
            tasks: Mutex::default(),
            sessions: Mutex::default(),
            sessions_made: AtomicUsize::new(0),
            listeners: Mutex::default(),
            gate: Semaphore::new(0),
        });
        let mut tasks = JoinSet::new();
        let port = http_server::listen(&mut tasks, Arc::clone(&server)).await;
        let pipe_port = pipe::listen(&mut tasks, Arc::clone(&server)).await;
        Self { server, port, pipe_port, _tasks: tasks }
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Where the stdio bridge connects to, for a gateway that starts this server as a child.
    pub fn pipe_port(&self) -> u16 {
        self.pipe_port
    }

    /// What it was started with.
    pub fn options(&self) -> &Options {
        &self.server.options
    }

    /// What happens to calls from now on.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *self.server.fault.lock().expect("no holder panics") = fault;
    }

    /// Lets `count` held calls be answered, now or when they come.
    pub fn release(&self, count: usize) {
        self.server.gate.add_permits(count);
    }

    /// Changes a tool's definition and tells everybody who listens.
    ///
    /// # Panics
    /// When there is no such tool.
    pub fn change_tool(&self, name: &str) {
        let mut tools = self.server.tools.lock().expect("no holder panics");
        let tool = tools.iter_mut().find(|tool| tool["name"] == name).expect("a tool of that name");
        tool["description"] = "Does something else since this morning".into();
        drop(tools);
        self.server.announce();
    }

    /// Adds a tool and tells everybody who listens.
    pub fn add_tool(&self, name: &str) {
        let mut tools = self.server.tools.lock().expect("no holder panics");
        tools.push(tools::defined(name, "Appeared later", serde_json::json!({})));
        drop(tools);
        self.server.announce();
    }

    /// Lists these tools from now on.
    pub fn set_tools(&self, tools: Vec<serde_json::Value>) {
        *self.server.tools.lock().expect("no holder panics") = tools;
        self.server.announce();
    }

    /// The definitions that it lists.
    pub fn tools(&self) -> Vec<serde_json::Value> {
        self.server.tools.lock().expect("no holder panics").clone()
    }

    /// Sends a message on every stream that listens.
    pub fn send(&self, message: &serde_json::Value) {
        self.server.tell(&message.to_string());
    }

    /// How many streams listen.
    pub fn listeners(&self) -> usize {
        let mut listeners = self.server.listeners.lock().expect("no holder panics");
        listeners.retain(|listener| !listener.is_closed());
        listeners.len()
    }
}

impl Server {
    fn announce(&self) {
        self.tell(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    }

    fn tell(&self, message: &str) {
        let mut listeners = self.listeners.lock().expect("no holder panics");
        listeners.retain(|listener| listener.try_send(message.to_owned()).is_ok());
    }
}

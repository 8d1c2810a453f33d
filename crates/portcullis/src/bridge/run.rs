//! `run`: a gateway for one stdio server and one client, inside this process. It is the gateway that
//! `serve` runs, on a loopback listener with a token that nobody else knows, and the client reaches
//! it as `connect` does.
//!
//! What never lives here: a second way to judge or carry a call.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use gateway::upstream::{ListError, SendError, Unreachable};
use gateway::{Gateway, GatewayConfig, ListingError};
use policy::{ApprovalState, Document};
use store::{
    APPROVALS_PAGE_ROWS_MAX, ApprovalFilter, Entropy, FileGrant, FileObjects, FilePolicy,
    FromServer, Label, NewTools, PolicyMode, PolicyName, Revision, Role, Secret, ServerRecord,
    ServerSlug, Store, StoreConfig, Timeouts, Token, Transport,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::carry;
use super::endpoint::Endpoint;
use crate::causes::chain;
use crate::clock;
use crate::config::policies::{PinnedTools, from_policy, read_policy, run_tests};
use crate::config::{self, Config, Environment, PolicyEntry};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::manage::inert;
use crate::output;
use crate::scratch::Scratch;
use crate::serve::signals::Signals;
use crate::serve::{self, Ready};
use crate::tool_file;
use crate::traces::Traces;

/// Variables that a program gets without being asked for: where things are, nothing secret.
const PASSED: [&str; 9] =
    ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];
/// Seconds between two listings of the server's tools.
const REFRESH_SECONDS: u32 = 60;
/// The configuration of an installation that `run` keeps. It names neither server nor grant: those
/// are the command line's, and end with it.
const KEPT: &str = "\
# Written by `portcullis run --data-dir`, for `portcullis approvals`, `audit` and `server` with
# `--config`. There is no console: held calls are decided with `portcullis approvals`.
data_dir = \"data\"
console_url = \"http://no-console.invalid\"
";
/// The configuration of an installation that ends with `run`. Nobody can decide a held call, so
/// nobody waits for it.
const PASSING: &str = "\
data_dir = \"data\"
console_url = \"http://no-console.invalid\"

[approvals]
wait_seconds = 0
wait_seconds_with_progress = 0
";

/// What `run` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
The client talks to this command as if it were the server: messages on stdin and stdout, everything
else on stderr. The program is started without a shell, with PATH, HOME and the like and the
variables named with --env. Tools of the first contact are accepted; new and changed ones are kept
out (with --data-dir until `portcullis server accept`).

A held call ends as [APPROVAL REQUIRED] unless there is a --data-dir: then it waits, and
`portcullis approvals watch --config DIR/portcullis.toml` decides it. Without --data-dir, limits
count and the audit is kept only as long as this command runs.

Exit codes: 0 when stdin ends, 1 when the program cannot be started, 3 for an invalid policy.

Examples:
  portcullis run --policy files.policy.json -- npx -y some-server /srv/files
  portcullis run --policy files.policy.json --data-dir ~/.portcullis-files --env API_KEY -- my-server")]
pub(crate) struct RunArgs {
    /// The policy
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Tool definitions that the policy's own tests are run against
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// What the server is called in the audit: a-z, 0-9 and -
    #[arg(long, value_name = "NAME", default_value = "local")]
    server_name: String,
    /// A variable that the program gets; may be repeated
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// Keep approvals, limits, accepted tools and the audit here
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs until stdin ends.
pub(crate) async fn run(args: RunArgs, environment: Environment) -> Result<Exit, Failure> {
    let server = server(&args, &environment)?;
    let policy = policy(&args, &server.slug)?;
    let entropy = Entropy::system();
    let home = Home::make(args.data_dir.as_deref(), &entropy)?;
    let config =
        config::load(&config::Source { path: home.config_path(), environment: &environment })?;
    let mut signals = Signals::install()?;
    let token = Token::make(
        entropy
            .bytes()
            .map_err(|error| Failure::because(Exit::Failed, "cannot make a token", &error))?,
    );
    let objects = objects(server.clone(), policy, &token)?;
    let store = open(&config)?;
    let applied = store.apply_file_objects(objects, clock::now()).await;
    applied.map_err(|error| Failure::because(Exit::Failed, "cannot start", &error))?;
    let traces = Traces::start(&environment)?;
    let parts = (&store, &home, &traces);
    let ran = serve_client(&config, parts, (&server.slug, &token), &mut signals).await;
    store.close().await;
    traces.finish().await;
    ran
}

/// Starts gateway and program, and carries the client's messages.
async fn serve_client(
    config: &Config,
    (store, home, traces): (&Store, &Home, &Traces),
    (slug, token): (&ServerSlug, &Token),
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    let listen = |error| Failure::because(Exit::Failed, "cannot listen on 127.0.0.1", &error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let ready = Ready { gateway: address, console: address };
    let observed =
        GatewayConfig { observer: traces.observer(), ..serve::gateway_config(config, ready) };
    let gateway = Gateway::new(observed, store.clone());
    gateway.reload().await?;
    let stop = CancellationToken::new();
    let mut beside = JoinSet::new();
    let (serving, closing) = (gateway.clone(), stop.clone());
    beside.spawn(async move {
        if let Err(error) = serving.serve(listener, closing).await {
            tracing::error!(error = chain(&error), "the gateway stopped");
        }
    });
    let started = tokio::select! {
        started = start(&gateway, slug) => started,
        () = signals.terminated() => Ok(Started::Unwanted),
    };
    let ended = match started {
        Ok(Started::Unwanted) => Ok(Exit::Good),
        Ok(Started::Running) => {
            home.explain();
            let mut watching = JoinSet::new();
            watching.spawn(announce_holds(store.clone(), home.kept_config()));
            let url = format!("http://{address}/mcp/{slug}");
            match Endpoint::new(&url, token.expose()) {
                Ok(endpoint) => carry(endpoint, signals).await,
                Err(error) => Err(Failure::because(Exit::Failed, "cannot start", &error)),
            }
        }
        Err(failure) => Err(failure),
    };
    // Ends the program too.
    stop.cancel();
    while beside.join_next().await.is_some() {}
    ended
}

/// What became of the program's start.
enum Started {
    Running,
    /// A signal came first.
    Unwanted,
}

/// Starts the program and lists its tools.
async fn start(gateway: &Gateway, slug: &ServerSlug) -> Result<Started, Failure> {
    match gateway.inspect(slug).await {
        Ok(_) => Ok(Started::Running),
        Err(
            error @ (ListingError::NotSetUp(_)
            | ListingError::Server(ListError::Send(SendError::Unreachable(_)))),
        ) => Err(not_started(&error)),
        Err(
            error @ (ListingError::Server(_)
            | ListingError::NoServer(_)
            | ListingError::Store(_)
            | ListingError::TooSlow),
        ) => {
            // A server without tools may still have resources and prompts.
            tracing::warn!(error = chain(&error), "the tools are not known");
            Ok(Started::Running)
        }
    }
}

/// The first cause says most: there is no such program, it may not be run, it is no MCP server.
fn not_started(error: &ListingError) -> Failure {
    let doing = "the program cannot be started";
    match error {
        ListingError::Server(ListError::Send(SendError::Unreachable(Unreachable::Spawn(
            cause,
        )))) => Failure::because(Exit::Failed, doing, cause),
        ListingError::Server(ListError::Send(SendError::Unreachable(cause))) => {
            Failure::because(Exit::Failed, doing, cause)
        }
        ListingError::Server(_)
        | ListingError::NotSetUp(_)
        | ListingError::NoServer(_)
        | ListingError::Store(_)
        | ListingError::TooSlow => Failure::because(Exit::Failed, doing, error),
    }
}

/// The policy, checked with its own tests.
fn policy(args: &RunArgs, server: &ServerSlug) -> Result<PolicyEntry, Failure> {
    let unreadable = |path: &Path, why: &str| {
        Failure::new(Exit::Usage, format!("cannot read {}: {why}", path.display()))
    };
    let text =
        read_policy(&args.policy).map_err(|error| unreadable(&args.policy, &error.to_string()))?;
    let tools = args
        .tools
        .as_deref()
        .map(|path| tool_file::read(path).map_err(|error| unreadable(path, &error.to_string())));
    let refused = |files| Failure::in_files(Exit::Policy, files);
    let document = Document::parse(&text)
        .map_err(|problems| refused(vec![from_policy(&args.policy, &text, problems)]))?;
    let entry = PolicyEntry {
        name: PolicyName::parse("run")?,
        server: server.clone(),
        path: args.policy.clone(),
        document,
        mode: PolicyMode::Enforce,
        tools: tools.transpose()?,
    };
    run_tests(std::slice::from_ref(&entry), &PinnedTools::new()).map_err(refused)?;
    Ok(entry)
}

fn server(args: &RunArgs, environment: &Environment) -> Result<ServerRecord, Failure> {
    let value = |name: &str| {
        environment.get(name).map(|value| (name.to_owned(), Secret::new(value.to_owned())))
    };
    let mut env: Vec<_> = PASSED.iter().filter_map(|name| value(name)).collect();
    for name in args.env.iter().filter(|name| !PASSED.contains(&name.as_str())) {
        env.push(value(name).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("--env {name}: the variable is not set"))
        })?);
    }
    Ok(ServerRecord {
        slug: ServerSlug::parse(&args.server_name)?,
        transport: Transport::Stdio { command: args.command.clone(), env },
        allow_private_address: false,
        timeouts: Timeouts::default(),
        refresh_seconds: REFRESH_SECONDS,
        new_tools: NewTools::Quarantine,
        accept_first: true,
        classes: BTreeMap::new(),
        from_server: FromServer::default(),
        managed_by_file: true,
        revision: Revision::default(),
    })
}

fn objects(
    server: ServerRecord,
    policy: PolicyEntry,
    token: &Token,
) -> Result<FileObjects, Failure> {
    let grant = FileGrant {
        label: Label::parse("run")?,
        server: server.slug.clone(),
        policy: Some(policy.name.clone()),
        token_hash: token.hash(),
        expires_at: None,
        tags: BTreeMap::new(),
    };
    let policy = FilePolicy {
        name: policy.name,
        server: Some(policy.server),
        text: policy.document.text().to_owned(),
        canonical: policy.document.canonical().to_owned(),
        mode: policy.mode,
    };
    Ok(FileObjects {
        servers: vec![server],
        policies: vec![policy],
        grants: vec![grant],
        api_tokens: Vec::new(),
    })
}

fn open(config: &Config) -> Result<Store, Failure> {
    let options = StoreConfig {
        data_dir: config.data_dir.clone(),
        audit_mode: config.audit_mode,
        role: Role::Serve,
    };
    Store::open(&options, clock::now())
        .map_err(|error| Failure::because(Exit::Failed, "cannot open the store", &error))
}

/// Where the installation is.
enum Home {
    Kept(PathBuf),
    Passing(Scratch),
}

impl Home {
    fn make(kept: Option<&Path>, entropy: &Entropy) -> Result<Self, Failure> {
        let home = match kept {
            None => Self::Passing(Scratch::make("portcullis-run", entropy).map_err(|error| {
                Failure::because(Exit::Failed, "cannot make a temporary directory", &error)
            })?),
            Some(path) => {
                let mut builder = fs::DirBuilder::new();
                builder.recursive(true).mode(0o700).create(path).map_err(|error| {
                    Failure::because(Exit::Usage, &path.display().to_string(), &error)
                })?;
                Self::Kept(path.to_owned())
            }
        };
        home.write()?;
        Ok(home)
    }

    fn config_path(&self) -> PathBuf {
        let dir = match self {
            Self::Kept(dir) => dir.as_path(),
            Self::Passing(scratch) => scratch.path(),
        };
        dir.join("portcullis.toml")
    }

    /// The configuration that other commands can be given.
    fn kept_config(&self) -> Option<PathBuf> {
        match self {
            Self::Kept(_) => Some(self.config_path()),
            Self::Passing(_) => None,
        }
    }

    /// Writes the configuration; one that is there stays as it is.
    fn write(&self) -> Result<(), Failure> {
        let text = match self {
            Self::Kept(_) => KEPT,
            Self::Passing(_) => PASSING,
        };
        let path = self.config_path();
        let mut options = fs::OpenOptions::new();
        let written = match options.write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            opened => opened.and_then(|mut file| file.write_all(text.as_bytes())),
        };
        written.map_err(|error| {
            Failure::because(Exit::Failed, &format!("cannot write {}", path.display()), &error)
        })
    }

    /// Says how held calls are decided.
    fn explain(&self) {
        output::note(match self.kept_config() {
            Some(config) => format!(
                "portcullis: held calls are decided with `portcullis approvals watch --config {}`",
                config.display()
            ),
            None => {
                "portcullis: a held call ends as [APPROVAL REQUIRED]; start with --data-dir DIR \
                     to decide such calls with `portcullis approvals`"
                    .to_owned()
            }
        });
    }
}

/// Says on stderr which calls wait, and what decides them.
async fn announce_holds(store: Store, config: Option<PathBuf>) {
    let Some(config) = config else { return };
    let mut changes = store.approval_changes();
    let mut said = std::collections::BTreeSet::new();
    loop {
        let filter =
            ApprovalFilter { state: Some(ApprovalState::Pending), ..ApprovalFilter::default() };
        let pending = store.approvals(filter, APPROVALS_PAGE_ROWS_MAX, clock::now()).await;
        let pending = pending.unwrap_or_default();
        said.retain(|id| pending.iter().any(|record| record.id == *id));
        for record in pending.iter().rev() {
            if said.insert(record.id.clone()) {
                output::note(format!(
                    "portcullis: {} {} waits: portcullis approvals approve {} --config {}",
                    inert(&record.name),
                    inert(&record.arguments),
                    record.id,
                    config.display()
                ));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

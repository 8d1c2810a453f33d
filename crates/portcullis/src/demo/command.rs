//! `demo` and its small commands as the command line knows them.
//!
//! What never lives here: what the demo shows, what the five lines do.

use std::io::stdout;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;
use store::Entropy;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::state::{self, State, StateError};
use super::{DemoError, Prepared, lines, prepare, run_all};
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::scratch::Scratch;
use crate::serve::{self, FirstLink, ServeOptions};

/// What `demo` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Starts a payment server, the gateway in front of it and the console, all on 127.0.0.1, and prints
five lines to try in a second terminal. Ctrl-C ends it and removes what it wrote.

Examples:
  portcullis demo
  portcullis demo --run-all
  portcullis demo --dir my-demo    # keeps the configuration, the policy and the audit")]
pub(crate) struct DemoArgs {
    /// Write the demo's files here and keep them [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Run the five lines, print what they print, and end
    #[arg(long)]
    run_all: bool,
    /// One of the lines, against the demo that runs in another terminal.
    #[command(subcommand)]
    command: Option<DemoCommand>,
}

/// The small commands.
#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Call a tool as the demo's agent
    #[command(after_help = "\
Example:
  portcullis demo call backchannel_resend_otp '{\"ticket\":\"t-1\"}' --times 11")]
    Call(CallArgs),
    /// Approve the oldest call that waits
    Approve(DecideArgs),
    /// Reject the oldest call that waits; the agent reads the reason
    Reject(DecideArgs),
    /// Show what was decided so far
    Audit,
}

/// Which call.
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The tool
    pub(super) tool: String,
    /// Its arguments, a JSON object
    #[arg(value_name = "JSON", default_value = "{}", value_parser = json_object)]
    pub(super) arguments: Value,
    /// How often, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(lines::TIMES_MAX)))]
    pub(super) times: u32,
}

/// Why a call is decided like this.
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

fn json_object(text: &str) -> Result<Value, String> {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("the arguments of a tool are a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl DemoArgs {
    /// The small command, if there is one.
    #[cfg(test)]
    pub(super) fn into_command(self) -> Option<DemoCommand> {
        self.command
    }
}

/// Runs the demo or one of its small commands.
pub(crate) async fn run(args: DemoArgs, environment: Environment) -> Result<Exit, Failure> {
    let runtime_dir = environment.get_non_empty("XDG_RUNTIME_DIR").map(PathBuf::from);
    let state_path = state::path(runtime_dir.as_deref());
    match args.command {
        None => demo(&args, environment, &state_path).await,
        Some(command) => small(command, &state::read(&state_path)?).await,
    }
}

async fn small(command: DemoCommand, state: &State) -> Result<Exit, Failure> {
    let out = &mut stdout();
    match command {
        DemoCommand::Call(call) => {
            lines::call(state, (&call.tool, &call.arguments, call.times), out).await?;
        }
        DemoCommand::Approve(args) => {
            lines::decide(state, ("approve", args.reason.as_deref()), out).await?;
        }
        DemoCommand::Reject(args) => {
            lines::decide(state, ("reject", args.reason.as_deref()), out).await?;
        }
        DemoCommand::Audit => lines::audit(state, out).await?,
    }
    Ok(Exit::Good)
}

async fn demo(
    args: &DemoArgs,
    environment: Environment,
    state_path: &Path,
) -> Result<Exit, Failure> {
    let entropy = Entropy::system();
    let place = match &args.dir {
        Some(dir) => Place::Kept(dir.clone()),
        None => Place::temporary(&entropy)?,
    };
    let prepared = prepare(place.path(), &entropy)?;
    let left = Left { state_path, state: &prepared.state };
    let ended = serve_demo(args, &prepared, environment, state_path).await;
    left.remove();
    ended
}

/// Serves until a signal, or until the five lines were run.
async fn serve_demo(
    args: &DemoArgs,
    prepared: &Prepared,
    environment: Environment,
    state_path: &Path,
) -> Result<Exit, Failure> {
    let tasks = TaskTracker::new();
    prepared.start_payments(&tasks)?;
    let stop = CancellationToken::new();
    let (ready, is_ready) = oneshot::channel();
    let options = ServeOptions {
        config: prepared.config.clone(),
        environment,
        first_link: if args.run_all { FirstLink::Keep } else { FirstLink::Print },
        ready: Some(ready),
        stop: stop.clone(),
    };
    let beside = async {
        // Serving failed before it was ready; it says itself why.
        if is_ready.await.is_err() {
            return Ok(());
        }
        let shown = present(args, prepared, state_path).await;
        if args.run_all || shown.is_err() {
            stop.cancel();
        }
        shown
    };
    let (served, shown) = tokio::join!(serve::run(options), beside);
    shown?;
    served
}

async fn present(args: &DemoArgs, prepared: &Prepared, state_path: &Path) -> Result<(), DemoError> {
    let command = own_command();
    if args.run_all {
        return run_all(&prepared.state, &command, &mut stdout()).await;
    }
    state::write(state_path, &prepared.state)?;
    prepared.announce(&command, &mut stdout())
}

/// How this program was started, ready to be pasted into a shell in the same directory.
fn own_command() -> String {
    let name = std::env::args_os().next().and_then(|name| name.into_string().ok());
    shell_word(name.as_deref().filter(|name| !name.is_empty()).unwrap_or("portcullis"))
}

/// A word as a shell takes it.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Where the demo's files are.
enum Place {
    /// Where the user wants them.
    Kept(PathBuf),
    /// Somewhere that ends with the demo.
    Temporary(Scratch),
}

impl Place {
    fn temporary(entropy: &Entropy) -> Result<Self, DemoError> {
        let made = Scratch::make("portcullis-demo", entropy);
        let fail = |source| DemoError::Write { path: std::env::temp_dir(), source };
        made.map(Self::Temporary).map_err(fail)
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(scratch) => scratch.path(),
        }
    }
}

/// What a demo leaves for the small commands.
struct Left<'a> {
    state_path: &'a Path,
    state: &'a State,
}

impl Left<'_> {
    /// Removes the state, unless a later demo has put its own there.
    fn remove(&self) {
        if state::read(self.state_path).is_ok_and(|left| left.mcp_url == self.state.mcp_url) {
            state::remove(self.state_path);
        }
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Line(error) => error.into(),
            error @ (DemoError::Write { .. }
            | DemoError::NoPort(_)
            | DemoError::State(_)
            | DemoError::NoEntropy(_)
            | DemoError::Print(_)) => Self::because(Exit::Failed, "the demo", &error),
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::because(Exit::Failed, "the demo", &error)
    }
}

impl From<lines::LineError> for Failure {
    fn from(error: lines::LineError) -> Self {
        let exit = match &error {
            lines::LineError::Client(super::client::ClientError::Unreachable { .. }) => {
                Exit::Unreachable
            }
            lines::LineError::Client(_) | lines::LineError::Print(_) => Exit::Failed,
        };
        Self::because(exit, "the demo", &error)
    }
}

//! The program's own log, on stderr: what happened, never arguments, bodies, tokens or headers.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Exit;
use crate::failure::Failure;

/// What the log shows, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// What to log: error, warn, info, debug, trace, or by module (`info,gateway=debug`)
    /// [default: info; warn for demo, run, connect, discover, wrap and unwrap]
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_LOG",
        hide_env_values = true,
        value_name = "FILTER",
        help_heading = "Log"
    )]
    pub(crate) log: Option<String>,
    /// How to write the log
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_LOG_FORMAT",
        hide_env_values = true,
        default_value = "human",
        value_name = "FORMAT",
        help_heading = "Log"
    )]
    pub(crate) log_format: LogFormat,
}

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Human,
    /// One JSON object a line
    Json,
}

/// Starts the log, with `quiet_as` where nothing else was asked for. A filter that is none is a
/// usage error.
pub(crate) fn start(args: &LogArgs, quiet_as: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(args.log.as_deref().unwrap_or(quiet_as))
        .map_err(|error| Failure::because(Exit::Usage, "--log", &error))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match args.log_format {
        // This build has no colours: asking for them on a terminal would be a complaint of the log's own.
        LogFormat::Human => registry.with(layer.with_ansi(false)).try_init(),
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_current_span(true)).try_init()
        }
    };
    started.map_err(|error| Failure::because(Exit::Failed, "the log", &error))
}

//! The grammar of the command line. What a command does stands in the module of its group.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::bridge::connect::ConnectArgs;
use crate::bridge::run::RunArgs;
use crate::demo::command::DemoArgs;
use crate::discover::DiscoverArgs;
use crate::doctor::DoctorArgs;
use crate::manage::approvals::ApprovalsCommand;
use crate::manage::audit::AuditCommand;
use crate::manage::grants::GrantCommand;
use crate::manage::people::PeopleCommand;
use crate::manage::servers::ServerCommand;
use crate::policies::PolicyCommand;
use crate::telemetry::LogArgs;
use crate::wrap::{UnwrapArgs, WrapArgs};

/// Stands between AI agents and MCP servers: nothing reaches a server unless policy allows it.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Exit codes:
  0 done or allowed   1 failed            2 usage or configuration
  3 invalid policy or failing tests      10 would be held
  11 would be denied  13 would be limited 20 unreachable

Examples:
  portcullis demo
  portcullis serve --config portcullis.toml
  portcullis policy validate pay.policy.json
  portcullis policy explain pay.policy.json --tool pay_invoice --args '{\"amount\": 120}'")]
pub(crate) struct Cli {
    /// What the log shows.
    #[command(flatten)]
    pub(crate) log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArg {
    /// The configuration file [default: $PORTCULLIS_CONFIG, portcullis.toml here, the user's, the
    /// machine's]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway and the console
    #[command(after_help = "\
SIGHUP or a changed file reloads the configuration, all or nothing. SIGTERM finishes running
calls, then exits; a second signal exits at once. Without any configuration file, one of your own
is made: both listeners on this machine only, data in your data folder.

Examples:
  portcullis serve
  portcullis serve --config portcullis.toml
  portcullis serve --log info,gateway=debug --log-format json")]
    Serve(ConfigArg),
    /// Put a policy in front of one stdio server, for one client; needs no gateway
    Run(RunArgs),
    /// Connect a client that can only start programs to a gateway
    Connect(ConnectArgs),
    /// Check, explain, test, compare and replay policies; needs no running gateway
    #[command(subcommand)]
    Policy(Box<PolicyCommand>),
    /// Add, list, inspect, accept and remove servers
    #[command(subcommand)]
    Server(ServerCommand),
    /// Make, list, rotate and revoke grants
    #[command(subcommand)]
    Grant(GrantCommand),
    /// See and decide the calls that wait for a person
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Invite people to the console, and let them in who are locked out
    #[command(subcommand)]
    People(PeopleCommand),
    /// Follow, search, export and verify the audit
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Try it in one minute: a payment server, a policy, an agent's grant, five lines to paste
    Demo(DemoArgs),
    /// See which MCP servers this machine's clients are set up with, and which go past the gateway
    Discover(DiscoverArgs),
    /// Put a program that a client starts behind `portcullis run`
    Wrap(WrapArgs),
    /// Take a program out from behind `portcullis run`
    Unwrap(UnwrapArgs),
    /// Check the configuration, the data directory, the listeners and the servers
    Doctor(DoctorArgs),
}

impl Command {
    /// What is logged unless somebody says otherwise: less where a person or a client reads along.
    pub(crate) fn log_default(&self) -> &'static str {
        match self {
            Self::Demo(_)
            | Self::Run(_)
            | Self::Connect(_)
            | Self::Discover(_)
            | Self::Wrap(_)
            | Self::Unwrap(_) => "warn",
            Self::Serve(_)
            | Self::Policy(_)
            | Self::Server(_)
            | Self::Grant(_)
            | Self::Approvals(_)
            | Self::People(_)
            | Self::Audit(_)
            | Self::Doctor(_) => "info",
        }
    }
}

#[cfg(test)]
mod tests;

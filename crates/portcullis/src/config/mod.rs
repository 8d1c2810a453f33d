//! The configuration file: from text to a checked [`Config`], once, before anything is bound.
//!
//! A file is read whole and refused whole: all problems come at once, each with its place and,
//! where one is known, its cure. Nothing here opens a database, a socket or a policy's meaning;
//! policies are read and compiled in [`policies`].

mod environment;
mod listen;
mod load;
mod notifications;
mod place;
pub(crate) mod policies;
mod principals;
#[cfg(test)]
mod reference_tests;
mod section;
mod servers;
mod sign_on;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;

use store::{AuditMode, FileApiToken, FileGrant, ServerRecord};

pub(crate) use environment::Environment;
pub(crate) use load::{ConfigError, Source, find, load};
pub(crate) use notifications::{Channel, Kind};
pub(crate) use place::{FileProblems, Position, Problem, nearest};
pub(crate) use policies::PolicyEntry;
pub(crate) use sign_on::SignOnConfig;

/// Everything the file says, checked; GATEWAY section 8 is its reference.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file itself.
    pub(crate) path: PathBuf,
    /// Where the database and the sealing key live.
    pub(crate) data_dir: PathBuf,
    /// What links to the gateway begin with, without a closing slash; the gateway's own listener
    /// when the file names none.
    pub(crate) public_url: Option<String>,
    /// What links to the console begin with; the console's own listener when the file names none.
    pub(crate) console_url: Option<String>,
    /// How long running calls may take after a SIGTERM.
    pub(crate) drain_seconds: u32,
    /// Both listeners.
    pub(crate) listen: Listen,
    /// When the audit row of a call is written.
    pub(crate) audit_mode: AuditMode,
    /// What the audit keeps of arguments.
    pub(crate) audit_values: AuditValues,
    /// How long a held call waits for a person.
    pub(crate) hold_waits: HoldWaits,
    /// The MCP servers.
    pub(crate) servers: Vec<ServerRecord>,
    /// The policies, each with the text of its file.
    pub(crate) policies: Vec<PolicyEntry>,
    /// The grants.
    pub(crate) grants: Vec<FileGrant>,
    /// The channels on which people outside are told of held calls.
    pub(crate) channels: Vec<Channel>,
    /// The tokens of the API.
    pub(crate) api_tokens: Vec<FileApiToken>,
    /// Sign-on of people, if there is one.
    pub(crate) sign_on: Option<SignOnConfig>,
    /// Every file whose change means a reload: the file itself, policies, token files.
    pub(crate) watched: Vec<PathBuf>,
}

/// Addresses and names of the two listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// `/mcp/*` and `/.well-known/*`.
    pub(crate) gateway: SocketAddr,
    /// Dashboard, API, health and metrics.
    pub(crate) console: SocketAddr,
    /// Further names that a `Host` header may carry, lower case, without a port.
    pub(crate) hosts: Vec<String>,
    /// Values of `Origin` that browsers may send.
    pub(crate) origins: Vec<String>,
}

/// What the audit keeps of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuditValues {
    /// Values with what looks secret masked.
    Redacted,
    /// Keys only.
    None,
    /// Everything.
    Full,
}

/// How long a held call waits for a person, in seconds; 0 answers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldWaits {
    /// Without a progress token.
    pub(crate) plain_seconds: u32,
    /// With one.
    pub(crate) with_progress_seconds: u32,
}

impl Default for HoldWaits {
    fn default() -> Self {
        Self { plain_seconds: 25, with_progress_seconds: 120 }
    }
}

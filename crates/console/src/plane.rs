//! What only the data plane knows, as the console shows it; the binary hands it in.
//!
//! What never lives here: how it is found out.

use std::fmt;
use std::sync::Arc;

use policy::UnixMillis;
use store::{GrantId, ServerSlug};

/// A line that a server's program wrote to its error output, without the values of its environment. It is text of
/// somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read.
    pub at: UnixMillis,
    /// The line.
    pub text: String,
    /// Lines before it that were left out because they came too fast.
    pub left_out: u64,
}

/// How a server was from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// Since when.
    pub since: UnixMillis,
    /// When that was seen last.
    pub last: UnixMillis,
    /// What it was.
    pub kind: ServerStateKind,
}

/// What a server was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerStateKind {
    /// It listed so many tools.
    Up(usize),
    /// It did not list them, and why.
    Failing(String),
    /// Its program ended, with this status.
    Ended(String),
}

/// What is known of a server since the process started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diary {
    /// What its program said, oldest first.
    pub lines: Vec<LogLine>,
    /// How many lines there were before them.
    pub dropped: u64,
    /// How it was, oldest first.
    pub states: Vec<ServerState>,
}

/// How far the agent of a grant came before any call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    /// What its client calls itself.
    pub client: Option<String>,
    /// When it introduced itself.
    pub introduced_at: Option<UnixMillis>,
    /// When it asked for the tools.
    pub listed_at: Option<UnixMillis>,
}

/// Asks the data plane for the diary of a server.
pub type AskDiary = Arc<dyn Fn(&ServerSlug) -> Option<Diary> + Send + Sync>;
/// Asks the data plane how far the agent of a grant came.
pub type AskArrival = Arc<dyn Fn(&GrantId) -> Option<Arrival> + Send + Sync>;

/// The questions that the data plane answers. By default it knows nothing: a process that serves no agents.
#[derive(Clone)]
pub struct Plane {
    /// What is known of a server.
    pub diary: AskDiary,
    /// How far an agent came.
    pub arrival: AskArrival,
}

impl Default for Plane {
    fn default() -> Self {
        Self { diary: Arc::new(|_slug| None), arrival: Arc::new(|_grant| None) }
    }
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plane")
    }
}

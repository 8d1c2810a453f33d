//! Control plane: who may do what to servers, policies, grants, approvals and the audit, as use
//! cases ([`ops`]), as a JSON API ([`api`]) and as pages ([`ui`]); health and metrics pages ([`health`]).
//!
//! What never lives here: connections to MCP servers, decisions about calls, SQL.

pub mod api;
pub mod clients;
pub mod door;
pub mod health;
pub mod ops;
pub mod plane;
pub mod ui;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use policy::UnixMillis;
use store::{Entropy, ServerSlug, Store};

/// The clock, handed in by the binary; nothing here reads another one.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// What a look at a live server found (GATEWAY section 9, `inspect`).
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// Whether the server answered.
    pub reachable: bool,
    /// What went wrong, for people; no secret.
    pub problem: Option<String>,
    /// How many tools it listed.
    pub tools: usize,
    /// How many of them wait for somebody to accept their definition.
    pub quarantined: usize,
}

/// A look at a live server that takes a while.
pub type InspectFuture = Pin<Box<dyn Future<Output = Inspection> + Send>>;

/// Looks at a live server now; the binary hands it in, because only the data plane has connections.
pub type Inspect = Arc<dyn Fn(ServerSlug) -> InspectFuture + Send + Sync>;

/// What a server record must fulfil before it is saved, beyond its own form: address rules and the
/// like. The text says what is wrong and what to do.
pub type CheckServer = Arc<dyn Fn(&store::ServerRecord) -> Result<(), String> + Send + Sync>;

/// Everything the control plane works with.
#[derive(Clone)]
pub struct Console {
    /// The truth.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Random bytes for tokens and ids.
    pub entropy: Entropy,
    /// Looks at a live server.
    pub inspect: Inspect,
    /// Address rules for servers.
    pub check_server: CheckServer,
    /// What only the data plane knows.
    pub plane: plane::Plane,
    /// Places for work that may take long.
    pub long_work: ops::LongWork,
    /// Places for hashing passwords.
    pub hashing: ops::accounts::Hashing,
    /// What was counted of the log so far.
    pub tally: ops::overview::Tally,
    /// What is known of the policies' warnings.
    pub lints: ops::builder::Lints,
    /// Places for live views.
    pub views: ui::Views,
    /// Tools of servers, kept between two questions.
    pub pinned: ops::Pinned,
    /// Walks over the audit's chain.
    pub walks: ops::chain::Walks,
    /// What is looked at for the page of health.
    pub checks: health::Checks,
    /// What the configuration says about the console itself.
    pub site: Arc<Site>,
}

/// What the configuration says about the console itself.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// What links to the console begin with, without a closing slash, where it is not what the
    /// browser asked for: behind a proxy that names another host.
    pub url: Option<String>,
    /// What the addresses of servers begin with for agents; without it, those of a gateway on this
    /// machine.
    pub gateway_url: Option<String>,
    /// What people see of the configuration; no secret.
    pub facts: Vec<Fact>,
    /// The channels on which people outside are told of held calls.
    pub channels: Vec<ops::notifications::Channel>,
    /// Sign-on through an issuer of OpenID Connect, where it is configured.
    pub sign_on: Option<ops::sign_on::SignOn>,
}

/// One setting of the configuration file, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which panel it belongs to: `Store`, `Audit`.
    pub group: &'static str,
    /// What it is called, with its key in the file.
    pub name: &'static str,
    /// What it is set to.
    pub value: String,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

//! MCP servers as configured: where they are, with which credentials, and what they may do.
//!
//! What never lives here: connections, tool definitions (see [`crate::pin`]).

use std::collections::BTreeMap;

use policy::{Class, UnixMillis};

use crate::error::{ReadError, WriteError};
use crate::name::{Revision, ServerSlug};
use crate::secret::Secret;
use crate::store::Store;

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP.
    Http {
        /// The server's URL, as configured.
        url: String,
        /// Headers that go with every request; sealed at rest.
        headers: Vec<(String, Secret<String>)>,
    },
    /// A child process that speaks over its standard streams.
    Stdio {
        /// The program and its arguments; no shell.
        command: Vec<String>,
        /// The child's whole environment; sealed at rest.
        env: Vec<(String, Secret<String>)>,
    },
}

/// What happens to a tool that was never accepted, or that changed (GATEWAY section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewTools {
    /// Kept out until somebody accepts the definition.
    #[default]
    Quarantine,
    /// Accepted as it comes.
    Allow,
}

/// How long a server may take (GATEWAY section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Milliseconds to connect.
    pub connect_ms: u32,
    /// Milliseconds to the first byte of an answer.
    pub first_byte_ms: u32,
    /// Milliseconds for a whole call.
    pub total_ms: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { connect_ms: 5_000, first_byte_ms: 60_000, total_ms: 300_000 }
    }
}

/// Which requests from the server pass to the client (GATEWAY section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromServer {
    /// `elicitation/create`.
    pub elicitation: bool,
    /// `sampling/createMessage`.
    pub sampling: bool,
    /// `roots/list`.
    pub roots: bool,
}

impl Default for FromServer {
    fn default() -> FromServer {
        FromServer { elicitation: true, sampling: false, roots: false }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    /// Its name in URLs.
    pub slug: ServerSlug,
    /// How it is reached.
    pub transport: Transport,
    /// Whether it may live at a private, loopback or link-local address.
    pub allow_private_address: bool,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Seconds between two listings of its tools.
    pub refresh_seconds: u32,
    /// What happens to new and changed tools.
    pub new_tools: NewTools,
    /// Whether the tools of the first contact are accepted.
    pub accept_first: bool,
    /// Overrides of the catalogue's class, by tool name.
    pub classes: BTreeMap<String, Class>,
    /// Which requests from the server pass.
    pub from_server: FromServer,
    /// Whether it stands in the configuration file and is read-only elsewhere.
    pub managed_by_file: bool,
    /// The revision that changed it last; set by the store.
    pub revision: Revision,
}

impl Store {
    /// All servers, by slug.
    pub async fn servers(&self) -> Result<Vec<ServerRecord>, ReadError> {
        Err(ReadError::unbuilt())
    }

    /// One server.
    pub async fn server(&self, slug: &ServerSlug) -> Result<Option<ServerRecord>, ReadError> {
        let _ = slug;
        Err(ReadError::unbuilt())
    }

    /// Creates or replaces a server. `expected`: the revision that the caller saw last, for
    /// `If-Match`; `None` replaces whatever is there.
    pub async fn save_server(
        &self,
        record: ServerRecord,
        expected: Option<Revision>,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let _ = (record, expected, now);
        Err(WriteError::unbuilt())
    }

    /// Removes a server with its pins and grants.
    pub async fn remove_server(
        &self,
        slug: &ServerSlug,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let _ = (slug, now);
        Err(WriteError::unbuilt())
    }
}

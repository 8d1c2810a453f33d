//! MCP servers as configured: where they are, with which credentials, and what they may do.
//!
//! What never lives here: connections, tool definitions (see [`crate::pin`]).

pub(crate) mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::{Class, Risk, UnixMillis};

pub(crate) use rows::{facts, get, read_all, remove, save};

use crate::deed::Deed;
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

impl ServerRecord {
    /// What a tool of this server counts as, whose pin says this class and this risk (`policy::counts_as`).
    pub fn counts_as(
        &self,
        tool: &str,
        pinned: (Option<Class>, Option<Risk>),
    ) -> (Option<Class>, Option<Risk>) {
        policy::counts_as(pinned, self.classes.get(tool).copied())
    }
}

impl Store {
    /// All servers, by slug.
    pub async fn servers(&self) -> Result<Vec<ServerRecord>, ReadError> {
        let core = Arc::clone(self.core());
        self.read(move |connection| read_all(connection, &core.keys)).await
    }

    /// One server.
    pub async fn server(&self, slug: &ServerSlug) -> Result<Option<ServerRecord>, ReadError> {
        let slug = slug.clone();
        let core = Arc::clone(self.core());
        self.read(move |connection| get(connection, &core.keys, &slug)).await
    }

    /// Creates or replaces a server. `expected`: the revision that the caller saw last, for
    /// `If-Match`, or [`Revision`] 0 for one that must not exist yet; `None` replaces whatever is
    /// there. Not for servers from the file.
    pub async fn save_server(
        &self,
        record: ServerRecord,
        expected: Option<Revision>,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let core = Arc::clone(self.core());
        self.act(move |tx| {
            let (what, name) = ("server", record.slug.as_str().to_owned());
            let stored = facts(tx, &record.slug)?;
            if stored.as_ref().is_some_and(|facts| facts.managed_by_file) {
                return Err(WriteError::ManagedByFile { what, name });
            }
            let found = stored.map_or(Revision(0), |facts| facts.revision);
            if expected.is_some_and(|expected| expected != found) {
                return Err(WriteError::Changed { what, name });
            }
            let revision = tx.bump_config()?;
            let record = ServerRecord { managed_by_file: false, revision, ..record };
            let before = get(tx, &core.keys, &record.slug).ok().flatten();
            save(tx, &core.keys, &record, now)?;
            let detail = difference(before.as_ref(), &record);
            Ok((revision, tx.did(Deed::SaveServer, record.slug.as_str(), detail)?))
        })
        .await
    }

    /// Removes a server with its pins and grants. Not for servers from the file.
    pub async fn remove_server(&self, slug: &ServerSlug) -> Result<Revision, WriteError> {
        let slug = slug.clone();
        self.act(move |tx| {
            let (what, name) = ("server", slug.as_str().to_owned());
            match facts(tx, &slug)? {
                None => Err(WriteError::NotFound { what, name }),
                Some(facts) if facts.managed_by_file => {
                    Err(WriteError::ManagedByFile { what, name })
                }
                Some(_) => {
                    remove(tx, &slug)?;
                    let did = tx.did(Deed::RemoveServer, slug.as_str(), "with its grants")?;
                    Ok((tx.bump_config()?, did))
                }
            }
        })
        .await
    }
}

/// What a save changes, in words; no secret.
fn difference(before: Option<&ServerRecord>, after: &ServerRecord) -> String {
    let Some(before) = before else { return "new".to_owned() };
    let parts = [
        ("how it is reached, or a secret", before.transport != after.transport),
        ("private addresses", before.allow_private_address != after.allow_private_address),
        ("timeouts", before.timeouts != after.timeouts),
        ("refresh", before.refresh_seconds != after.refresh_seconds),
        ("new tools", before.new_tools != after.new_tools),
        ("tools of the first contact", before.accept_first != after.accept_first),
        ("classes of tools", before.classes != after.classes),
        ("requests from the server", before.from_server != after.from_server),
    ];
    let changed: Vec<&str> = parts.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if changed.is_empty() { "as it was".to_owned() } else { changed.join(", ") }
}

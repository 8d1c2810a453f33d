//! Tool definitions as pinned for their server: what was accepted, what was seen last.
//!
//! What never lives here: computing digests, deciding what is quarantined (GATEWAY section 4).

use policy::{Class, Risk, UnixMillis};

use crate::error::{ReadError, WriteError};
use crate::name::{Actor, Revision, ServerSlug};
use crate::store::Store;

/// Whether a tool may be listed and called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinState {
    /// The definition seen last is the accepted one.
    Accepted,
    /// The definition seen last was not accepted: not listed, calls denied.
    Quarantined,
}

/// One tool of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRecord {
    /// The server.
    pub server: ServerSlug,
    /// The tool's name, byte for byte.
    pub tool: String,
    /// Whether it may be listed and called.
    pub state: PinState,
    /// Digest of the definition seen last, lower-case hexadecimal.
    pub digest: String,
    /// The definition seen last, JSON as the server sent it.
    pub definition: String,
    /// Digest of the accepted definition; none while the tool is new.
    pub accepted_digest: Option<String>,
    /// The accepted definition.
    pub accepted_definition: Option<String>,
    /// The class that goes with the definition.
    pub class: Option<Class>,
    /// The risk that goes with the definition.
    pub risk: Option<Risk>,
    /// When the definition was first seen.
    pub seen_at: UnixMillis,
    /// When it was accepted.
    pub accepted_at: Option<UnixMillis>,
    /// Who accepted it.
    pub accepted_by: Option<Actor>,
}

impl Store {
    /// The pins of one server, by tool name.
    pub async fn pins(&self, server: &ServerSlug) -> Result<Vec<PinRecord>, ReadError> {
        let _ = server;
        Err(ReadError::unbuilt())
    }

    /// The pins of all servers.
    pub async fn all_pins(&self) -> Result<Vec<PinRecord>, ReadError> {
        Err(ReadError::unbuilt())
    }

    /// Writes pins in one transaction. A save never takes back an acceptance that somebody made in
    /// the meantime: a record saved as quarantined whose digest is the stored accepted one stays
    /// accepted, and the stored `accepted_*` facts change only with a record saved as accepted.
    pub async fn save_pins(&self, pins: Vec<PinRecord>) -> Result<Revision, WriteError> {
        let _ = pins;
        Err(WriteError::unbuilt())
    }

    /// Accepts the definition with this digest; [`WriteError::Changed`] if another one was seen
    /// since the caller looked.
    pub async fn accept_pin(
        &self,
        pin: (&ServerSlug, &str),
        expected_digest: &str,
        actor: &Actor,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let _ = (pin, expected_digest, actor, now);
        Err(WriteError::unbuilt())
    }

    /// Forgets a tool.
    pub async fn remove_pin(
        &self,
        server: &ServerSlug,
        tool: &str,
    ) -> Result<Revision, WriteError> {
        let _ = (server, tool);
        Err(WriteError::unbuilt())
    }
}

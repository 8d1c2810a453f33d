//! What is pinned of servers, kept between two questions: whoever asks at every keystroke, or for page after page of ten
//! thousand tools, has it read from the store once for each revision.
//!
//! What never lives here: changing pins, who may see them.

use std::sync::{Arc, Mutex, PoisonError};

use policy::ToolDefinition;
use serde::Deserialize;
use serde_json::value::RawValue;
use store::{PinLine, PinRecord, Revision, ServerRecord, ServerSlug, Store};

use super::OpError;
use super::servers::in_force;

/// Servers whose tools are kept, at most; the one that was asked for longest ago goes first.
const SERVERS_KEPT_MAX: usize = 8;

/// The tools of servers as of a revision of the store. A clone keeps the same ones.
#[derive(Debug, Clone, Default)]
pub struct Pinned {
    kept: Arc<Mutex<Vec<Kept>>>,
}

#[derive(Debug, Clone)]
struct Kept {
    server: ServerSlug,
    revision: Revision,
    lines: Option<Arc<Vec<PinLine>>>,
    definitions: Option<Arc<Vec<ToolDefinition>>>,
}

impl Pinned {
    /// The tools of a server by name as the gateway takes them, without their definitions.
    pub(super) async fn lines(
        &self,
        store: &Store,
        server: &ServerSlug,
    ) -> Result<Arc<Vec<PinLine>>, OpError> {
        // Read before the rows: what changes meanwhile makes another revision, and is read anew.
        let revision = store.config_revision().await?;
        if let Some(lines) = self.found(server, revision).and_then(|kept| kept.lines) {
            return Ok(lines);
        }
        let record = store.server(server).await?;
        let lines = store.pin_lines(Some(server)).await?;
        let lines = Arc::new(in_force(lines, record.as_slice()));
        self.keep(server, revision, |kept| kept.lines = Some(Arc::clone(&lines)));
        Ok(lines)
    }

    /// The tools of a server by name, as tests and warnings know them.
    pub(super) async fn definitions(
        &self,
        store: &Store,
        server: &ServerSlug,
    ) -> Result<Arc<Vec<ToolDefinition>>, OpError> {
        let revision = store.config_revision().await?;
        if let Some(found) = self.found(server, revision).and_then(|kept| kept.definitions) {
            return Ok(found);
        }
        let record = store.server(server).await?;
        let pins = store.pins(server).await?;
        let definitions = pins.iter().map(|pin| definition(pin, record.as_ref()));
        let definitions = Arc::new(definitions.collect::<Vec<_>>());
        self.keep(server, revision, |kept| kept.definitions = Some(Arc::clone(&definitions)));
        Ok(definitions)
    }

    fn found(&self, server: &ServerSlug, revision: Revision) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|one| one.server == *server && one.revision == revision)?;
        let found = kept.remove(at);
        kept.push(found.clone());
        Some(found)
    }

    fn keep(&self, server: &ServerSlug, revision: Revision, put: impl FnOnce(&mut Kept)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|one| one.server == *server);
        let found = at.map(|at| kept.remove(at)).filter(|found| found.revision == revision);
        let new = || Kept { server: server.clone(), revision, lines: None, definitions: None };
        let mut found = found.unwrap_or_else(new);
        put(&mut found);
        if kept.len() >= SERVERS_KEPT_MAX {
            kept.remove(0);
        }
        kept.push(found);
    }
}

/// What is read of a definition.
#[derive(Deserialize)]
struct Definition<'d> {
    #[serde(borrow, rename = "inputSchema")]
    input_schema: Option<&'d RawValue>,
}

/// A tool as it is pinned, with the class and the risk that it counts as on its server; of a definition that cannot be
/// read, it has no schema.
pub(super) fn definition(pin: &PinRecord, server: Option<&ServerRecord>) -> ToolDefinition {
    let read: Option<Definition<'_>> = serde_json::from_str(&pin.definition).ok();
    let schema = read.and_then(|definition| Some(definition.input_schema?.get().to_owned()));
    let pinned = (pin.class, pin.risk);
    let (class, risk) = server.map_or(pinned, |server| server.counts_as(&pin.tool, pinned));
    ToolDefinition::new(pin.tool.clone(), schema, class, risk)
}

#[cfg(test)]
mod tests;

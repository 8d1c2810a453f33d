//! The checked configuration as the objects that the store takes, and the tools that the store has
//! pinned as the tests of policies take them.

use store::{FileObjects, FilePolicy, ReadError, Store};

use crate::config::policies::PinnedTools;
use crate::config::{Config, PolicyEntry};
use crate::tool_file;

/// The objects of `config`.
pub(super) fn of(config: &Config) -> FileObjects {
    FileObjects {
        servers: config.servers.clone(),
        policies: config.policies.iter().map(policy).collect(),
        grants: config.grants.clone(),
        api_tokens: config.api_tokens.clone(),
    }
}

fn policy(entry: &PolicyEntry) -> FilePolicy {
    FilePolicy {
        name: entry.name.clone(),
        server: Some(entry.server.clone()),
        text: entry.document.text().to_owned(),
        canonical: entry.document.canonical().to_owned(),
        mode: entry.mode,
    }
}

/// The accepted tools of all servers. A definition that cannot be read is as good as none.
pub(crate) async fn pinned_tools(store: &Store) -> Result<PinnedTools, ReadError> {
    let mut pinned = PinnedTools::new();
    for pin in store.all_pins().await? {
        let Some(definition) = &pin.accepted_definition else { continue };
        if let Ok(tool) = tool_file::pinned(definition, pin.class, pin.risk) {
            pinned.entry(pin.server).or_default().push(tool);
        }
    }
    Ok(pinned)
}

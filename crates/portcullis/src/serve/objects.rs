//! The checked configuration as the objects that the store takes, and the tools that the store has
//! pinned as the tests of policies take them.

use store::{FileObjects, FilePolicy, ReadError, ServerRecord, Store};

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

/// The accepted tools of all servers, with the class and the risk of their pins. A definition that cannot be read is as good as none.
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

/// Lets pinned tools count as the file's `servers` say (`policy::counts_as`): the classes that are about to be in force,
/// not those of before.
pub(crate) fn counted(mut pinned: PinnedTools, servers: &[ServerRecord]) -> PinnedTools {
    for server in servers {
        for tool in pinned.get_mut(&server.slug).into_iter().flatten() {
            (tool.class, tool.risk) = server.counts_as(&tool.name, (tool.class, tool.risk));
        }
    }
    pinned
}

//! The checked configuration as the objects that the store takes.

use store::{FileObjects, FilePolicy};

use crate::config::{Config, PolicyEntry};

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
        text: entry.text.clone(),
        canonical: entry.canonical.clone(),
    }
}

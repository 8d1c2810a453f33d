//! The checked configuration as the objects that the store takes.

use policy::Document;
use store::{FileObjects, FilePolicy};

use crate::config::policies::from_policy;
use crate::config::{Config, PolicyEntry};
use crate::exit::Exit;
use crate::failure::Failure;

/// The objects of `config`.
pub(super) fn of(config: &Config) -> Result<FileObjects, Failure> {
    Ok(FileObjects {
        servers: config.servers.clone(),
        policies: config.policies.iter().map(policy).collect::<Result<_, _>>()?,
        grants: config.grants.clone(),
        api_tokens: config.api_tokens.clone(),
    })
}

fn policy(entry: &PolicyEntry) -> Result<FilePolicy, Failure> {
    let document = Document::parse(&entry.text).map_err(|problems| {
        Failure::in_files(Exit::Policy, vec![from_policy(&entry.path, &entry.text, problems)])
    })?;
    Ok(FilePolicy {
        name: entry.name.clone(),
        server: Some(entry.server.clone()),
        text: entry.text.clone(),
        canonical: document.canonical().to_owned(),
    })
}

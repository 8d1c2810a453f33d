//! Policies as a list shows them: what the newest version says of itself, beside its name.

use std::collections::HashMap;

use policy::{Document, ToolDefinition};
use store::{PolicyRecord, ServerSlug};

use super::super::policies;
use crate::Console;
use crate::ops::{Actor, OpError, Permission};

/// A policy in a list.
#[derive(Debug)]
pub struct Summary {
    /// Its newest version.
    pub record: PolicyRecord,
    /// Its own tests; none where the text has errors, which only an older Portcullis can have saved.
    pub tests: Option<usize>,
    /// Its warnings.
    pub lints: usize,
}

/// Policies by name, those behind `after`, at most `count`; and whether there are more.
pub async fn summaries(
    console: &Console,
    actor: &Actor,
    after: &str,
    count: usize,
) -> Result<(Vec<Summary>, bool), OpError> {
    actor.may(Permission::Read)?;
    let mut records = console.store.policies().await?;
    records.retain(|record| record.name.as_str() > after);
    let more = records.len() > count;
    records.truncate(count);
    let mut servers: HashMap<ServerSlug, Vec<ToolDefinition>> = HashMap::new();
    for server in records.iter().filter_map(|record| record.server.as_ref()) {
        if !servers.contains_key(server) {
            let tools = policies::definitions(console, Some(server)).await?;
            servers.insert(server.clone(), tools);
        }
    }
    let work = move || {
        let summary = |record: PolicyRecord| {
            let tools = record.server.as_ref().and_then(|server| servers.get(server));
            let document = Document::parse(&record.text).ok();
            let lints = document.as_ref().map(|d| policy::lint(d, tools.map(Vec::as_slice)).len());
            let tests = document.map(|document| document.tests().len());
            Summary { record, tests, lints: lints.unwrap_or_default() }
        };
        records.into_iter().map(summary).collect()
    };
    Ok((console.long_work.check(work).await?, more))
}

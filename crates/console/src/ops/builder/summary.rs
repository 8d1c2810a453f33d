//! Policies as a list shows them: what the newest version says of itself, beside its name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use policy::{Document, ToolDefinition};
use store::{PolicyName, PolicyRecord, Revision, ServerSlug};

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

/// What was found in policies at one revision of the configuration, kept between visits: to lint a policy, the tools of
/// its server are read. A clone is the same one. Bounded by the policies that there are.
#[derive(Debug, Clone, Default)]
pub struct Lints(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    revision: Revision,
    found: HashMap<PolicyName, Found>,
}

/// Tests and warnings of the newest version of a policy.
#[derive(Debug, Clone, Copy)]
struct Found {
    tests: Option<usize>,
    lints: usize,
}

impl Lints {
    /// What is known at a revision; what was found at others is forgotten.
    fn known(&self, revision: Revision) -> HashMap<PolicyName, Found> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.revision != revision {
            *known = Known { revision, found: HashMap::new() };
        }
        known.found.clone()
    }

    fn learn(&self, revision: Revision, found: impl IntoIterator<Item = (PolicyName, Found)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.revision == revision {
            known.found.extend(found);
        }
    }
}

/// Policies by name, those behind `after`, at most `count`; and whether there are more.
pub async fn summaries(
    console: &Console,
    actor: &Actor,
    after: &str,
    count: usize,
) -> Result<(Vec<Summary>, bool), OpError> {
    actor.may(Permission::Read)?;
    // Read before the policies: what is saved in between is found under a revision that is over.
    let revision = console.store.config_revision().await?;
    let mut records = console.store.policies().await?;
    records.retain(|record| record.name.as_str() > after);
    let more = records.len() > count;
    records.truncate(count);
    let mut known = console.lints.known(revision);
    let unknown: Vec<PolicyRecord> =
        records.iter().filter(|record| !known.contains_key(&record.name)).cloned().collect();
    if !unknown.is_empty() {
        let found = look(console, unknown).await?;
        console.lints.learn(revision, found.iter().cloned());
        known.extend(found);
    }
    let summary = |record: PolicyRecord| {
        let found = known.get(&record.name);
        let (tests, lints) = found.map_or((None, 0), |found| (found.tests, found.lints));
        Summary { record, tests, lints }
    };
    Ok((records.into_iter().map(summary).collect(), more))
}

/// Parses policies and holds them against the tools of their servers.
async fn look(
    console: &Console,
    records: Vec<PolicyRecord>,
) -> Result<Vec<(PolicyName, Found)>, OpError> {
    let mut servers: HashMap<ServerSlug, Arc<Vec<ToolDefinition>>> = HashMap::new();
    for server in records.iter().filter_map(|record| record.server.as_ref()) {
        if !servers.contains_key(server) {
            let tools = policies::definitions(console, Some(server)).await?;
            servers.insert(server.clone(), tools);
        }
    }
    let work = move || {
        let found = |record: PolicyRecord| {
            let tools = record.server.as_ref().and_then(|server| servers.get(server));
            let document = Document::parse(&record.text).ok();
            let lints = document
                .as_ref()
                .map(|d| policy::lint(d, tools.map(|tools| tools.as_slice())).len());
            let tests = document.map(|document| document.tests().len());
            (record.name, Found { tests, lints: lints.unwrap_or_default() })
        };
        records.into_iter().map(found).collect()
    };
    console.long_work.check(work).await
}

//! What a text would change if it became a policy's next version: in effect, tool by tool, before anything is saved.
//!
//! What never lives here: saving (`policies`), recorded calls (`replay`).

use std::collections::BTreeSet;

use policy::{
    DenyAll, Document, Lint, Outlook, OutlookPart, Policy, Problem, Target, ToolDefinition,
};
use serde_json::Value;
use store::{PolicyName, ServerSlug};

use super::policies::{self, Checked, definitions};
use super::{Actor, OpError, Permission};
use crate::Console;

/// Tools whose changes are shown one by one, at most.
pub const CHANGES_SHOWN_MAX: usize = 500;

/// What a text would change.
#[derive(Debug, Clone, Default)]
pub struct Review {
    /// Tools for which something changes, by name; at most [`CHANGES_SHOWN_MAX`].
    pub changes: Vec<ToolChange>,
    /// Tools for which something changes beyond those.
    pub more: usize,
    /// Tools for which nothing does.
    pub same: usize,
    /// Sections of the document that are about no tool and differ: `default`, `resources`, `prompts`.
    pub sections: Vec<&'static str>,
}

/// One tool for which something changes.
#[derive(Debug, Clone)]
pub struct ToolChange {
    /// Its name.
    pub tool: String,
    /// The class pinned for it.
    pub class: Option<&'static str>,
    /// The risk pinned for it.
    pub risk: Option<&'static str>,
    /// In a word, as it is.
    pub before: &'static str,
    /// In a word, as it would be.
    pub after: &'static str,
    /// What calls would no longer depend on.
    pub gone: Vec<OutlookPart>,
    /// What calls would depend on from then on.
    pub new: Vec<OutlookPart>,
}

/// Whether a text can be saved.
#[derive(Debug)]
pub enum Fitness {
    /// It can; these are warnings.
    Fit(Vec<Lint>),
    /// Its own tests fail.
    Failing(Vec<String>),
    /// It has errors.
    Wrong(Vec<Problem>),
    /// Its tests take too long.
    Endless,
}

/// Checks a text as saving it would.
pub async fn fitness(
    console: &Console,
    actor: &Actor,
    text: &str,
    server: Option<&ServerSlug>,
) -> Result<Fitness, OpError> {
    match policies::check(console, actor, text, server).await {
        Ok(Checked { lints, .. }) => Ok(Fitness::Fit(lints)),
        Err(OpError::Tests(failing)) => Ok(Fitness::Failing(failing)),
        Err(OpError::Policy(problems)) => Ok(Fitness::Wrong(problems)),
        Err(OpError::TooLong(_)) => Ok(Fitness::Endless),
        Err(other) => Err(other),
    }
}

/// What the version in force of a policy becomes if `text` takes its place. A text that does not parse changes nothing.
pub async fn review(
    console: &Console,
    actor: &Actor,
    (name, text): (&PolicyName, &str),
    server: Option<&ServerSlug>,
) -> Result<Review, OpError> {
    actor.may(Permission::Read)?;
    let in_force = match console.store.policy(name, None).await?.and_then(|record| record.in_force)
    {
        Some(version) => console.store.policy(name, Some(version)).await?,
        None => None,
    };
    let tools = definitions(console, server).await?;
    let (old, new) = (in_force.map(|record| record.text), text.to_owned());
    console.long_work.check(move || compared(old.as_deref(), &new, &tools)).await
}

fn compared(old: Option<&str>, new: &str, tools: &[ToolDefinition]) -> Review {
    let Ok(new) = Document::parse(new) else { return Review::default() };
    let old = old.and_then(|old| Document::parse(old).ok());
    let before = old.as_ref().map_or_else(|| Policy::deny_all(DenyAll::NoPolicy), Policy::compile);
    let after = Policy::compile(&new);
    let mut review = Review::default();
    for tool in tools {
        // What the schema says does not change.
        let facts = policy::ToolFacts {
            name: &tool.name,
            class: tool.class,
            risk: tool.risk,
            schema: None,
        };
        let target = Target::Tool(facts);
        let (was, is) = (before.outlook(&target), after.outlook(&target));
        if was == is {
            review.same += 1;
        } else if review.changes.len() < CHANGES_SHOWN_MAX {
            review.changes.push(change(tool, &was, &is));
        } else {
            review.more += 1;
        }
    }
    review.sections = sections(old.as_ref(), &new);
    review
}

fn change(tool: &ToolDefinition, was: &Outlook, is: &Outlook) -> ToolChange {
    let only = |one: &BTreeSet<OutlookPart>, other: &BTreeSet<OutlookPart>| {
        one.difference(other).cloned().collect::<Vec<_>>()
    };
    ToolChange {
        tool: tool.name.clone(),
        class: tool.class.map(policy::Class::as_str),
        risk: tool.risk.map(policy::Risk::as_str),
        before: was.word.as_str(),
        after: is.word.as_str(),
        gone: only(&was.parts, &is.parts),
        new: only(&is.parts, &was.parts),
    }
}

fn sections(old: Option<&Document>, new: &Document) -> Vec<&'static str> {
    let read = |document: &Document| serde_json::from_str::<Value>(document.canonical()).ok();
    let (old, new) = (old.and_then(read), read(new));
    let differs = |name: &&str| {
        let member = |document: &Option<Value>| {
            let found = document.as_ref().and_then(|document| document.get(name)).cloned();
            found.filter(|value| !value.as_object().is_some_and(serde_json::Map::is_empty))
        };
        member(&old) != member(&new)
    };
    ["default", "resources", "prompts"].into_iter().filter(differs).collect()
}

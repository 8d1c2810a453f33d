//! What a text would change if it became a policy's next version: in effect, tool by tool, before anything is saved.
//!
//! What never lives here: saving (`policies`), recorded calls (`replay`).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use policy::edit::{Block, Entry, Form};
use policy::{
    DenyAll, Document, Lint, Outlook, OutlookPart, Policy, Problem, Target, ToolDefinition,
};
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
    /// What else is said otherwise: the default, entries for every tool, patterns, resources, prompts; at most
    /// [`CHANGES_SHOWN_MAX`].
    pub beyond: Vec<Beyond>,
}

/// Something that is about no known tool alone, and differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// The part of the document: `default`, `hide`, `all_tools`, `tools`, `resources`, `prompts`.
    pub section: &'static str,
    /// The selector; empty for `default` and `all_tools`.
    pub selector: String,
    /// What is no longer said, in plain words.
    pub gone: Vec<String>,
    /// What is said from then on.
    pub new: Vec<String>,
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
    let read = |document: &Document| policy::edit::form(document.text()).ok();
    let known: HashSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let told = |document: Option<&Document>| {
        document.and_then(read).map(|form| said(&form, &known)).unwrap_or_default()
    };
    review.beyond = beyond(&told(old.as_ref()), &told(Some(&new)));
    review
}

/// What a document says of other things than known tools, by section and selector, in plain words.
type Said = BTreeMap<(&'static str, String), Vec<String>>;

fn said(form: &Form, known: &HashSet<&str>) -> Said {
    let default = match form.default {
        policy::DefaultAction::Allow => "What no entry names is allowed.",
        policy::DefaultAction::Deny => "What no entry names is denied and not shown.",
    };
    let mut said = Said::from([(("default", String::new()), vec![default.to_owned()])]);
    for selector in form.hide.iter().filter(|selector| !known.contains(selector.as_str())) {
        let words = vec!["Hidden: for the agent it does not exist.".to_owned()];
        said.insert(("hide", selector.clone()), words);
    }
    for block in form.blocks() {
        let Some(entry) = form.entry(&block) else { continue };
        if !(matches!(block, Block::Tools(_)) && known.contains(entry.selector.as_str())) {
            said.insert((block.section(), entry.selector.clone()), in_words(entry));
        }
    }
    said
}

fn in_words(entry: &Entry) -> Vec<String> {
    let rules = entry.require.iter().chain(&entry.deny_if).map(|rule| rule.sentence.0.clone());
    let limits = entry.limits.iter().map(|limit| limit.sentence.0.clone());
    std::iter::once(entry.sentence.0.clone()).chain(rules).chain(limits).collect()
}

fn beyond(old: &Said, new: &Said) -> Vec<Beyond> {
    const ORDER: [&str; 6] = ["default", "hide", "all_tools", "tools", "resources", "prompts"];
    let nothing = Vec::new();
    let keys: BTreeSet<&(&'static str, String)> = old.keys().chain(new.keys()).collect();
    let mut changes: Vec<Beyond> = keys
        .into_iter()
        .filter_map(|key| {
            let (was, is) = (old.get(key).unwrap_or(&nothing), new.get(key).unwrap_or(&nothing));
            let only = |one: &Vec<String>, other: &Vec<String>| {
                one.iter().filter(|words| !other.contains(words)).cloned().collect::<Vec<_>>()
            };
            let (section, selector) = (key.0, key.1.clone());
            (was != is).then(|| Beyond {
                section,
                selector,
                gone: only(was, is),
                new: only(is, was),
            })
        })
        .collect();
    changes.sort_by_key(|change| ORDER.iter().position(|section| *section == change.section));
    changes.truncate(CHANGES_SHOWN_MAX);
    changes
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

//! What the rules of a trace wanted, and what the call had for them: read from the version of the policy that judged and from
//! what the log kept. Nothing is judged again: what a rule said stands in the trace.
//!
//! What never lives here: verdicts.

use std::collections::BTreeMap;

use policy::{ClientFacts, Facts, GrantFacts, Path, Section, ToolFacts};
use serde_json::Value;
use store::{AuditEntry, PolicyName};

use super::{Actor, OpError, Permission};
use crate::Console;

/// Conditions of one rule that are shown, at most.
const CONDITIONS_MAX: usize = 50;
/// Depth of `any` and `not` that is followed.
const DEPTH_MAX: usize = 8;

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it looks at, such as `args.amount`.
    pub path: String,
    /// What it wants of it, such as `lte 100`; under a `not`, the opposite.
    pub wanted: String,
    /// What was there; `None` where it was missing, more than one value, or not kept.
    pub found: Option<String>,
}

/// What the named rules wanted, in their order; rules without conditions want nothing. Empty where that version of the policy is
/// gone.
pub async fn of(
    console: &Console,
    actor: &Actor,
    entry: &AuditEntry,
    rules: &[String],
) -> Result<Vec<Vec<Wanted>>, OpError> {
    actor.may(Permission::Read)?;
    let name = entry.policy.as_deref().and_then(|name| PolicyName::parse(name).ok());
    let (Some(name), Some(version)) = (name, entry.policy_version) else { return Ok(Vec::new()) };
    let Some(record) = console.store.policy(&name, Some(version)).await? else {
        return Ok(Vec::new());
    };
    let document: Value = serde_json::from_str(&record.canonical).unwrap_or_default();
    let arguments = entry.arguments_json.as_deref().unwrap_or("{}");
    let Ok(args) = policy::Value::parse(arguments) else { return Ok(Vec::new()) };
    let (client, version) = client(entry.client.as_deref());
    let facts = Facts {
        args: &args,
        tool: entry.tool.as_deref().map(|name| ToolFacts {
            name,
            class: None,
            risk: None,
            schema: None,
        }),
        grant: GrantFacts {
            label: entry.grant.as_deref().unwrap_or_default(),
            tags: &BTreeMap::new(),
        },
        client: ClientFacts { name: client, version },
        now: entry.time,
    };
    Ok(rules.iter().map(|rule| conditions(&document, rule, &facts)).collect())
}

/// Name and version of a client as the log writes them.
fn client(text: Option<&str>) -> (Option<&str>, Option<&str>) {
    match text.and_then(|text| text.rsplit_once('/')) {
        Some((name, version)) => (Some(name), Some(version)),
        None => (text, None),
    }
}

/// The conditions of a rule, found by its pointer or its id.
fn conditions(document: &Value, rule: &str, facts: &Facts<'_>) -> Vec<Wanted> {
    let found = if rule.starts_with('/') { document.pointer(rule) } else { by_id(document, rule) };
    let mut all = Vec::new();
    if let Some(Value::Array(list)) = found.and_then(|rule| rule.get("conditions")) {
        for one in list {
            gather(one, (false, DEPTH_MAX), facts, &mut all);
        }
    }
    all
}

fn by_id<'d>(document: &'d Value, id: &str) -> Option<&'d Value> {
    let sections = ["tools", "resources", "prompts"].into_iter();
    let entries = sections.filter_map(|section| document.get(section)?.as_object());
    let blocks = entries.flat_map(serde_json::Map::values).chain(document.get("all_tools"));
    let lists = blocks.flat_map(|block| ["require", "deny_if"].map(|list| block.get(list)));
    let mut rules = lists.flatten().filter_map(Value::as_array).flatten();
    rules.find(|rule| rule.get("id").and_then(Value::as_str) == Some(id))
}

fn gather(
    condition: &Value,
    (negated, depth): (bool, usize),
    facts: &Facts<'_>,
    all: &mut Vec<Wanted>,
) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    if let Some(Value::Array(list)) = condition.get("any") {
        for one in list {
            gather(one, (negated, deeper), facts, all);
        }
    } else if let Some(inner) = condition.get("not") {
        gather(inner, (!negated, deeper), facts, all);
    } else if all.len() < CONDITIONS_MAX
        && let (Some(Value::String(path)), Some(Value::String(op))) =
            (condition.get("path"), condition.get("op"))
    {
        let value = condition.get("value").map(ToString::to_string).unwrap_or_default();
        let not = if negated { "not " } else { "" };
        all.push(Wanted {
            found: Path::parse(path, Section::Tools)
                .ok()
                .and_then(|path| policy::observed(&path, facts)),
            path: path.clone(),
            wanted: format!("{not}{op} {value}"),
        });
    }
}

#[cfg(test)]
mod tests;

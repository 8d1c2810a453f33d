//! Warnings about what selectors reach: L002, L007, L011, L012, L013.

use std::sync::Arc;

use super::Findings;
use super::schema_view::{Reach, Server};
use crate::document::{Action, DefaultAction, Model, Rules, Selector};
use crate::{Risk, ToolDefinition};

pub(super) fn check(found: &mut Findings<'_>, model: &Model, server: Option<&Server<'_>>) {
    if model.default == DefaultAction::Allow {
        let message = "tools that the server adds later are allowed without a look".to_owned();
        let help = Some("write \"deny\" and list what may be called");
        found.add_with_help("L012", (model.default_at, "/default"), message, help);
    }
    hidden_and_listed(found, model, server);
    if let Some(server) = server {
        matches_nothing(found, model, server);
        unpinned(found, model, server);
        let (hide, listed) = (Reach::of(&model.hide), Reach::of(&model.tools));
        for tool in &server.tools {
            unguarded(found, model, (&hide, &listed), tool.definition);
        }
    }
}

/// Selectors of `hide` and `tools` with their places.
fn tool_selectors(model: &Model) -> impl Iterator<Item = (&Selector, usize, &str)> {
    let hide = model.hide.iter().map(|entry| (&entry.selector, entry.at, &*entry.pointer));
    hide.chain(model.tools.iter().map(|entry| (&entry.selector, entry.at, &*entry.pointer)))
}

/// Selectors for which a near name is looked for among all tools, at most: the first ones.
const NEAR_NAMES_MAX: usize = 50;

fn matches_nothing(found: &mut Findings<'_>, model: &Model, server: &Server<'_>) {
    let mut looks = 0;
    for (selector, at, pointer) in tool_selectors(model) {
        if server.matched(Some(selector)).is_empty() {
            let message = format!("`{}` matches no tool of the server", selector.text());
            let names = server.tools.iter().map(|tool| tool.definition.name.as_str());
            looks += 1;
            let near = || crate::parse::did_you_mean(&selector.text(), names);
            let help = if looks <= NEAR_NAMES_MAX { near() } else { None };
            found.add_with_help("L002", (at, pointer), message, help.as_deref());
        }
    }
}

fn unpinned(found: &mut Findings<'_>, model: &Model, server: &Server<'_>) {
    for (selector, at, pointer) in tool_selectors(model) {
        let without = |tool: &&ToolDefinition| match selector {
            Selector::Class(_) => tool.class.is_none(),
            Selector::Risk(_) => tool.risk.is_none(),
            Selector::Exact(_) | Selector::Glob(..) => false,
        };
        let tools = server.tools.iter().map(|tool| tool.definition);
        let names: Vec<&str> = tools.filter(without).map(|tool| tool.name.as_str()).collect();
        if let Some(first) = names.first() {
            let message = format!(
                "`{}` cannot match tools without a pinned class, such as `{first}` ({} in all)",
                selector.text(),
                names.len()
            );
            found.add("L013", at, pointer, message);
        }
    }
}

/// A tool that `tools` names exactly and `hide` takes away. A glob or class in `tools` that reaches further than
/// `hide` is how a policy hides one of many, and no mistake.
fn hidden_and_listed(found: &mut Findings<'_>, model: &Model, server: Option<&Server<'_>>) {
    let reach = Reach::of(&model.hide);
    for entry in &model.tools {
        let Selector::Exact(name) = &entry.selector else { continue };
        let known = server.and_then(|server| server.named(name).next());
        let hiding = reach.to(name, known.map(|tool| tool.definition));
        if let Some(hide) = hiding.first() {
            let message = format!("`{name}` is hidden by {}, so this says nothing", hide.pointer);
            found.add("L007", entry.at, &entry.pointer, message);
        }
    }
}

/// A high or critical tool that nothing holds back.
fn unguarded(
    found: &mut Findings<'_>,
    model: &Model,
    (hide, listed): (&Reach<'_, ()>, &Reach<'_, Arc<Rules>>),
    tool: &ToolDefinition,
) {
    let Some(risk @ (Risk::High | Risk::Critical)) = tool.risk else { return };
    if !hide.to(&tool.name, Some(tool)).is_empty() {
        return;
    }
    let matching = listed.to(&tool.name, Some(tool));
    if matching.is_empty() && model.default == DefaultAction::Deny {
        return;
    }
    let rules = matching.iter().map(|entry| &entry.rules).chain(&model.all_tools);
    if rules.into_iter().any(|rules| guards(rules)) {
        return;
    }
    let (at, pointer) = match matching.first() {
        Some(entry) => (entry.at, &*entry.pointer),
        None => (model.default_at, "/default"),
    };
    let message =
        format!("`{}` is {risk} and allowed without a rule, limit or approval", tool.name);
    found.add("L011", at, pointer, message);
}

fn guards(rules: &Rules) -> bool {
    rules.action != Action::Allow
        || !rules.require.is_empty()
        || !rules.deny_if.is_empty()
        || !rules.limits.is_empty()
}

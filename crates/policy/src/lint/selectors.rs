//! Warnings about what selectors reach: L002, L007, L011, L012, L013.

use super::Findings;
use super::schema_view::{Server, selects};
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
        for tool in &server.tools {
            unguarded(found, model, tool.definition);
        }
    }
}

/// Selectors of `hide` and `tools` with their places.
fn tool_selectors(model: &Model) -> impl Iterator<Item = (&Selector, usize, &str)> {
    let hide = model.hide.iter().map(|entry| (&entry.selector, entry.at, &*entry.pointer));
    hide.chain(model.tools.iter().map(|entry| (&entry.selector, entry.at, &*entry.pointer)))
}

fn matches_nothing(found: &mut Findings<'_>, model: &Model, server: &Server<'_>) {
    for (selector, at, pointer) in tool_selectors(model) {
        if server.matched(Some(selector)).is_empty() {
            let message = format!("`{}` matches no tool of the server", selector.text());
            let names = server.tools.iter().map(|tool| tool.definition.name.as_str());
            let help = crate::parse::did_you_mean(&selector.text(), names);
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
    for entry in &model.tools {
        let Selector::Exact(name) = &entry.selector else { continue };
        let known = server.and_then(|server| {
            server.tools.iter().map(|tool| tool.definition).find(|tool| *tool.name == **name)
        });
        let hides = |selector: &Selector| match selector {
            Selector::Exact(hidden) => hidden == name,
            Selector::Glob(_, glob) => glob.matches(name),
            Selector::Class(_) | Selector::Risk(_) => {
                known.is_some_and(|tool| selects(selector, tool))
            }
        };
        if let Some(hide) = model.hide.iter().find(|hide| hides(&hide.selector)) {
            let message = format!("`{name}` is hidden by {}, so this says nothing", hide.pointer);
            found.add("L007", entry.at, &entry.pointer, message);
        }
    }
}

/// A high or critical tool that nothing holds back.
fn unguarded(found: &mut Findings<'_>, model: &Model, tool: &ToolDefinition) {
    let Some(risk @ (Risk::High | Risk::Critical)) = tool.risk else { return };
    if model.hide.iter().any(|entry| selects(&entry.selector, tool)) {
        return;
    }
    let matching = model.tools.iter().filter(|entry| selects(&entry.selector, tool));
    let matching: Vec<_> = matching.collect();
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

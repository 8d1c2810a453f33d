//! What a policy comes to for one tool, in one word for lists. Calls are decided elsewhere.

use serde::Serialize;

use crate::compile::{Body, Numbered};
use crate::document::{Action, DefaultAction, Waiver};
use crate::{Policy, ToolFacts};

/// What a policy comes to for a tool before its arguments are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Every call passes.
    Allow,
    /// Every call is denied; the tool is visible.
    Deny,
    /// The tool does not exist for the agent.
    Hide,
    /// Nothing lists it: as hidden, and calls are denied.
    Unlisted,
    /// Every call needs a person.
    Approve,
    /// It depends on arguments, counters or the clock.
    Custom,
}

impl Effect {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hide => "hide",
            Self::Unlisted => "unlisted",
            Self::Approve => "approve",
            Self::Custom => "custom",
        }
    }
}

/// What the policy comes to for this tool, with every selector that matches it.
pub fn effect(policy: &Policy, tool: &ToolFacts<'_>) -> Effect {
    let Body::Rules(book) = &policy.body else { return Effect::Deny };
    let listed = book.tools.for_tool(tool);
    let hides = |rules: &&Numbered| rules.action == Action::Hide;
    if !book.hide.for_tool(tool).is_empty() || listed.iter().any(hides) {
        return Effect::Hide;
    }
    if listed.is_empty() && book.default == DefaultAction::Deny {
        return Effect::Unlisted;
    }
    let all: Vec<&Numbered> = listed.iter().copied().chain(&book.all_tools).collect();
    if all.iter().any(|rules| rules.action == Action::Deny || always(rules, Waived::Never)) {
        return Effect::Deny;
    }
    if all.iter().any(|rules| rules.action == Action::Approve || always(rules, Waived::ByPeople)) {
        return Effect::Approve;
    }
    let plain = |rules: &&Numbered| {
        rules.validate.is_none()
            && rules.require.is_empty()
            && rules.deny_if.is_empty()
            && rules.limits.is_empty()
    };
    if all.iter().all(plain) { Effect::Allow } else { Effect::Custom }
}

/// Who may let a call pass that fails a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waived {
    Never,
    ByPeople,
}

/// Whether a `deny_if` without conditions matches every call.
fn always(rules: &Numbered, waived: Waived) -> bool {
    rules.deny_if.iter().any(|(_, rule)| {
        rule.conditions.is_empty()
            && match rule.waiver {
                Waiver::Final => waived == Waived::Never,
                Waiver::Asks(_) => waived == Waived::ByPeople,
            }
    })
}

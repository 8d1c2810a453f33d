//! Warnings about the rules of one selector: L004 and L005; those about single conditions are next door.

use super::conditions::{self, tests};
use super::schema_view::Server;
use super::{Block, Findings};
use crate::document::{Action, Condition, Operand, Rule, Test, Waiver};
use crate::{Decimal, IfMissing, Reading};

pub(super) fn check(found: &mut Findings<'_>, block: &Block<'_>, server: Option<&Server<'_>>) {
    let lists = [(Reading::Require, &block.rules.require), (Reading::DenyIf, &block.rules.deny_if)];
    for (reading, rules) in lists {
        for rule in rules {
            never_matches(found, rule);
            conditions::check(found, block, (rule, reading), server);
        }
    }
    conditions::check_amounts(found, block, server);
    useless(found, block);
}

fn never_matches(found: &mut Findings<'_>, rule: &Rule) {
    let ands: Vec<&Test> = rule
        .conditions
        .iter()
        .filter_map(|condition| match condition {
            Condition::Test(test) => Some(&**test),
            Condition::Any(_) | Condition::Not(_) => None,
        })
        .collect();
    for test in &ands {
        let compares = matches!(test.op.name(), "eq" | "neq");
        if compares && test.value == Operand::Null && test.if_missing == IfMissing::False {
            let message = "`null` counts as missing, so this is never true".to_owned();
            let help = Some("use `exists`");
            found.add_with_help("L004", (test.at, &test.pointer), message, help);
        }
    }
    let bounded: Vec<(&Test, Bound<'_>)> =
        ands.iter().filter_map(|test| Some((*test, bound(test)?))).collect();
    for (index, (test, one)) in bounded.iter().enumerate() {
        let earlier = bounded.iter().take(index);
        let clash = earlier
            .filter(|(other, _)| same_path(test, other))
            .find(|(_, two)| excludes(one, two) || excludes(two, one));
        if let Some((other, _)) = clash {
            let message =
                format!("no number satisfies this and {}: the rule never matches", other.pointer);
            found.add("L004", test.at, &test.pointer, message);
        }
    }
}

/// One end of a range.
struct Bound<'t> {
    number: &'t Decimal,
    side: Side,
    included: Included,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Lowest,
    Highest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Included {
    Yes,
    No,
}

fn bound(test: &Test) -> Option<Bound<'_>> {
    let (side, included) = match test.op.name() {
        "lt" => (Side::Highest, Included::No),
        "lte" => (Side::Highest, Included::Yes),
        "gt" => (Side::Lowest, Included::No),
        "gte" => (Side::Lowest, Included::Yes),
        _ => return None,
    };
    if test.path.has_star() || test.if_missing == IfMissing::Match {
        return None;
    }
    Some(Bound { number: test.op.number()?, side, included })
}

/// True if `low` is a lower bound, `high` an upper one, and nothing lies between them.
fn excludes(low: &Bound<'_>, high: &Bound<'_>) -> bool {
    let both = low.included == Included::Yes && high.included == Included::Yes;
    low.side == Side::Lowest
        && high.side == Side::Highest
        && (low.number > high.number || (low.number == high.number && !both))
}

fn same_path(left: &Test, right: &Test) -> bool {
    left.path.root() == right.path.root() && left.path.steps() == right.path.steps()
}

fn useless(found: &mut Findings<'_>, block: &Block<'_>) {
    let rules = block.rules;
    for list in [&rules.require, &rules.deny_if] {
        for (index, rule) in list.iter().enumerate() {
            let same = |other: &&std::sync::Arc<Rule>| {
                other.conditions_json == rule.conditions_json && other.waiver == rule.waiver
            };
            if let Some(other) = list.iter().take(index).find(same) {
                let message = format!("says the same as {}", other.pointer);
                found.add("L005", rule.at, &rule.pointer, message);
            }
        }
    }
    let always = rules
        .deny_if
        .iter()
        .find(|rule| rule.conditions.is_empty() && rule.waiver == Waiver::Final);
    let all_rules = rules.require.iter().chain(&rules.deny_if);
    let blocker = match (rules.action, always) {
        (Action::Deny | Action::Hide, _) => Some(&*rules.action_rule.pointer),
        (Action::Allow | Action::Approve, Some(always)) => Some(&*always.pointer),
        (Action::Allow | Action::Approve, None) => None,
    };
    let Some(blocker) = blocker else { return };
    for rule in all_rules.filter(|rule| *rule.pointer != *blocker) {
        let message = format!("decides nothing beside {blocker}, which refuses every call");
        found.add("L005", rule.at, &rule.pointer, message);
    }
    for limit in &rules.limits {
        let message = format!("counts nothing beside {blocker}, which refuses every call");
        found.add("L005", limit.at, &limit.name, message);
    }
}

/// Every comparison of a rule.
pub(super) fn all_tests(rule: &Rule) -> Vec<&Test> {
    let mut all = Vec::new();
    tests(&rule.conditions, &mut all);
    all
}

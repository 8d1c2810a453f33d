//! Every condition of the rules that a call meets, with what it wants and what it found: what a person who tries a call
//! is shown. The verdict is [`super::decide`]'s; nothing is decided here.

use std::sync::Arc;

use super::pass::{facts_of, name};
use super::{Call, Standing, truth_of};
use crate::compile::{Body, Policy};
use crate::document::{Condition, Operand, Rule, Test};
use crate::{Facts, IfMissing, Reading, Truth, observed};

/// Most characters of a wanted value that a detail shows.
const WANTED_CHARS_MAX: usize = 200;
/// Most elements of a wanted list that a detail shows.
const WANTED_ITEMS_MAX: usize = 20;

/// One condition of a rule that a call met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Whether it stands in a `require` or a `deny_if`.
    pub reading: Reading,
    /// How deep it stands in `any` and `not`; 0 for the rule's own conditions.
    pub depth: usize,
    /// What it asks: `any of`, `not`, or path and operator.
    pub asks: String,
    /// The value that it wants, as JSON; empty for `any` and `not`.
    pub wanted: String,
    /// What the call has there; `None` where nothing can be shown for it.
    pub found: Option<String>,
    /// What it says.
    pub truth: Truth,
}

/// The conditions of every rule that applies to a call, in the order of the trace.
pub fn details(policy: &Policy, call: &Call<'_>) -> Vec<Detail> {
    let Body::Rules(book) = &policy.body else { return Vec::new() };
    let facts = facts_of(call);
    let mut all = Vec::new();
    for rules in Standing::of(book, &call.target).rules() {
        for (list, reading) in
            [(&rules.require, Reading::Require), (&rules.deny_if, Reading::DenyIf)]
        {
            for (index, rule) in list {
                let of = Of { rule: name(&policy.names, *index), reading, facts: &facts };
                of.rule(rule, &mut all);
            }
        }
    }
    all
}

/// The rule that a condition belongs to.
struct Of<'a> {
    rule: Arc<str>,
    reading: Reading,
    facts: &'a Facts<'a>,
}

impl Of<'_> {
    fn rule(&self, rule: &Rule, all: &mut Vec<Detail>) {
        for condition in &rule.conditions {
            self.condition(condition, (self.reading, 0), all);
        }
    }

    /// Recursion is bounded by the document's depth.
    fn condition(
        &self,
        condition: &Condition,
        (reading, depth): (Reading, usize),
        all: &mut Vec<Detail>,
    ) {
        let truth = truth_of(condition, reading, self.facts);
        let (asks, wanted, found) = match condition {
            Condition::Any(_) => ("any of".to_owned(), String::new(), None),
            Condition::Not(_) => ("not".to_owned(), String::new(), None),
            Condition::Test(test) => self.test(test),
        };
        let (rule, reading_of_rule) = (Arc::clone(&self.rule), self.reading);
        all.push(Detail { rule, reading: reading_of_rule, depth, asks, wanted, found, truth });
        match condition {
            Condition::Any(inner) => {
                for inner in inner {
                    self.condition(inner, (reading, depth.saturating_add(1)), all);
                }
            }
            Condition::Not(inner) => {
                self.condition(inner, (reading.swapped(), depth.saturating_add(1)), all);
            }
            Condition::Test(_) => {}
        }
    }

    fn test(&self, test: &Test) -> (String, String, Option<String>) {
        let missing = match test.if_missing {
            IfMissing::False => "",
            IfMissing::Match => " (or missing)",
        };
        let asks = format!("{} {}{missing}", test.path.as_str(), test.op.name());
        let mut wanted = String::new();
        write(&test.value, &mut wanted);
        (
            asks,
            crate::hint::shortened(&wanted, WANTED_CHARS_MAX).into_owned(),
            observed(&test.path, self.facts),
        )
    }
}

/// A wanted value as JSON, as far as it is kept.
fn write(value: &Operand, out: &mut String) {
    match value {
        Operand::Null => out.push_str("null"),
        Operand::Bool(true) => out.push_str("true"),
        Operand::Bool(false) => out.push_str("false"),
        Operand::Number(text) => out.push_str(text),
        Operand::Text(text) => crate::canonical::push_json_string(out, text),
        Operand::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                if index == WANTED_ITEMS_MAX {
                    out.push('…');
                    break;
                }
                write(item, out);
            }
            out.push(']');
        }
        Operand::Object => out.push_str("{…}"),
    }
}

#[cfg(test)]
mod tests;

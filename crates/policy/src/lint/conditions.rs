//! Warnings about single conditions: L003, L006, L010.

use super::rules::all_tests;
use super::schema_view::{KnownTool, Look, Server};
use super::{Block, Findings};
use crate::document::{Condition, Increment, Operand, Rule, Test};
use crate::{IfMissing, Path, PathRoot, Reading, Section};

pub(super) fn check(
    found: &mut Findings<'_>,
    block: &Block<'_>,
    rule: (&Rule, Reading),
    server: Option<&Server<'_>>,
) {
    let (rule, reading) = rule;
    let tools = matched(block, server);
    for test in all_tests(rule) {
        if let Some(message) = misfit(&test.path, &types_taken(test), &tools) {
            found.add("L003", test.at, &test.pointer, message);
        }
    }
    for condition in &rule.conditions {
        unanchored(found, condition, reading);
    }
    if reading == Reading::DenyIf {
        passes_when_missing(found, block, rule, &tools);
    }
}

/// Limits that take their amount from an argument that the schema does not have as a number.
pub(super) fn check_amounts(
    found: &mut Findings<'_>,
    block: &Block<'_>,
    server: Option<&Server<'_>>,
) {
    let tools = matched(block, server);
    for limit in &block.rules.limits {
        let Increment::From(path) = &limit.increment else { continue };
        if let Some(message) = misfit(path, &["number", "integer"], &tools) {
            found.add("L003", limit.at, &format!("{}/increment_from", limit.name), message);
        }
    }
}

fn matched<'s, 'd>(block: &Block<'_>, server: Option<&'s Server<'d>>) -> Vec<&'s KnownTool<'d>> {
    match (block.section, server) {
        (Section::Tools, Some(server)) => server.matched(block.selector),
        (Section::Tools | Section::Resources | Section::Prompts, _) => Vec::new(),
    }
}

/// Every comparison below these conditions.
pub(super) fn tests<'c>(conditions: &'c [Condition], all: &mut Vec<&'c Test>) {
    for condition in conditions {
        match condition {
            Condition::Test(test) => all.push(test),
            Condition::Any(inner) => tests(inner, all),
            Condition::Not(inner) => tests(std::slice::from_ref(&**inner), all),
        }
    }
}

/// Why a path fits none of the tools; `None` where it fits one, or where that cannot be told.
fn misfit(path: &Path, taken: &[&str], tools: &[&KnownTool<'_>]) -> Option<String> {
    if path.root() != PathRoot::Args || path.steps().is_empty() || tools.is_empty() {
        return None;
    }
    let mut message = None;
    for tool in tools {
        match tool.look(path.steps()) {
            Look::Open => return None,
            Look::Absent => {
                let name = &tool.definition.name;
                message = Some(format!("`{path}` is not in the schema of `{name}`"));
            }
            Look::Types(types) if fits(&types, taken) => return None,
            Look::Types(types) => {
                let name = &tool.definition.name;
                let types = types.join(" or ");
                message = Some(format!("`{path}` is of type {types} in the schema of `{name}`"));
            }
        }
    }
    message
}

fn fits(types: &[String], taken: &[&str]) -> bool {
    taken.is_empty() || types.iter().any(|kind| taken.contains(&kind.as_str()))
}

/// The schema types for which a comparison is defined; empty for every type.
fn types_taken(test: &Test) -> Vec<&'static str> {
    match test.op.name() {
        "lt" | "lte" | "gt" | "gte" => vec!["number", "integer"],
        "regex" | "not_regex" | "starts_with" | "ends_with" | "length_lte" | "length_gte"
        | "path_within" | "host_in" => vec!["string"],
        "contains" | "not_contains" => vec!["string", "array"],
        "count_lte" | "count_gte" => vec!["array", "object"],
        "eq" | "neq" => types_of(&test.value),
        "in" | "not_in" => match &test.value {
            Operand::List(items) => items.iter().flat_map(types_of).collect(),
            Operand::Null
            | Operand::Bool(_)
            | Operand::Number(_)
            | Operand::Text(_)
            | Operand::Object => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn types_of(value: &Operand) -> Vec<&'static str> {
    match value {
        Operand::Null => Vec::new(),
        Operand::Bool(_) => vec!["boolean"],
        Operand::Number(_) => vec!["number", "integer"],
        Operand::Text(_) => vec!["string"],
        Operand::List(_) => vec!["array"],
        Operand::Object => vec!["object"],
    }
}

/// A pattern that lets a call pass if any part of the text matches. Inside a `not`, and as `not_regex`, a pattern
/// refuses, and there fewer anchors are the careful way.
fn unanchored(found: &mut Findings<'_>, condition: &Condition, reading: Reading) {
    match condition {
        Condition::Not(inner) => unanchored(found, inner, reading.swapped()),
        Condition::Any(inner) => {
            for condition in inner {
                unanchored(found, condition, reading);
            }
        }
        Condition::Test(test) => {
            let lets_pass = match test.op.name() {
                "regex" => reading == Reading::Require,
                "not_regex" => reading == Reading::DenyIf,
                _ => false,
            };
            if let (true, Operand::Text(pattern)) = (lets_pass, &test.value)
                && !is_anchored(pattern)
            {
                let message = "the pattern matches any text that holds a match".to_owned();
                let help = Some("begin it with `^` and end it with `$`");
                found.add_with_help("L006", (test.at, &test.pointer), message, help);
            }
        }
    }
}

/// True if every alternative begins with `^` or `\A` and ends with `$` or `\z`, and these mean the whole text.
fn is_anchored(pattern: &str) -> bool {
    let (flags, body) = match pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')')) {
        Some((flags, body)) if flags.chars().all(|c| c.is_ascii_alphabetic()) => (flags, body),
        _ => ("", pattern),
    };
    if flags.contains('m') {
        return false;
    }
    alternatives(body).iter().all(|alternative| {
        let begins = alternative.starts_with('^') || alternative.starts_with("\\A");
        let before = alternative.strip_suffix('$').or_else(|| {
            let rest = alternative.strip_suffix('z')?;
            rest.ends_with('\\').then(|| rest.strip_suffix('\\')).flatten()
        });
        let escaped = |text: &str| text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        begins && before.is_some_and(|before| !escaped(before))
    })
}

/// The alternatives outside of groups and character classes.
fn alternatives(pattern: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut groups, mut classes, mut escaped) = (0, 0_usize, 0_usize, false);
    for (at, c) in pattern.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '\\' => escaped = true,
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            '(' if classes == 0 => groups += 1,
            ')' if classes == 0 => groups = groups.saturating_sub(1),
            '|' if classes == 0 && groups == 0 => {
                parts.extend(pattern.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(pattern.get(start..));
    parts
}

/// A `deny_if` that is false when the arguments that may be left out are left out.
fn passes_when_missing(
    found: &mut Findings<'_>,
    block: &Block<'_>,
    rule: &Rule,
    tools: &[&KnownTool<'_>],
) {
    let all = all_tests(rule);
    let required = |path: &Path| match block.section {
        Section::Resources => path.as_str() == "args.uri",
        Section::Tools | Section::Prompts => {
            !tools.is_empty() && tools.iter().all(|tool| tool.requires(path.steps()))
        }
    };
    let may_be_missing = |test: &&Test| {
        let path = &test.path;
        let asked_for = all
            .iter()
            .any(|other| other.op.name() == "exists" && other.path.steps() == path.steps());
        path.root() == PathRoot::Args && !path.steps().is_empty() && !asked_for && !required(path)
    };
    let Some(first) = all.iter().copied().find(|test| may_be_missing(test)) else { return };
    let mut result = Sure::True;
    for condition in &rule.conditions {
        result = result.and(when_missing(condition, &may_be_missing));
    }
    if result == Sure::False {
        let message = format!("passes when `{}` is missing", first.path);
        let help = Some("add \"if_missing\": \"match\", or a `require` that it exists");
        found.add_with_help("L010", (first.at, &first.pointer), message, help);
    }
}

/// What is known of a condition when some arguments are missing and the others can be anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    True,
    False,
    Unknown,
}

impl Sure {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    fn turned(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

fn when_missing(condition: &Condition, missing: &dyn Fn(&&Test) -> bool) -> Sure {
    match condition {
        Condition::Not(inner) => when_missing(inner, missing).turned(),
        // One of several is false exactly when all are: the dual of `and`.
        Condition::Any(inner) => inner
            .iter()
            .map(|condition| when_missing(condition, missing).turned())
            .fold(Sure::True, Sure::and)
            .turned(),
        Condition::Test(test) if missing(&&**test) => match test.if_missing {
            IfMissing::Match => Sure::True,
            IfMissing::False => Sure::False,
        },
        Condition::Test(_) => Sure::Unknown,
    }
}

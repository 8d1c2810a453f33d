//! What would make a refused call pass, in words (POLICY section 8). Never a secret.
//!
//! Shown of the call: numbers, booleans and the beginning of strings. Shown of the policy: numbers, booleans,
//! folders, hosts and the words of an `in`. Neither is shown where the name of the argument says that it holds a
//! secret, and no other string of the policy ever is.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::decide::truth_of;
use crate::document::{Condition, Operand, Test};
use crate::{Facts, JsonKind, Node, Path, PathRoot, Reading, Step, Truth};

/// Most characters of one value that a hint shows.
const VALUE_CHARS_MAX: usize = 40;
/// Most elements of a list that a hint shows.
const LIST_ITEMS_MAX: usize = 5;
/// Parts of argument names whose values are never shown, in lower case.
const SECRET_NAMES: [&str; 15] = [
    "pass",
    "secret",
    "token",
    "key",
    "pin",
    "otp",
    "code",
    "cred",
    "auth",
    "cvv",
    "cvc",
    "card",
    "iban",
    "ssn",
    "signature",
];

/// The beginning of `text`, at most `chars_max` characters, control characters escaped.
pub(crate) fn shortened(text: &str, chars_max: usize) -> Cow<'_, str> {
    let plain = text.len() <= chars_max && !text.chars().any(char::is_control);
    if plain {
        return text.into();
    }
    let mut short = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == chars_max {
            short.push('…');
            break;
        }
        if c.is_control() { short.extend(c.escape_default()) } else { short.push(c) }
    }
    short.into()
}

/// Why these conditions refuse the call in this reading.
pub(crate) fn for_conditions(
    conditions: &[Condition],
    reading: Reading,
    facts: &Facts<'_>,
) -> Option<String> {
    let wanted = match reading {
        Reading::Require => Wanted::True,
        Reading::DenyIf => Wanted::False,
    };
    conditions.iter().find_map(|condition| for_condition(condition, wanted, reading, facts))
}

/// What an `increment_from` needs.
pub(crate) fn for_amount(path: &Path, facts: &Facts<'_>) -> String {
    format!("{}; a number that is not negative is needed", subject(path, facts))
}

/// What a condition would have to be for the call to pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    True,
    False,
}

impl Wanted {
    fn turned(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
        }
    }
}

fn for_condition(
    condition: &Condition,
    wanted: Wanted,
    reading: Reading,
    facts: &Facts<'_>,
) -> Option<String> {
    let truth = truth_of(condition, reading, facts);
    if (truth == Truth::True && wanted == Wanted::True)
        || (truth == Truth::False && wanted == Wanted::False)
    {
        return None;
    }
    match condition {
        Condition::Not(inner) => for_condition(inner, wanted.turned(), reading.swapped(), facts),
        Condition::Any(inner) => {
            inner.iter().find_map(|condition| for_condition(condition, wanted, reading, facts))
        }
        Condition::Test(test) => {
            let needed = if truth.is_undefined() {
                Cow::Borrowed(needed_type(test.op.name()))
            } else {
                needed(test, wanted)
            };
            Some(format!("{}; {needed}", subject(&test.path, facts)))
        }
    }
}

/// The path and what the call has there.
fn subject(path: &Path, facts: &Facts<'_>) -> String {
    let shown_path = shortened(path.as_str(), 2 * VALUE_CHARS_MAX);
    let value = match path.root() {
        PathRoot::NowHour => facts.now.hour().to_string(),
        PathRoot::NowWeekday => facts.now.weekday().to_owned(),
        PathRoot::Args if !path.has_star() => match walk(path, facts.args.root()) {
            None => "missing or not readable".to_owned(),
            Some(node) => shown_value(node, is_secret(path)),
        },
        PathRoot::Args
        | PathRoot::ToolName
        | PathRoot::ToolClass
        | PathRoot::ToolRisk
        | PathRoot::GrantLabel
        | PathRoot::GrantTags
        | PathRoot::ClientName
        | PathRoot::ClientVersion => "not what the policy wants".to_owned(),
    };
    format!("{shown_path} is {value}")
}

/// The value at a path without `[*]`.
fn walk<'v>(path: &Path, args: Node<'v>) -> Option<Node<'v>> {
    path.steps().iter().try_fold(args, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.elements().nth(*index),
        Step::Each => None,
    })
}

fn shown_value(node: Node<'_>, secret: bool) -> String {
    match node.kind() {
        JsonKind::Null => "null".to_owned(),
        JsonKind::Array => format!("a list of {}", node.len()),
        JsonKind::Object => format!("an object of {} keys", node.len()),
        JsonKind::Bool | JsonKind::Number | JsonKind::String if secret => "not shown".to_owned(),
        JsonKind::Bool => node.as_bool().unwrap_or(false).to_string(),
        JsonKind::Number => {
            shortened(node.number_text().unwrap_or(""), VALUE_CHARS_MAX).into_owned()
        }
        JsonKind::String => {
            format!("\"{}\"", shortened(node.as_str().unwrap_or(""), VALUE_CHARS_MAX))
        }
    }
}

fn is_secret(path: &Path) -> bool {
    path.steps().iter().any(|step| match step {
        Step::Key(key) => {
            let key = key.to_lowercase();
            SECRET_NAMES.iter().any(|name| key.contains(name))
        }
        Step::Index(_) | Step::Each => false,
    })
}

/// The kind of value that an operator is defined for.
fn needed_type(op: &str) -> &'static str {
    match op {
        "lt" | "lte" | "gt" | "gte" => "a number is needed",
        "regex" | "not_regex" | "starts_with" | "ends_with" | "length_lte" | "length_gte" => {
            "a string is needed"
        }
        "contains" | "not_contains" => "a string or a list of one type is needed",
        "count_lte" | "count_gte" => "a list or an object is needed",
        "path_within" => "one plain absolute path is needed",
        "host_in" => "a plain http or https URL is needed",
        _ => "another type, or one unambiguous spelling of the key, is needed",
    }
}

/// What the operator asks for, or its opposite.
fn needed(test: &Test, wanted: Wanted) -> Cow<'static, str> {
    let bound = |positive: &str, negative: &str, unit: &str| {
        let words = if wanted == Wanted::True { positive } else { negative };
        match operand(&test.value, is_secret(&test.path)) {
            Some(value) => format!("{words} {value}{unit}").into(),
            None => Cow::Borrowed("the policy wants another value"),
        }
    };
    match test.op.name() {
        "lt" => bound("less than", "at least", ""),
        "lte" => bound("at most", "more than", ""),
        "gt" => bound("more than", "at most", ""),
        "gte" => bound("at least", "less than", ""),
        "length_lte" => bound("at most", "more than", " characters"),
        "length_gte" => bound("at least", "fewer than", " characters"),
        "count_lte" => bound("at most", "more than", " elements"),
        "count_gte" => bound("at least", "fewer than", " elements"),
        "eq" => bound("must be", "must not be", ""),
        "neq" => bound("must not be", "must be", ""),
        "in" => one_of(test, wanted),
        "not_in" => one_of(test, wanted.turned()),
        "path_within" => places(test, ["must lie within", "must lie outside of"], wanted),
        "host_in" => places(test, ["its host must be", "its host must not be"], wanted),
        "exists" => match (test.value == Operand::Bool(true), wanted == Wanted::True) {
            (true, true) | (false, false) => "it must be given".into(),
            (true, false) | (false, true) => "it must be left out".into(),
        },
        "regex" | "not_regex" => "the policy has a pattern for it".into(),
        _ => "the policy wants another value".into(),
    }
}

fn one_of(test: &Test, wanted: Wanted) -> Cow<'static, str> {
    let words = if wanted == Wanted::True { "must be one of" } else { "must be none of" };
    let secret = is_secret(&test.path);
    let one = std::slice::from_ref(&test.value);
    let items = if let Operand::List(items) = &test.value { items } else { one };
    let shown = list(items, |item| {
        if let (Operand::Text(text), false) = (item, secret) {
            return Some(format!("\"{}\"", shortened(text, VALUE_CHARS_MAX)));
        }
        operand(item, secret)
    });
    match shown {
        Some(shown) => format!("{words} {shown}").into(),
        None => "the policy wants another value".into(),
    }
}

/// Folders or hosts.
fn places(test: &Test, words: [&str; 2], wanted: Wanted) -> Cow<'static, str> {
    let [positive, negative] = words;
    let words = if wanted == Wanted::True { positive } else { negative };
    let one = std::slice::from_ref(&test.value);
    let items = if let Operand::List(items) = &test.value { items } else { one };
    let shown = list(items, |item| match item {
        Operand::Text(text) => Some(shortened(text, VALUE_CHARS_MAX).into_owned()),
        Operand::Null
        | Operand::Bool(_)
        | Operand::Number(_)
        | Operand::List(_)
        | Operand::Object => None,
    });
    match shown {
        Some(shown) => format!("{words} {shown}").into(),
        None => "the policy wants another value".into(),
    }
}

/// What may be shown of an operand that is no list and no string.
fn operand(value: &Operand, secret: bool) -> Option<String> {
    match value {
        Operand::Number(text) if !secret => Some(shortened(text, VALUE_CHARS_MAX).into_owned()),
        Operand::Bool(value) if !secret => Some(value.to_string()),
        Operand::Number(_)
        | Operand::Bool(_)
        | Operand::Null
        | Operand::Text(_)
        | Operand::Object
        | Operand::List(_) => None,
    }
}

fn list(items: &[Operand], show: impl Fn(&Operand) -> Option<String>) -> Option<String> {
    let mut shown = Vec::new();
    for item in items.iter().take(LIST_ITEMS_MAX) {
        shown.push(show(item)?);
    }
    if items.len() > LIST_ITEMS_MAX {
        shown.push("…".to_owned());
    }
    Some(shown.join(", "))
}

//! Reading an operator and its `value` from a document. Every mistake is reported, not only the first.

use regex::RegexBuilder;

use super::constant::{Constant, List};
use super::folders::{Folders, Resolved};
use super::hosts::{HostPattern, Hosts};
use super::{Op, OpError, OpErrorAt, Sense, Side, Test};
use crate::nearest::nearest;
use crate::{Decimal, JsonKind, Node};

/// Largest compiled regular expression in bytes: `\w{1,128}` fits, for which Unicode needs some 5 MiB.
/// Matching is linear in the text whatever the pattern.
const REGEX_COMPILED_BYTES_MAX: usize = 10 << 20;

/// The words of `op`.
const NAMES: [&str; 21] = [
    "eq",
    "neq",
    "lt",
    "lte",
    "gt",
    "gte",
    "in",
    "not_in",
    "exists",
    "regex",
    "not_regex",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "length_lte",
    "length_gte",
    "count_lte",
    "count_gte",
    "path_within",
    "host_in",
];

pub(super) fn parse(name: &str, value: Node<'_>) -> Result<Op, Vec<OpError>> {
    let Some(name) = NAMES.into_iter().find(|known| *known == name) else {
        return Err(vec![unknown(name)]);
    };
    let sense = match name {
        "neq" | "not_in" | "not_regex" | "not_contains" => Sense::Negated,
        _ => Sense::Plain,
    };
    let side = match name {
        "lt" => Side::Less,
        "lte" | "length_lte" | "count_lte" => Side::LessOrEqual,
        "gt" => Side::Greater,
        _ => Side::GreaterOrEqual,
    };
    let test = match name {
        "eq" | "neq" => Test::Same { constant: constant(value)?, sense },
        "lt" | "lte" | "gt" | "gte" => Test::Order { bound: number(value)?, side },
        "in" | "not_in" => Test::Member { list: list(value)?, sense },
        "exists" => Test::Exists { wanted: value.as_bool().ok_or_else(|| not("true or false"))? },
        "regex" | "not_regex" => Test::Pattern { regex: regex(value)?, sense },
        "contains" | "not_contains" => Test::Contains { needle: needle(value)?, sense },
        "starts_with" => Test::StartsWith(text(value)?.into()),
        "ends_with" => Test::EndsWith(text(value)?.into()),
        "length_lte" | "length_gte" => Test::Length { bound: bound(value)?, side },
        "count_lte" | "count_gte" => Test::Count { bound: bound(value)?, side },
        "path_within" => Test::Within(folders(value)?),
        _ => Test::Host(hosts(value)?),
    };
    Ok(Op { name, test })
}

fn unknown(name: &str) -> OpError {
    let help = match name {
        "==" | "equals" | "equal" | "is" => Some("eq"),
        "!=" | "not_equals" | "not_eq" | "ne" => Some("neq"),
        "<" => Some("lt"),
        "<=" | "le" | "max" => Some("lte"),
        ">" => Some("gt"),
        ">=" | "ge" | "min" => Some("gte"),
        "matches" | "pattern" => Some("regex"),
        _ => nearest(name, NAMES),
    };
    OpError {
        at: OpErrorAt::Op,
        below: String::new(),
        message: format!("unknown operator `{name}`"),
        help: help.map(|near| format!("did you mean `{near}`?")),
    }
}

fn wrong(below: &str, message: String) -> OpError {
    OpError { at: OpErrorAt::Value, below: below.to_owned(), message, help: None }
}

/// The value itself is not what the operator takes.
fn not(expected: &str) -> Vec<OpError> {
    vec![wrong("", format!("expected {expected}"))]
}

fn text(value: Node<'_>) -> Result<&str, Vec<OpError>> {
    value.as_str().ok_or_else(|| not("a string"))
}

fn constant(value: Node<'_>) -> Result<Constant, Vec<OpError>> {
    Constant::new(value).ok_or_else(|| {
        let mut errors = Vec::new();
        undefined_numbers(value, &mut String::new(), &mut errors);
        errors
    })
}

/// Reports every number without a value, by its pointer. Recurses no deeper than a document is nested.
fn undefined_numbers(node: Node<'_>, below: &mut String, errors: &mut Vec<OpError>) {
    if node.number_text().is_some_and(|text| Decimal::parse(text).is_none()) {
        let message = "a number has at most 1,000 digits and an exponent within ±1,000".to_owned();
        errors.push(wrong(below, message));
    }
    let len = below.len();
    for (n, element) in node.elements().enumerate() {
        below.push('/');
        below.push_str(&n.to_string());
        undefined_numbers(element, below, errors);
        below.truncate(len);
    }
    for (key, member) in node.members() {
        below.push('/');
        below.push_str(&key.replace('~', "~0").replace('/', "~1"));
        undefined_numbers(member, below, errors);
        below.truncate(len);
    }
}

fn number(value: Node<'_>) -> Result<Decimal, Vec<OpError>> {
    let text = value.number_text().ok_or_else(|| not("a number"))?;
    Decimal::parse(text)
        .ok_or_else(|| not("a number of at most 1,000 digits, exponent within ±1,000"))
}

fn bound(value: Node<'_>) -> Result<usize, Vec<OpError>> {
    let number = number(value)?;
    if number.is_negative() || !number.is_integer() {
        return Err(not("a whole number, 0 or more"));
    }
    // Nothing is as long as the largest `usize`, so that a larger bound may be cut to it.
    Ok(number.to_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX))
}

fn needle(value: Node<'_>) -> Result<Constant, Vec<OpError>> {
    match value.kind() {
        JsonKind::String | JsonKind::Number | JsonKind::Bool => constant(value),
        JsonKind::Null | JsonKind::Array | JsonKind::Object => {
            Err(not("a string, a number, true or false"))
        }
    }
}

fn list(value: Node<'_>) -> Result<List, Vec<OpError>> {
    if value.kind() != JsonKind::Array || value.is_empty() {
        return Err(not("a list with at least one element"));
    }
    // One look at the whole reports every bad number with its place.
    constant(value)?;
    Ok(List::new(value.elements().filter_map(Constant::new)))
}

fn regex(value: Node<'_>) -> Result<regex::Regex, Vec<OpError>> {
    let pattern = text(value)?;
    RegexBuilder::new(pattern).size_limit(REGEX_COMPILED_BYTES_MAX).build().map_err(|error| {
        let reason = if let regex::Error::CompiledTooBig(_) = &error {
            format!("it compiles to more than {REGEX_COMPILED_BYTES_MAX} bytes")
        } else {
            // The message shows the pattern first; its last line says what is wrong.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        };
        vec![wrong("", format!("bad regular expression: {reason}"))]
    })
}

/// The elements of a list of texts, each read by `read`; or every mistake among them.
fn each<T>(
    list: Node<'_>,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Vec<OpError>> {
    let mut items = Vec::new();
    let mut errors = Vec::new();
    for (n, element) in list.elements().enumerate() {
        match element.as_str().and_then(&read) {
            Some(item) => items.push(item),
            None => errors.push(wrong(&format!("/{n}"), format!("expected {expected}"))),
        }
    }
    if errors.is_empty() { Ok(items) } else { Err(errors) }
}

fn folders(value: Node<'_>) -> Result<Folders, Vec<OpError>> {
    const EXPECTED: &str = "an absolute path without `~`, backslash or NUL";
    let folders = match value.kind() {
        JsonKind::String => {
            vec![value.as_str().and_then(Resolved::new).ok_or_else(|| not(EXPECTED))?]
        }
        JsonKind::Array if !value.is_empty() => each(value, EXPECTED, Resolved::new)?,
        JsonKind::Array | JsonKind::Object | JsonKind::Null | JsonKind::Bool | JsonKind::Number => {
            return Err(not("an absolute path or a list of them"));
        }
    };
    Ok(Folders::new(folders.into_iter()))
}

fn hosts(value: Node<'_>) -> Result<Hosts, Vec<OpError>> {
    if value.kind() != JsonKind::Array || value.is_empty() {
        return Err(not("a list of host names"));
    }
    let patterns = each(value, "a host name such as `example.com` or `*.example.com`", |text| {
        HostPattern::parse(text)
    })?;
    Ok(Hosts::new(patterns.into_iter()))
}

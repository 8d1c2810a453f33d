//! Rules and limits said back in plain words. Read by people beside the rule itself; nothing is decided by them.

use jsonc_parser::ast::{Object, Value as Ast};

use super::json::{FIELD, Json};
use super::page::{array, member, object};
use super::{Action, Entry, LimitForm, List, Mode, Verdict};
use crate::hint::shortened;
use crate::parse::text_of;

/// Most characters of one value.
const VALUE_CHARS_MAX: usize = 60;
/// Most elements of a list.
const LIST_ITEMS_MAX: usize = 6;

/// What an entry comes to, before its rules and limits.
pub(super) fn entry(entry: &Entry) -> String {
    let mut said = match (entry.verdict(), entry.selector.is_empty()) {
        (Verdict::Allow, true) => "Nothing is asked of every call.",
        (_, true) => "Every call of every tool must pass what follows.",
        (Verdict::Allow, false) => "Every call is allowed.",
        (Verdict::Deny, false) => "Every call is denied, and nobody can approve it.",
        (Verdict::Hide, false) => "Hidden: for the agent it does not exist.",
        (Verdict::Approve, false) => "Every call needs a person's approval.",
        (Verdict::Custom, false) => "Calls are allowed that pass what follows.",
    }
    .to_owned();
    if matches!(entry.action, Some(Action::Deny | Action::Hide)) {
        return said;
    }
    match entry.validate {
        None | Some(Mode::Off) => {}
        Some(Mode::Schema) => said.push_str(" Arguments must satisfy the tool's schema."),
        Some(Mode::Strict) => said.push_str(
            " Arguments must satisfy the tool's schema and hold nothing that it does not name.",
        ),
    }
    if let Some(rate) = &entry.rate_limit {
        let most = [" At most ", &rate.max, " calls ", &per(&rate.window), "."];
        said.extend(most);
    }
    said
}

/// One rule.
pub(super) fn rule(list: List, rule: &Object<'_>) -> String {
    let conditions = member(rule, "conditions").and_then(array);
    let elements = conditions.map(|list| list.elements.as_slice()).unwrap_or_default();
    let asks = match member(rule, "approval") {
        Some(Ast::BooleanLit(literal)) => literal.value,
        Some(_) => true,
        None => list == List::DenyIf && elements.is_empty(),
    };
    let refusal = if asks { format!("needs approval{}", by(rule)) } else { "is denied".to_owned() };
    let reading = Reading { every: list == List::Require };
    let said: Vec<String> = elements.iter().map(|c| reading.condition(c, Around::And)).collect();
    match (list, said.is_empty()) {
        (_, true) => format!("Every call {refusal}."),
        (List::Require, false) => format!("A call {refusal} unless {}.", said.join(" and ")),
        (List::DenyIf, false) => format!("A call {refusal} if {}.", said.join(" and ")),
    }
}

/// One condition by itself.
pub(super) fn condition(list: List, condition: &Ast<'_>) -> String {
    Reading { every: list == List::Require }.condition(condition, Around::Alone)
}

/// One limit.
pub(super) fn limit(limit: &LimitForm) -> String {
    let max = &limit.max;
    let amount = match (&limit.increment_from, limit.increment.as_deref()) {
        (Some(path), _) => format!("{max} of {}, added up,", subject(path)),
        (None, None | Some("1")) => format!("{max} {}", if max == "1" { "call" } else { "calls" }),
        (None, Some(_)) => format!("{max} units"),
    };
    let window = match (limit.window.as_str(), limit.algorithm.as_deref()) {
        ("in_flight", _) => "at the same time".to_owned(),
        (window, Some("sliding")) => format!("in any {}", span(window)),
        (window, _) => per(window),
    };
    let scope = match limit.scope.as_deref() {
        Some("session") => "for each session",
        Some("server") => "for all grants of the server together",
        Some("organisation") => "for the whole organisation together",
        _ => "for each grant",
    };
    let mut said = format!("At most {amount} {window} {scope}");
    let units = limit.increment.as_deref().filter(|units| *units != "1");
    if let (None, Some(units)) = (&limit.increment_from, units) {
        said.extend(["; each call takes ", units]);
    }
    if let Some(counter) = &limit.counter {
        said.extend(["; counted in `", counter, "`"]);
    }
    said.push('.');
    said
}

fn per(window: &str) -> String {
    format!("per {}", span(window))
}

fn span(window: &str) -> String {
    if window.starts_with(|c: char| c.is_ascii_digit()) {
        format!("{window} seconds")
    } else {
        window.to_owned()
    }
}

/// Who approves, where somebody is named.
fn by(rule: &Object<'_>) -> String {
    let terms = member(rule, "approval").and_then(object);
    let named = terms.and_then(|terms| member(terms, "approvers")).and_then(array);
    let named: Vec<&str> =
        named.iter().flat_map(|list| list.elements.iter().filter_map(text_of)).collect();
    if named.is_empty() { String::new() } else { format!(" by {}", named.join(" or ")) }
}

/// What a condition stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Alone,
    And,
}

/// How `[*]` is read; each `not` turns it round (POLICY section 4).
#[derive(Clone, Copy)]
struct Reading {
    every: bool,
}

impl Reading {
    fn condition(self, condition: &Ast<'_>, around: Around) -> String {
        let Some(found) = object(condition) else { return String::new() };
        if let Some(any) = member(found, "any").and_then(array) {
            let said: Vec<String> =
                any.elements.iter().map(|c| self.condition(c, Around::Alone)).collect();
            let said_all = said.join(" or ");
            return if around == Around::And && said.len() > 1 {
                format!("({said_all})")
            } else {
                said_all
            };
        }
        if let Some(inner) = member(found, "not") {
            let turned = Self { every: !self.every };
            return format!("not ({})", turned.condition(inner, Around::Alone));
        }
        self.test(found)
    }

    fn test(self, test: &Object<'_>) -> String {
        let path = member(test, "path").and_then(text_of).unwrap_or_default();
        let op = member(test, "op").and_then(text_of).unwrap_or_default();
        let value = member(test, "value");
        let subject = match (path.contains("[*]"), self.every) {
            (false, _) => subject(path),
            (true, true) => format!("every {}", subject(path)),
            (true, false) => format!("some {}", subject(path)),
        };
        let missing = if member(test, "if_missing").is_some() { " or is missing" } else { "" };
        format!("{subject} {}{missing}", predicate(op, value))
    }
}

/// What a path names, for people.
fn subject(path: &str) -> String {
    let shown = |path: &str| format!("`{}`", shortened(path, VALUE_CHARS_MAX));
    match path {
        "args" => "the whole of the arguments".to_owned(),
        "tool.name" => "the tool's name".to_owned(),
        "tool.class" => "the tool's class".to_owned(),
        "tool.risk" => "the tool's risk".to_owned(),
        "grant.label" => "the grant's label".to_owned(),
        "client.name" => "the client's name".to_owned(),
        "client.version" => "the client's version".to_owned(),
        "now.hour" => "the hour (UTC)".to_owned(),
        "now.weekday" => "the weekday (UTC)".to_owned(),
        path => match (path.strip_prefix("args."), path.strip_prefix("grant.tags.")) {
            (Some(argument), _) => shown(argument),
            (None, Some(tag)) => format!("the grant's tag {}", shown(tag)),
            (None, None) => shown(path),
        },
    }
}

fn predicate(op: &str, value: Option<&Ast<'_>>) -> String {
    let one = value.map(shown).unwrap_or_default();
    let yes = matches!(value, Some(Ast::BooleanLit(literal)) if literal.value);
    match op {
        "eq" => format!("is {one}"),
        "neq" => format!("is not {one}"),
        "lt" => format!("is less than {one}"),
        "lte" => format!("is at most {one}"),
        "gt" => format!("is more than {one}"),
        "gte" => format!("is at least {one}"),
        "in" => format!("is one of {}", list(value, ", ")),
        "not_in" => format!("is none of {}", list(value, ", ")),
        "exists" => if yes { "is given" } else { "is not given" }.to_owned(),
        "regex" => format!("matches the pattern {one}"),
        "not_regex" => format!("does not match the pattern {one}"),
        "contains" => format!("contains {one}"),
        "not_contains" => format!("does not contain {one}"),
        "starts_with" => format!("begins with {one}"),
        "ends_with" => format!("ends with {one}"),
        "length_lte" => format!("is at most {one} characters long"),
        "length_gte" => format!("is at least {one} characters long"),
        "count_lte" => format!("has at most {one} elements"),
        "count_gte" => format!("has at least {one} elements"),
        "path_within" => format!("lies within {}", list(value, " or ")),
        "host_in" => format!("is a URL of {}", list(value, " or ")),
        op => format!("{op} {one}"),
    }
}

fn shown(value: &Ast<'_>) -> String {
    shortened(&Json::of(value).line(FIELD), VALUE_CHARS_MAX).into_owned()
}

fn list(value: Option<&Ast<'_>>, between: &str) -> String {
    let Some(elements) = value.and_then(array).map(|list| list.elements.as_slice()) else {
        return value.map(shown).unwrap_or_default();
    };
    let mut said: Vec<String> = elements.iter().take(LIST_ITEMS_MAX).map(shown).collect();
    if elements.len() > LIST_ITEMS_MAX {
        said.push(format!("{} more", elements.len() - LIST_ITEMS_MAX));
    }
    said.join(between)
}

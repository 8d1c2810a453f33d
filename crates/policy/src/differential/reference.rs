//! The naive evaluator: reads the document as plain JSON on every call and follows the language page
//! sentence by sentence. It shares no code with the compiled one, and never will.

use bigdecimal::BigDecimal;
use serde_json::{Map, Value as Json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::discriminant as kind;
use std::sync::LazyLock;

/// What a call is about, as plain data.
pub(super) struct Asked<'a> {
    pub(super) section: &'a str,
    pub(super) name: &'a str,
    pub(super) class: Option<&'a str>,
    pub(super) risk: Option<&'a str>,
    /// `{"tool": {…}, "grant": {…}, "client": {…}, "now": {…}, "args": …}`: what a path can start from.
    pub(super) roots: Json,
}

/// Verdict, reason and rule; an allow has neither.
pub(crate) type Answer = (&'static str, String, String);

type Truth = Option<bool>;
type Entry<'a> = (String, &'a Json);

fn items(list: &Json) -> &[Json] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// Patterns that are kept compiled: compiling takes longer than everything else here.
const PATTERNS_KEPT_MAX: usize = 1_000;

fn is(pattern: &str, text: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, regex::Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() > PATTERNS_KEPT_MAX {
            compiled.clear();
        }
        let compile = || regex::Regex::new(pattern).unwrap();
        compiled.entry(pattern.to_owned()).or_insert_with(compile).is_match(text)
    })
}

fn matches(selector: &str, asked: &Asked<'_>, odd: bool) -> bool {
    match selector.strip_prefix('@') {
        Some(class) => asked.class == Some(class) || asked.risk == Some(class),
        None if selector.contains('*') => !odd && is(&glob(selector), asked.name),
        None => selector == asked.name,
    }
}

fn glob(selector: &str) -> String {
    format!("(?s)^{}$", regex::escape(selector).replace(r"\*", ".*"))
}

pub(super) fn odd_uri(uri: &str) -> bool {
    let escape = "%(?i:2[5def]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5[cf]|7e)";
    let dots = r"(^|[/:?#;])\.\.?($|[/:?#;])";
    let file = uri.starts_with("file:") && !uri.starts_with("file:///");
    file || is(&format!(r"{dots}|\\|{escape}|^[^:]*[A-Z][^:]*:"), uri)
}

pub(super) fn evaluate(doc: &Json, asked: &Asked<'_>) -> Answer {
    let empty = Map::new();
    let section = doc[asked.section].as_object().unwrap_or(&empty);
    let odd = asked.section == "resources" && odd_uri(asked.name);
    let at = |s: &str| format!("/{}/{}", asked.section, s.replace('~', "~0").replace('/', "~1"));
    let matching = section.iter().filter(|(selector, _)| matches(selector, asked, odd));
    let mut found: Vec<(&String, Entry<'_>)> = matching.map(|(s, r)| (s, (at(s), r))).collect();
    let rank = |s: &str| match (s.starts_with('@'), s.contains('*')) {
        (true, _) => (2, 0),
        (false, true) => (1, -i64::try_from(s.chars().filter(|c| *c != '*').count()).unwrap_or(0)),
        (false, false) => (0, 0),
    };
    found.sort_by_key(|(s, _)| (rank(s), (*s).clone()));
    let listed = !found.is_empty();
    let mut entries: Vec<Entry<'_>> = found.into_iter().map(|(_, entry)| entry).collect();
    if asked.section == "tools" {
        if doc["all_tools"].is_object() {
            entries.push(("/all_tools".to_owned(), &doc["all_tools"]));
        }
        let hidden = |s: &Json| matches(s.as_str().unwrap_or(""), asked, false);
        if let Some(i) = items(&doc["hide"]).iter().position(hidden) {
            return ("deny", "hidden".into(), format!("/hide/{i}"));
        }
    }
    let action = |word: &str| entries.iter().find(|(_, rules)| rules["action"] == word);
    if let Some((at, _)) = action("hide") {
        return ("deny", "hidden".into(), format!("{at}/action"));
    }
    if odd && !section.is_empty() {
        return ("deny", "type_mismatch".into(), "/resources".into());
    }
    if !listed && doc["default"] == "deny" {
        return ("deny", "not_listed".into(), "/default".into());
    }
    if let Some((at, _)) = action("deny") {
        return ("deny", "action_deny".into(), format!("{at}/action"));
    }
    judge(&entries, &asked.roots)
}

/// Steps 5 to 8: rules in order, then amounts, then holds.
fn judge(entries: &[Entry<'_>], roots: &Json) -> Answer {
    let (mut denied, mut held, mut amount) = (None, None, None);
    for (at, rules) in entries {
        if rules["action"] == "approve" {
            held.get_or_insert(("hold", "approval_required".into(), format!("{at}/action")));
        }
        for list in ["require", "deny_if"] {
            let every = list == "require";
            for (i, rule) in items(&rules[list]).iter().enumerate() {
                let conditions = items(&rule["conditions"]);
                let truth = all(conditions.iter().map(|c| condition(c, every, roots)));
                let reason = match truth {
                    Some(good) if good == every => continue,
                    None => "type_mismatch",
                    Some(_) => {
                        if every {
                            "require_failed"
                        } else {
                            "deny_if_matched"
                        }
                    }
                };
                let place = format!("{at}/{list}/{i}");
                let name = rule["id"].as_str().map_or(place, str::to_owned);
                let waivable = match rule.get("approval") {
                    Some(Json::Bool(b)) => *b,
                    Some(_) => true,
                    None => !every && conditions.is_empty(),
                };
                if waivable && truth.is_some() {
                    held.get_or_insert(("hold", "approval_required".into(), name));
                } else {
                    denied.get_or_insert(("deny", reason.into(), name));
                }
            }
        }
        for (i, limit) in items(&rules["limits"]).iter().enumerate() {
            let Some(path) = limit.get("increment_from").and_then(Json::as_str) else { continue };
            let good = match walk(roots, &steps(path)) {
                Ok(Some(Json::Number(n))) => decimal(n.as_str()).is_some_and(|d| d >= 0),
                _ => false,
            };
            if !good {
                amount.get_or_insert(("deny", "type_mismatch".into(), format!("{at}/limits/{i}")));
            }
        }
    }
    denied.or(amount).or(held).unwrap_or(("allow", String::new(), String::new()))
}

fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    let truths: Vec<Truth> = truths.collect();
    let unsure = truths.contains(&None).then_some(None);
    if truths.contains(&Some(false)) { Some(false) } else { unsure.unwrap_or(Some(true)) }
}

fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    all(truths.map(|t| t.map(|b| !b))).map(|b| !b)
}

fn condition(c: &Json, every: bool, roots: &Json) -> Truth {
    if let Some(list) = c.get("any").and_then(Json::as_array) {
        return any(list.iter().map(|c| condition(c, every, roots)));
    }
    if let Some(inner) = c.get("not") {
        return condition(inner, !every, roots).map(|b| !b);
    }
    let path = steps(c["path"].as_str().unwrap());
    let op = c["op"].as_str().unwrap();
    // A missing value keeps its own answer: it is false (or true with `match`) under every operator.
    match op.strip_prefix("not_").or((op == "neq").then_some("eq")) {
        Some(op) => over(&path, every, c, roots, &|v| test(op, v, &c["value"], !every).map(|b| !b)),
        None => over(&path, every, c, roots, &|v| test(op, v, &c["value"], every)),
    }
}

type Test<'a> = &'a dyn Fn(&Json) -> Truth;

fn over(path: &[Step], every: bool, c: &Json, roots: &Json, test: Test<'_>) -> Truth {
    let exists = c["op"] == "exists";
    let missing = || Some(if exists { c["value"] == false } else { c["if_missing"] == "match" });
    let one = |v: &Option<Json>| v.as_ref().map_or_else(missing, test);
    let Some(star) = path.iter().position(|s| *s == Step::Star) else {
        return walk(roots, path).map_or(None, |found| one(&found));
    };
    let array = match walk(roots, &path[..star]) {
        Ok(Some(Json::Array(list))) => list,
        Ok(None) => Vec::new(),
        _ => return None,
    };
    if array.is_empty() {
        return missing();
    }
    let rest: Vec<Step> = path[star + 1..].to_vec();
    let each = array.iter().map(|element| over(&rest, every, c, element, test));
    if every { all(each) } else { any(each) }
}

#[derive(Clone, PartialEq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    Star,
}

static STEP: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r#"\["([^"]*)"\]|\[(\d+)\]|(\[\*\])|\.?([^.\[]+)"#).unwrap()
});

fn steps(path: &str) -> Vec<Step> {
    let read = |found: regex::Captures<'_>| match (found.get(2), found.get(3)) {
        (Some(index), _) => Step::Index(index.as_str().parse().unwrap()),
        (_, Some(_)) => Step::Star,
        _ => Step::Key(found.get(1).or(found.get(4)).unwrap().as_str().to_owned()),
    };
    STEP.captures_iter(path).map(read).collect()
}

fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

/// A value, or `None` for a missing one; an error is undefined.
fn walk(from: &Json, path: &[Step]) -> Result<Option<Json>, ()> {
    let Some((step, rest)) = path.split_first() else {
        return Ok((!from.is_null()).then(|| from.clone()));
    };
    let next = match (step, from) {
        (_, Json::Null) => None,
        (Step::Index(n), Json::Array(list)) => list.get(*n),
        (Step::Key(key), Json::Object(map)) => {
            let mut dotted = vec![fold(key)];
            for later in rest {
                let Step::Key(later) = later else { break };
                dotted.push(format!("{}.{}", dotted[dotted.len() - 1], fold(later)));
            }
            if map.keys().any(|k| k != key && dotted.contains(&fold(k))) {
                return Err(());
            }
            map.get(key)
        }
        _ => return Err(()),
    };
    next.map_or(Ok(None), |next| walk(next, rest))
}

/// A number as it is written; none beyond 1,000 digits or an exponent of a thousand.
fn decimal(text: &str) -> Option<BigDecimal> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let small = exponent.parse::<i64>().is_ok_and(|e| e.abs() <= 1000);
    if digits <= 1000 && small { text.parse().ok() } else { None }
}

/// The value with each number in one spelling; none if a number is beyond the bounds.
fn plain(v: &Json) -> Option<Json> {
    Some(match v {
        Json::Number(n) => Json::from(vec![decimal(n.as_str())?.normalized().to_string()]),
        Json::Array(list) => Json::from(vec![list.iter().map(plain).collect::<Option<Json>>()?]),
        Json::Object(map) => {
            map.iter().map(|(k, v)| Some((k.clone(), plain(v)?))).collect::<Option<Json>>()?
        }
        Json::Null | Json::Bool(_) | Json::String(_) => v.clone(),
    })
}

fn eq(a: &Json, b: &Json) -> Truth {
    let (x, y) = (plain(a)?, plain(b)?);
    (kind(a) == kind(b)).then(|| x == y)
}

fn test(op: &str, v: &Json, wanted: &Json, every: bool) -> Truth {
    let text = v.as_str();
    let word = wanted.as_str().unwrap_or("");
    match op {
        "exists" => Some(wanted == true),
        "eq" => eq(v, wanted),
        "in" => {
            let same_kind = wanted.as_array()?.iter().filter(|w| kind(*w) == kind(v));
            let results: Vec<Truth> = same_kind.map(|w| eq(v, w)).collect();
            if results.is_empty() { None } else { any(results.into_iter()) }
        }
        "lt" | "lte" | "gt" | "gte" => {
            let (Json::Number(a), Json::Number(b)) = (v, wanted) else { return None };
            let order = decimal(a.as_str())?.cmp(&decimal(b.as_str())?);
            let strict = if op.starts_with('l') { order.is_lt() } else { order.is_gt() };
            Some(strict || (op.ends_with('e') && order.is_eq()))
        }
        "regex" => text.map(|t| is(word, t)),
        "starts_with" => text.map(|t| t.starts_with(word)),
        "ends_with" => text.map(|t| t.ends_with(word)),
        "length_lte" | "length_gte" | "count_lte" | "count_gte" => {
            let members = v.as_array().map(Vec::len).or(v.as_object().map(Map::len));
            let scalars = text.map(|t| t.chars().count());
            let n = if op.starts_with('l') { scalars? } else { members? };
            let bound = usize::try_from(wanted.as_u64()?).ok()?;
            Some(if op.ends_with("lte") { n <= bound } else { n >= bound })
        }
        "contains" => match v {
            Json::String(t) => wanted.is_string().then(|| t.contains(word)),
            Json::Array(list) => {
                let part = |e: &Json| e.as_str().is_some_and(|t| t.contains(word));
                let inside = |e: &Json| !every && wanted.is_string() && part(e);
                any(list.iter().map(|e| if inside(e) { Some(true) } else { eq(e, wanted) }))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => None,
        },
        _ => None,
    }
}

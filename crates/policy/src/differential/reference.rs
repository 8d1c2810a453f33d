//! The naive evaluator: reads the document as plain JSON on every call and follows the language page
//! sentence by sentence. It shares no code with the compiled one, and never will.

use bigdecimal::BigDecimal;
use serde_json::{Map, Value as Json};

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
pub(super) type Answer = (&'static str, String, String);

type Truth = Option<bool>;
type Entry<'a> = (String, &'a Map<String, Json>);

fn esc(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn glob(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).filter(|i| tail.is_char_boundary(*i)).any(|i| glob(rest, &tail[i..]))
        }),
    }
}

fn matches(selector: &str, asked: &Asked<'_>, odd: bool) -> bool {
    match selector.strip_prefix('@') {
        Some(class) => asked.class == Some(class) || asked.risk == Some(class),
        None if selector.contains('*') => !odd && glob(selector, asked.name),
        None => selector == asked.name,
    }
}

fn odd_uri(uri: &str) -> bool {
    let dotted = uri.split(['/', ':', '?', '#', ';']).any(|s| s == "." || s == "..");
    let escaped = uri.match_indices('%').any(|(i, _)| {
        let code = uri.get(i + 1..i + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        code.is_some_and(|c| c.is_ascii_alphanumeric() || b"/\\%-._~".contains(&c))
    });
    let scheme = uri.split(':').next().unwrap_or("");
    let capital = uri.contains(':') && scheme.bytes().any(|b| b.is_ascii_uppercase());
    let file = uri.starts_with("file:") && !uri.starts_with("file:///");
    dotted || escaped || capital || file || uri.contains('\\')
}

pub(super) fn evaluate(doc: &Json, asked: &Asked<'_>) -> Answer {
    let empty = Map::new();
    let section = doc.get(asked.section).and_then(Json::as_object).unwrap_or(&empty);
    let odd = asked.section == "resources" && odd_uri(asked.name);
    let mut found: Vec<(&String, Entry<'_>)> = section
        .iter()
        .filter(|(selector, _)| matches(selector, asked, odd))
        .map(|(s, r)| {
            (s, (format!("/{}/{}", asked.section, esc(s)), r.as_object().unwrap_or(&empty)))
        })
        .collect();
    let rank = |s: &str| match (s.starts_with('@'), s.contains('*')) {
        (true, _) => (2, 0),
        (false, true) => (1, -i64::try_from(s.chars().filter(|c| *c != '*').count()).unwrap_or(0)),
        (false, false) => (0, 0),
    };
    found.sort_by_key(|(s, _)| (rank(s), (*s).clone()));
    let listed = !found.is_empty();
    let mut entries: Vec<Entry<'_>> = found.into_iter().map(|(_, entry)| entry).collect();
    if asked.section == "tools" {
        if let Some(rules) = doc.get("all_tools").and_then(Json::as_object) {
            entries.push(("/all_tools".to_owned(), rules));
        }
        let hide = doc.get("hide").and_then(Json::as_array).into_iter().flatten();
        let hidden =
            hide.enumerate().find(|(_, s)| matches(s.as_str().unwrap_or(""), asked, false));
        if let Some((i, _)) = hidden {
            return ("deny", "hidden".into(), format!("/hide/{i}"));
        }
    }
    let action = |word: &str| {
        entries.iter().find(|(_, r)| r.get("action").and_then(Json::as_str) == Some(word))
    };
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
        if rules.get("action").and_then(Json::as_str) == Some("approve") {
            held.get_or_insert(("hold", "approval_required".into(), format!("{at}/action")));
        }
        for list in ["require", "deny_if"] {
            let every = list == "require";
            for (i, rule) in
                rules.get(list).and_then(Json::as_array).into_iter().flatten().enumerate()
            {
                let conditions = rule["conditions"].as_array().map_or(&[][..], Vec::as_slice);
                let truth = all(conditions.iter().map(|c| condition(c, every, roots)));
                let reason = match (truth, every) {
                    (Some(true), true) | (Some(false), false) => continue,
                    (None, _) => "type_mismatch",
                    (Some(false), true) => "require_failed",
                    (Some(true), false) => "deny_if_matched",
                };
                let name =
                    rule["id"].as_str().map_or_else(|| format!("{at}/{list}/{i}"), str::to_owned);
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
        for (i, limit) in
            rules.get("limits").and_then(Json::as_array).into_iter().flatten().enumerate()
        {
            let Some(path) = limit.get("increment_from").and_then(Json::as_str) else { continue };
            let good = match walk(roots, &steps(path)).as_deref() {
                Ok([Some(Json::Number(n))]) => decimal(n.as_str()).is_some_and(|d| d >= 0),
                _ => false,
            };
            if !good {
                amount.get_or_insert(("deny", "type_mismatch".into(), format!("{at}/limits/{i}")));
            }
        }
    }
    denied.or(amount).or(held).unwrap_or(("allow", String::new(), String::new()))
}

fn all(mut truths: impl Iterator<Item = Truth>) -> Truth {
    truths
        .try_fold(Some(true), |sum, t| match t {
            Some(false) => Err(()),
            Some(true) => Ok(sum),
            None => Ok(None),
        })
        .unwrap_or(Some(false))
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
    let path = steps(c["path"].as_str().unwrap_or(""));
    let op = c["op"].as_str().unwrap_or("");
    if let Some(positive) = op.strip_prefix("not_").or((op == "neq").then_some("eq")) {
        // A missing value keeps its own answer: it is false (or true with `match`) under every operator.
        return over(&path, every, c, roots, &|v| {
            test(positive, v, &c["value"], !every).map(|b| !b)
        });
    }
    over(&path, every, c, roots, &|v| test(op, v, &c["value"], every))
}

fn over(
    path: &[Step],
    every: bool,
    c: &Json,
    roots: &Json,
    test: &dyn Fn(&Json) -> Truth,
) -> Truth {
    let missing = || match c["op"].as_str() {
        Some("exists") => Some(c["value"] == false),
        _ => Some(c.get("if_missing").and_then(Json::as_str) == Some("match")),
    };
    let one = |v: &Option<Json>| v.as_ref().map_or_else(missing, test);
    if !path.contains(&Step::Star) {
        return walk(roots, path).map_or(None, |found| found.first().map_or(None, one));
    }
    let star = path.iter().position(|s| *s == Step::Star).unwrap_or(0);
    let array = match walk(roots, &path[..star]).as_deref() {
        Ok([Some(Json::Array(list))]) => list.clone(),
        Ok([None]) => return missing(),
        _ => return None,
    };
    if array.is_empty() {
        return if every { missing() } else { Some(false) };
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

fn steps(path: &str) -> Vec<Step> {
    let (mut out, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("[\"") {
            let end = inner.find("\"]").unwrap_or(inner.len());
            out.push(Step::Key(inner[..end].to_owned()));
            rest = inner.get(end + 2..).unwrap_or("");
        } else if let Some(inner) = rest.strip_prefix('[') {
            let (index, tail) = inner.split_once(']').unwrap_or((inner, ""));
            out.push(index.parse().map_or(Step::Star, Step::Index));
            rest = tail;
        } else {
            let word = rest.strip_prefix('.').unwrap_or(rest);
            let end = word.find(['.', '[']).unwrap_or(word.len());
            out.push(Step::Key(word[..end].to_owned()));
            rest = &word[end..];
        }
    }
    out
}

fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

/// One value, or `None` for a missing one; an error is undefined.
fn walk(from: &Json, path: &[Step]) -> Result<Vec<Option<Json>>, ()> {
    let mut here = from;
    for (i, step) in path.iter().enumerate() {
        let next = match (step, here) {
            (_, Json::Null) => None,
            (Step::Key(key), Json::Object(map)) => {
                let mut dotted = fold(key);
                let mut bad: Vec<String> = Vec::new();
                for later in &path[i + 1..] {
                    let Step::Key(later) = later else { break };
                    dotted = format!("{dotted}.{}", fold(later));
                    bad.push(dotted.clone());
                }
                if map.keys().any(|k| (k != key && fold(k) == fold(key)) || bad.contains(&fold(k)))
                {
                    return Err(());
                }
                map.get(key)
            }
            (Step::Index(n), Json::Array(list)) => list.get(*n),
            _ => return Err(()),
        };
        match next {
            Some(value) => here = value,
            None => return Ok(vec![None]),
        }
    }
    Ok(vec![(!here.is_null()).then(|| here.clone())])
}

/// A number as it is written; none beyond 1,000 digits or an exponent of a thousand.
fn decimal(text: &str) -> Option<BigDecimal> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let small = exponent.parse::<i64>().is_ok_and(|e| e.abs() <= 1000);
    if digits <= 1000 && small { text.parse().ok() } else { None }
}

fn kind(v: &Json) -> [bool; 5] {
    [v.is_boolean(), v.is_number(), v.is_string(), v.is_array(), v.is_object()]
}

fn wild(v: &Json) -> bool {
    match v {
        Json::Number(n) => decimal(n.as_str()).is_none(),
        Json::Array(list) => list.iter().any(wild),
        Json::Object(map) => map.values().any(wild),
        _ => false,
    }
}

fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => decimal(x.as_str()) == decimal(y.as_str()),
        (Json::Array(x), Json::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Json::Object(x), Json::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

fn eq(a: &Json, b: &Json) -> Truth {
    (kind(a) == kind(b) && !wild(a)).then(|| same(a, b))
}

fn test(op: &str, v: &Json, wanted: &Json, every: bool) -> Truth {
    let text = v.as_str();
    let word = wanted.as_str().unwrap_or("");
    let count = |n: usize| u64::try_from(n).ok().zip(wanted.as_u64());
    match op {
        "exists" => Some(wanted == true),
        "eq" => eq(v, wanted),
        "in" => {
            let same_kind = wanted.as_array()?.iter().filter(|w| kind(w) == kind(v));
            let results: Vec<Truth> = same_kind.map(|w| eq(v, w)).collect();
            if results.is_empty() { None } else { any(results.into_iter()) }
        }
        "lt" | "lte" | "gt" | "gte" => {
            let (Json::Number(a), Json::Number(b)) = (v, wanted) else { return None };
            let (a, b) = (decimal(a.as_str())?, decimal(b.as_str())?);
            Some(match op {
                "lt" => a < b,
                "lte" => a <= b,
                "gt" => a > b,
                _ => a >= b,
            })
        }
        "regex" => text.map(|t| regex::Regex::new(word).is_ok_and(|r| r.is_match(t))),
        "starts_with" => text.map(|t| t.starts_with(word)),
        "ends_with" => text.map(|t| t.ends_with(word)),
        "length_lte" => text.and_then(|t| count(t.chars().count())).map(|(n, m)| n <= m),
        "length_gte" => text.and_then(|t| count(t.chars().count())).map(|(n, m)| n >= m),
        "count_lte" | "count_gte" => {
            let n = v.as_array().map(Vec::len).or(v.as_object().map(Map::len))?;
            count(n).map(|(n, m)| if op == "count_lte" { n <= m } else { n >= m })
        }
        "contains" => match v {
            Json::String(t) => wanted.is_string().then(|| t.contains(word)),
            Json::Array(list) => {
                let inside = |e: &Json| {
                    !every && wanted.is_string() && e.as_str().is_some_and(|t| t.contains(word))
                };
                any(list.iter().map(|e| if inside(e) { Some(true) } else { eq(e, wanted) }))
            }
            _ => None,
        },
        _ => None,
    }
}

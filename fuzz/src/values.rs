//! Texts and values whose meaning two readers may see differently: canonical JSON, globs, odd URIs,
//! paths within folders and hosts of URLs, each against a naive reading of POLICY.md.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bigdecimal::BigDecimal;
use policy::{
    Call, ClientFacts, Document, Glob, GrantFacts, Policy, Reason, Target, ToolFacts, UnixMillis,
    Value, Verdict, canonical_json, decide,
};
use serde_json::{Value as Json, json};

use crate::policy_decide;
use crate::tree::{self, Tree};

/// Checks one input: the first byte picks the part, the rest are its texts, one a line.
pub fn run(data: &[u8]) {
    let Some((part, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, ""));
    match part % 5 {
        0 => canonical(one, other),
        1 => glob(one, other),
        2 => assert_eq!(policy::is_odd_uri(text), policy_decide::is_odd_uri(text), "{text:?}"),
        3 => path(text),
        _ => host(text),
    }
}

/// Equal values have one canonical text, and different ones two.
fn canonical(one: &str, other: &str) {
    let (Ok(a), Ok(b)) = (Value::parse(one), Value::parse(other)) else { return };
    let (text_a, text_b) = (canonical_json(a.root()), canonical_json(b.root()));
    for text in [&text_a, &text_b] {
        let again = Value::parse(text).expect("canonical text is JSON");
        assert_eq!(
            &canonical_json(again.root()),
            text,
            "canonical text has another canonical text"
        );
    }
    let (Ok(tree_a), Ok(tree_b)) =
        (tree::by_jiter(one.as_bytes()), tree::by_jiter(other.as_bytes()))
    else {
        return;
    };
    let (Some(plain_a), Some(plain_b)) = (plain(tree_a), plain(tree_b)) else { return };
    assert_eq!(plain_a == plain_b, text_a == text_b, "{text_a} and {text_b}");
}

/// Members sorted and numbers in one form; `None` where a number is beyond what is compared.
fn plain(tree: Tree) -> Option<Tree> {
    Some(match tree {
        Tree::Number(text) => {
            let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
            let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
            let near = exponent.parse::<i64>().is_ok_and(|exponent| exponent.abs() <= 1000);
            let number: BigDecimal =
                if near && digits <= 1000 { text.parse().ok()? } else { return None };
            Tree::Number(number.normalized().to_string())
        }
        Tree::Array(list) => Tree::Array(list.into_iter().map(plain).collect::<Option<_>>()?),
        Tree::Object(members) => {
            let mut sorted = BTreeMap::new();
            for (key, value) in members {
                sorted.insert(key, plain(value)?);
            }
            Tree::Object(sorted.into_iter().collect())
        }
        Tree::Null | Tree::Bool(_) | Tree::String(_) => tree,
    })
}

/// Longest glob and name: the naive matcher takes its time.
const GLOB_CHARS_MAX: usize = 60;

fn glob(pattern: &str, name: &str) {
    if pattern.chars().count() > GLOB_CHARS_MAX || name.chars().count() > GLOB_CHARS_MAX {
        return;
    }
    let matched = Glob::new(pattern).matches(name);
    let (pattern, name) = (pattern.chars().collect::<Vec<_>>(), name.chars().collect::<Vec<_>>());
    assert_eq!(matched, naive_glob(&pattern, &name), "{pattern:?} on {name:?}");
}

/// Which prefixes of the name the pattern so far matches, character by character.
fn naive_glob(pattern: &[char], name: &[char]) -> bool {
    let mut matched: Vec<bool> = (0..=name.len()).map(|length| length == 0).collect();
    for wanted in pattern {
        let before = std::mem::replace(&mut matched, vec![false; name.len() + 1]);
        for length in 0..=name.len() {
            matched[length] = if *wanted == '*' {
                before[..=length].contains(&true)
            } else {
                length > 0 && before[length - 1] && name[length - 1] == *wanted
            };
        }
    }
    matched[name.len()]
}

/// A policy with one condition on `args.x`.
fn compiled(op: &str, value: &Json) -> Policy {
    let condition = json!({ "path": "args.x", "op": op, "value": value });
    let rules = json!({ "require": [{ "conditions": [condition] }] });
    let document = json!({ "version": "1", "default": "deny", "tools": { "t": rules } });
    Policy::compile(&Document::parse(&document.to_string()).expect("a policy"))
}

/// The truth of the condition for a text; `None` where it is undefined.
fn truth(policy: &Policy, text: &str) -> Option<bool> {
    let args = json!({ "x": text }).to_string();
    let args = Value::parse(&args).expect("arguments");
    let call = Call {
        target: Target::Tool(ToolFacts { name: "t", class: None, risk: None, schema: None }),
        args: &args,
        grant: GrantFacts { label: "a", tags: &BTreeMap::new() },
        client: ClientFacts { name: None, version: None },
        now: UnixMillis(0),
    };
    match decide(policy, &call).verdict {
        Verdict::Allow(_) => Some(true),
        Verdict::Deny(denial) if denial.reason == Reason::RequireFailed => Some(false),
        Verdict::Deny(denial) if denial.reason == Reason::TypeMismatch => None,
        verdict => panic!("{verdict:?}"),
    }
}

/// Folders that paths are held against.
const FOLDERS: [&str; 4] = ["/a", "/a/b/../c%20d", "/é", "/x//y/."];
const RESOLVED: [&[&str]; 4] = [&["a"], &["a", "c%20d"], &["é"], &["x", "y"]];

static PATHS: LazyLock<Policy> = LazyLock::new(|| compiled("path_within", &json!(FOLDERS)));

fn path(text: &str) {
    assert_eq!(truth(&PATHS, text), naive_path(text), "{text:?}");
}

/// POLICY section 4, `path_within`, clause by clause.
fn naive_path(text: &str) -> Option<bool> {
    let plain = naive_within(text)?;
    let decoded = naive_decode(text)?;
    if has_escape(&decoded) {
        return None;
    }
    (naive_within(&decoded)? == plain).then_some(plain)
}

fn has_escape(text: &str) -> bool {
    text.match_indices('%').any(|(at, _)| {
        let digits: Vec<char> = text[at + 1..].chars().take(2).collect();
        digits.len() == 2 && digits.iter().all(char::is_ascii_hexdigit)
    })
}

fn naive_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(plain.then(|| u8::from_str_radix(digits, 16).ok())??);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok()
}

fn naive_within(text: &str) -> Option<bool> {
    if !text.starts_with('/') || text.contains(['~', '\0', '\\']) {
        return None;
    }
    let mut folders: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(folders.pop()),
            part => folders.push(part),
        }
    }
    Some(RESOLVED.iter().any(|folder| folders.starts_with(folder)))
}

/// Hosts that URLs are held against.
const HOSTS: [&str; 5] =
    ["example.com", "*.example.com", "127.0.0.1", "bücher.example", "*.xn--bcher-kva.org"];

static NAMES: LazyLock<Policy> = LazyLock::new(|| compiled("host_in", &json!(HOSTS)));

/// Where the condition is defined, a URL parser of the web reads the same host.
fn host(text: &str) {
    let Some(held) = truth(&NAMES, text) else { return };
    let url =
        url::Url::parse(text).unwrap_or_else(|problem| panic!("{text:?} is no URL: {problem}"));
    assert!(["http", "https"].contains(&url.scheme()), "{text:?}");
    assert!(url.username().is_empty() && url.password().is_none(), "{text:?}");
    let host = match url.host() {
        Some(url::Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        Some(url::Host::Ipv4(address)) => address.to_string(),
        Some(url::Host::Ipv6(_)) | None => panic!("{text:?} has no host"),
    };
    let below = |parent: &str| {
        host.strip_suffix(parent).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
    };
    let wanted = ["example.com", "127.0.0.1", "xn--bcher-kva.example"].contains(&host.as_str())
        || below("example.com")
        || below("xn--bcher-kva.org");
    assert_eq!(held, wanted, "{text:?} is {host}");
}

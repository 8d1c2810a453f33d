//! Policies and arguments drawn from bytes: a small alphabet, so that selectors, keys and values
//! collide often, and now and then a number or text of any form. Never decides anything.

use arbitrary::{Result, Unstructured};
use serde_json::{Value as Json, json};

pub const CLASSES: [&str; 5] = ["read", "write", "execute", "destructive", "financial"];
pub const RISKS: [&str; 4] = ["low", "medium", "high", "critical"];
pub const KEYS: [&str; 14] =
    ["x", "y", "X", "x.y", "X.Y", "z", "ſ", "s", "ß", "SS", "x.y.x", "", "İ", "K"];

/// Values whose comparison is where evaluators differ. Those that no document may hold come last.
const SCALARS: [&str; 30] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1.0",
    "1e0",
    "10",
    "9.99",
    "10.50",
    "-3",
    "0.1e1",
    "9007199254740992",
    "9007199254740993",
    "1e999",
    "1e-999",
    "0e5",
    "100E-2",
    "\"\"",
    "\"a\"",
    "\"A\"",
    "\"ab\"",
    "\"1\"",
    "\"abc\"",
    "\"ä😀\"",
    "\"b\\n\"",
    "\"a\\u0000\"",
    "1e1001",
    "-1e-1001",
];
/// How many of [`SCALARS`] a document may hold.
const IN_DOCUMENTS: usize = 28;
const TEXTS: [&str; 10] = ["a", "A", "ab", "", "1", "read", "mon", "b\n", "ä😀", "\u{0}"];
const PATTERNS: [&str; 12] = [
    "^a", "b$", "a.?c", "(?i)A", ".", "^$", "\\d", "(a|ab)c", "[^a]", "\\bab\\b", "(?s)b.$", "^ä.$",
];
/// Deepest nesting of a drawn value.
const VALUE_DEPTH_MAX: usize = 3;

/// One of a list, or nothing.
pub fn optional<T: Copy>(bytes: &mut Unstructured<'_>, list: &[T]) -> Result<Option<T>> {
    if bytes.ratio(1, 3)? { Ok(None) } else { bytes.choose(list).copied().map(Some) }
}

/// A short text.
pub fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(1, 8)? {
        let text: &str = bytes.arbitrary()?;
        return Ok(text.chars().take(12).collect());
    }
    Ok((*bytes.choose(&TEXTS)?).to_owned())
}

/// A number that is drawn digit by digit.
fn number(bytes: &mut Unstructured<'_>) -> Result<Json> {
    let mut text = String::from(if bytes.arbitrary()? { "-" } else { "" });
    text.push(char::from(b'1' + bytes.int_in_range(0..=8)?));
    for _ in 0..bytes.int_in_range(0..=20)? {
        text.push(char::from(b'0' + bytes.int_in_range(0..=9)?));
    }
    if bytes.arbitrary()? {
        text.push('.');
        for _ in 0..=bytes.int_in_range(0..=8)? {
            text.push(char::from(b'0' + bytes.int_in_range(0..=9)?));
        }
    }
    if bytes.ratio(1, 3)? {
        let exponent: i16 = bytes.int_in_range(-30..=30)?;
        text.push_str(&format!("e{exponent}"));
    }
    Ok(parsed(&text))
}

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).expect("a drawn scalar is JSON")
}

/// Whether a value stands in a document, where numbers have bounds, or in arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Document,
    Arguments,
}

fn scalar(bytes: &mut Unstructured<'_>, place: Place) -> Result<Json> {
    if bytes.ratio(1, 8)? {
        return number(bytes);
    }
    if bytes.ratio(1, 16)? {
        return text(bytes).map(Json::from);
    }
    let many = if place == Place::Document { IN_DOCUMENTS } else { SCALARS.len() };
    bytes.choose(&SCALARS[..many]).map(|text| parsed(text))
}

/// Any value.
pub fn value(bytes: &mut Unstructured<'_>, depth: usize, place: Place) -> Result<Json> {
    if depth == 0 || bytes.ratio(3, 5)? {
        return scalar(bytes, place);
    }
    let length = bytes.int_in_range(0..=3)?;
    if bytes.arbitrary()? {
        let list = (0..length).map(|_| value(bytes, depth - 1, place));
        return list.collect::<Result<Vec<Json>>>().map(Json::Array);
    }
    members(bytes, length, depth - 1, place)
}

fn members(
    bytes: &mut Unstructured<'_>,
    length: usize,
    depth: usize,
    place: Place,
) -> Result<Json> {
    let mut object = serde_json::Map::new();
    for _ in 0..length {
        let key =
            if bytes.ratio(1, 12)? { text(bytes)? } else { (*bytes.choose(&KEYS)?).to_owned() };
        object.insert(key, value(bytes, depth, place)?);
    }
    Ok(Json::Object(object))
}

/// The arguments of a call.
pub fn object(bytes: &mut Unstructured<'_>, members_max: usize) -> Result<Json> {
    let length = bytes.int_in_range(0..=members_max + 1)?;
    members(bytes, length, VALUE_DEPTH_MAX, Place::Arguments)
}

/// A tool's name.
pub fn name(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(1, 10)? {
        let text: String = text(bytes)?;
        return Ok(text);
    }
    Ok((*bytes.choose(&["a", "ab", "abb", "@read", "aab", "A", "a*b", "b\na"])?).to_owned())
}

/// A URI, odd or not.
pub fn uri(bytes: &mut Unstructured<'_>) -> Result<String> {
    const WHOLE: [&str; 8] = [
        "file:///a/b",
        "db://x",
        "file:///a/../b",
        "file:///a%2Fb",
        "DB://x",
        "file:///a%20b",
        "file:a",
        "",
    ];
    const PARTS: [&str; 22] = [
        "file:", "///", "/", "a", "b", ".", "..", "%2e", "%2E", "%25", "%7e", "%7E", "%41", "%61",
        "%5c", "%5F", "%20", ":", "?", "#", ";", "\\",
    ];
    if bytes.arbitrary()? {
        return Ok((*bytes.choose(&WHOLE)?).to_owned());
    }
    let length = bytes.int_in_range(1..=6)?;
    let mut uri = String::new();
    for _ in 0..length {
        uri.push_str(bytes.choose(&PARTS)?);
    }
    Ok(uri)
}

fn argument_path(bytes: &mut Unstructured<'_>, star: bool) -> Result<String> {
    const STEPS: [&str; 11] =
        [".x", ".y", ".s", "[0]", "[1]", ".uri", "[\"x.y\"]", ".X", ".ß", "[\"\"]", "[*]"];
    let steps = if star { &STEPS[..] } else { &STEPS[..STEPS.len() - 1] };
    let mut path = String::from("args");
    for _ in 0..bytes.int_in_range(u8::from(!star)..=3)? {
        path.push_str(bytes.choose(steps)?);
    }
    Ok(path)
}

fn path(bytes: &mut Unstructured<'_>, section: &str) -> Result<String> {
    const FACTS: [&str; 11] = [
        "grant.label",
        "grant.tags.x",
        "grant.tags[\"x.y\"]",
        "grant.tags.x.y",
        "client.name",
        "client.version",
        "now.hour",
        "now.weekday",
        "tool.name",
        "tool.class",
        "tool.risk",
    ];
    if bytes.ratio(5, 6)? {
        return argument_path(bytes, true);
    }
    let many = if section == "tools" { FACTS.len() } else { FACTS.len() - 3 };
    Ok((*bytes.choose(&FACTS[..many])?).to_owned())
}

/// An operator and a value that goes with it.
fn comparison(bytes: &mut Unstructured<'_>) -> Result<(&'static str, Json)> {
    let numbers = ["0", "1", "10", "9.99", "9007199254740992", "-3.0", "1e999", "-0.0"];
    Ok(match bytes.int_in_range(0..=9)? {
        0 | 1 => (bytes.choose(&["eq", "neq"])?, value(bytes, VALUE_DEPTH_MAX, Place::Document)?),
        2 => {
            let value =
                if bytes.arbitrary()? { number(bytes)? } else { parsed(bytes.choose(&numbers)?) };
            (bytes.choose(&["lt", "lte", "gt", "gte"])?, value)
        }
        3 => {
            let length = bytes.int_in_range(1..=3)?;
            let list = (0..length).map(|_| value(bytes, 2, Place::Document));
            let list = list.collect::<Result<Vec<Json>>>()?;
            (bytes.choose(&["in", "not_in"])?, Json::Array(list))
        }
        4 => ("exists", bytes.arbitrary::<bool>()?.into()),
        5 => (bytes.choose(&["regex", "not_regex"])?, (*bytes.choose(&PATTERNS)?).into()),
        6 => {
            let value = match bytes.int_in_range(0..=2)? {
                0 => text(bytes)?.into(),
                1 => parsed(bytes.choose(&numbers)?),
                _ => bytes.arbitrary::<bool>()?.into(),
            };
            (bytes.choose(&["contains", "not_contains"])?, value)
        }
        7 => (bytes.choose(&["starts_with", "ends_with"])?, text(bytes)?.into()),
        _ => {
            let ops = ["length_lte", "length_gte", "count_lte", "count_gte"];
            (bytes.choose(&ops)?, bytes.int_in_range::<u8>(0..=3)?.into())
        }
    })
}

fn condition(bytes: &mut Unstructured<'_>, section: &str, depth: usize) -> Result<Json> {
    if depth > 0 && bytes.ratio(1, 4)? {
        if bytes.arbitrary()? {
            return Ok(json!({ "not": condition(bytes, section, depth - 1)? }));
        }
        let length = bytes.int_in_range(1..=2)?;
        let list = (0..length).map(|_| condition(bytes, section, depth - 1));
        return Ok(json!({ "any": list.collect::<Result<Vec<Json>>>()? }));
    }
    let path = path(bytes, section)?;
    let (op, value) = comparison(bytes)?;
    let mut condition = json!({ "path": path, "op": op, "value": value });
    if bytes.arbitrary()? {
        condition["if_missing"] = "match".into();
    }
    Ok(condition)
}

/// Draws parts of one document and gives its rules their ids.
struct Draw<'b, 'u> {
    bytes: &'b mut Unstructured<'u>,
    ids: usize,
}

impl Draw<'_, '_> {
    fn rule(&mut self, section: &str, conditions_min: usize) -> Result<Json> {
        let length = self.bytes.int_in_range(conditions_min..=2)?;
        let list = (0..length).map(|_| condition(self.bytes, section, 3));
        let mut rule = json!({ "conditions": list.collect::<Result<Vec<Json>>>()? });
        match self.bytes.int_in_range(0..=5)? {
            0 => rule["approval"] = true.into(),
            1 => rule["approval"] = false.into(),
            2 => rule["approval"] = json!({}),
            _ => {}
        }
        if self.bytes.ratio(1, 5)? {
            self.ids += 1;
            rule["id"] = format!("r{}", self.ids).into();
        }
        Ok(rule)
    }

    fn rules(&mut self, section: &str) -> Result<Json> {
        let mut rules = json!({});
        for (list, conditions_min) in [("require", 1), ("deny_if", 0)] {
            let length = self.bytes.int_in_range(0..=2)?;
            let found = (0..length).map(|_| self.rule(section, conditions_min));
            rules[list] = Json::Array(found.collect::<Result<Vec<Json>>>()?);
        }
        if self.bytes.ratio(1, 4)? {
            rules["action"] = (*self.bytes.choose(&["allow", "approve", "deny", "hide"])?).into();
        }
        if self.bytes.ratio(1, 5)? {
            let path = argument_path(self.bytes, false)?;
            rules["limits"] =
                json!([{ "window": "day", "max": 1_000_000, "increment_from": path }]);
        }
        Ok(rules)
    }

    fn section(&mut self, section: &str, selectors: &[&str]) -> Result<Json> {
        let mut entries = serde_json::Map::new();
        for _ in 0..self.bytes.int_in_range(0..=3)? {
            let selector = (*self.bytes.choose(selectors)?).to_owned();
            let rules = self.rules(section)?;
            entries.insert(selector, rules);
        }
        Ok(Json::Object(entries))
    }
}

/// A whole document.
pub fn document(bytes: &mut Unstructured<'_>) -> Result<Json> {
    const TOOLS: [&str; 15] = [
        "a",
        "ab",
        "a*",
        "*b",
        "*",
        "a*b",
        "**a",
        "@read",
        "@write",
        "@high",
        "@low",
        "@financial",
        "*a*b*",
        "A",
        "*\n*",
    ];
    let mut draw = Draw { bytes, ids: 0 };
    let default = *draw.bytes.choose(&["allow", "deny"])?;
    let mut document = json!({ "version": "1", "default": default });
    document["tools"] = draw.section("tools", &TOOLS)?;
    if draw.bytes.ratio(1, 3)? {
        let mut rules = draw.rules("tools")?;
        if let Some(rules) = rules.as_object_mut() {
            rules.shift_remove("action");
        }
        document["all_tools"] = rules;
    }
    if draw.bytes.ratio(1, 3)? {
        document["hide"] = json!([draw.bytes.choose(&["abb", "a*b", "@high", "zz"])?]);
    }
    if draw.bytes.ratio(1, 2)? {
        let uris = ["file:///a/*", "db://x", "*", "file:///a/../b", "file:*", "*b", "file:a"];
        document["resources"] = draw.section("resources", &uris)?;
        document["prompts"] = draw.section("prompts", &["a", "a*", "*", "A"])?;
    }
    Ok(document)
}

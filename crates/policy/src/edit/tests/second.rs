//! A second, naive reading of edits: an edit given as JSON, done to a document given as JSON, and the comments and
//! blocks of a text found by a scanner of its own. Shares nothing with the code under test.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::{Map, Value as Json, json};

/// The document after an edit that goes well, as [`settled`] leaves it.
pub(crate) fn edited(document: &Json, edit: &Json) -> Json {
    let mut out = document.clone();
    run(&mut out, edit);
    settled(out)
}

/// A document without lists in which nothing stands: an edit that takes the last element may leave the list or not.
pub(crate) fn settled(mut document: Json) -> Json {
    let is_empty = |value: &Json| value.as_array().is_some_and(Vec::is_empty);
    if let Some(root) = document.as_object_mut() {
        root.retain(|key, value| key != "hide" || !is_empty(value));
    }
    for section in ["tools", "resources", "prompts"] {
        let entries = document.get_mut(section).and_then(Json::as_object_mut);
        for entry in entries.into_iter().flat_map(Map::values_mut) {
            entry.as_object_mut().unwrap().retain(|_, value| !is_empty(value));
        }
    }
    if let Some(entry) = document.get_mut("all_tools") {
        entry.as_object_mut().unwrap().retain(|_, value| !is_empty(value));
    }
    document
}

fn run(document: &mut Json, edit: &Json) {
    let (name, asked) = edit.as_object().unwrap().iter().next().unwrap();
    let set = |object: &mut Json, key: &str, value: Json| {
        let object = object.as_object_mut().unwrap();
        if value.is_null() {
            object.remove(key)
        } else {
            object.insert(key.to_owned(), value)
        };
    };
    match name.as_str() {
        "set_default" => set(document, "default", asked.clone()),
        "set_description" => set(document, "description", asked.clone()),
        "set_action" => {
            for block in blocks(asked) {
                let action = &asked["action"];
                let entry = made(document, &block);
                if entry.get("action").is_some() || action != "allow" {
                    set(entry, "action", action.clone());
                }
            }
        }
        "set_reason" | "set_validate" => {
            let key = name.strip_prefix("set_").unwrap();
            let value = asked.get(key).or_else(|| asked.get("mode")).cloned().unwrap_or(Json::Null);
            for block in blocks(asked) {
                if !value.is_null() || there(document, &block).is_some() {
                    set(made(document, &block), key, value.clone());
                }
            }
        }
        "set_rate_limit" => blocks(asked).iter().for_each(|b| rate(document, b, &asked["rate"])),
        "add_rule" => {
            for block in blocks(asked) {
                let list = asked["list"].as_str().unwrap();
                push(made(document, &block), list, rule(&asked["rule"]));
            }
        }
        "add_limit" => {
            for block in blocks(asked) {
                push(made(document, &block), "limits", limit(&asked["limit"]));
            }
        }
        "remove_blocks" => blocks(asked).iter().for_each(|block| remove(document, block)),
        "add_entries" => {
            for entry in asked.as_array().unwrap() {
                let rules: Json = serde_json::from_str(entry["rules"].as_str().unwrap()).unwrap();
                let put = made(document, &entry["block"]);
                assert_eq!(*put, json!({}), "an entry is put where one is");
                *put = rules;
            }
        }
        "batch" => asked.as_array().unwrap().iter().for_each(|edit| run(document, edit)),
        "rename" | "hide" | "unhide" => run_on_selectors(document, name, asked),
        _ => run_in_list(document, name, asked),
    }
}

/// Edits of selectors.
fn run_on_selectors(document: &mut Json, name: &str, asked: &Json) {
    match name {
        "rename" => {
            let block = &asked["block"];
            let entry = there(document, block).unwrap().clone();
            remove(document, block);
            let section = document[block["section"].as_str().unwrap()].as_object_mut().unwrap();
            section.insert(asked["to"].as_str().unwrap().to_owned(), entry);
        }
        "hide" => {
            let list = document.as_object_mut().unwrap().entry("hide").or_insert(json!([]));
            let list = list.as_array_mut().unwrap();
            for selector in asked.as_array().unwrap() {
                if !list.contains(selector) {
                    list.push(selector.clone());
                }
            }
        }
        "unhide" => {
            let gone = asked.as_array().unwrap();
            document["hide"].as_array_mut().unwrap().retain(|selector| !gone.contains(selector));
        }
        other => panic!("the edit `{other}` has no second reading"),
    }
}

/// Edits of one element of a list.
fn run_in_list(document: &mut Json, name: &str, asked: &Json) {
    let index = |key: &str| usize::try_from(asked[key].as_u64().unwrap()).unwrap();
    let entry = there(document, &asked["block"]).unwrap();
    if name.ends_with("_limit") {
        let list = entry["limits"].as_array_mut().unwrap();
        if name == "remove_limit" {
            list.remove(index("index"));
        } else {
            list[index("index")] = limit(&asked["limit"]);
        }
        return;
    }
    let list = entry[asked["list"].as_str().unwrap()].as_array_mut().unwrap();
    if name == "remove_rule" {
        list.remove(index("rule"));
        return;
    }
    let rule = &mut list[index("rule")];
    let mut set = |key: &str, value: Json| {
        let rule = rule.as_object_mut().unwrap();
        if value.is_null() {
            rule.remove(key)
        } else {
            rule.insert(key.to_owned(), value)
        };
    };
    match name {
        "set_rule_id" => set("id", asked["id"].clone()),
        "set_rule_message" => set("on_deny", asked["on_deny"].clone()),
        "set_rule_approval" => set("approval", approval(&asked["approval"])),
        "add_condition" => push(rule, "conditions", condition(&asked["condition"])),
        "replace_condition" => {
            rule["conditions"][index("index")] = condition(&asked["condition"]);
        }
        "remove_condition" => {
            rule["conditions"].as_array_mut().unwrap().remove(index("index"));
        }
        other => panic!("the edit `{other}` has no second reading"),
    }
}

/// The blocks of an edit, each once.
fn blocks(asked: &Json) -> Vec<Json> {
    let mut seen = HashSet::new();
    let all = asked["blocks"].as_array().unwrap().iter();
    all.filter(|block| seen.insert(block.to_string())).cloned().collect()
}

fn there<'d>(document: &'d mut Json, block: &Json) -> Option<&'d mut Json> {
    let section = document.get_mut(block["section"].as_str().unwrap())?;
    match block.get("selector").and_then(Json::as_str) {
        Some(selector) => section.get_mut(selector),
        None => Some(section),
    }
}

/// The entry of a block, made where none is.
pub(crate) fn made<'d>(document: &'d mut Json, block: &Json) -> &'d mut Json {
    let root = document.as_object_mut().unwrap();
    let section = root.entry(block["section"].as_str().unwrap()).or_insert(json!({}));
    match block.get("selector").and_then(Json::as_str) {
        Some(selector) => section.as_object_mut().unwrap().entry(selector).or_insert(json!({})),
        None => section,
    }
}

fn remove(document: &mut Json, block: &Json) {
    let section = block["section"].as_str().unwrap();
    match block.get("selector").and_then(Json::as_str) {
        Some(selector) => document[section].as_object_mut().unwrap().remove(selector),
        None => document.as_object_mut().unwrap().remove(section),
    };
}

fn push(object: &mut Json, key: &str, element: Json) {
    let list = object.as_object_mut().unwrap().entry(key).or_insert(json!([]));
    list.as_array_mut().unwrap().push(element);
}

/// A field that holds JSON, or else is a word.
fn word_or_number(text: &Json) -> Json {
    let text = text.as_str().unwrap();
    let number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if number { serde_json::from_str(text).unwrap() } else { json!(text) }
}

fn rate(document: &mut Json, block: &Json, rate: &Json) {
    if rate.is_null() {
        if let Some(entry) = there(document, block) {
            entry.as_object_mut().unwrap().remove("rate_limit");
        }
        return;
    }
    let entry = made(document, block).as_object_mut().unwrap();
    if let Some(Json::Object(written)) = entry.get_mut("rate_limit") {
        written.insert("max".to_owned(), word_or_number(&rate["max"]));
        written.insert("window".to_owned(), word_or_number(&rate["window"]));
    } else {
        let (max, window) = (rate["max"].as_str().unwrap(), rate["window"].as_str().unwrap());
        let text = json!(format!("{max}/{window}"));
        entry.insert("rate_limit".to_owned(), text);
    }
}

fn rule(form: &Json) -> Json {
    let conditions = form["conditions"].as_array().unwrap().iter().map(condition);
    given(vec![
        ("id", form["id"].clone()),
        ("conditions", Json::Array(conditions.collect())),
        ("on_deny", form["on_deny"].clone()),
        ("approval", approval(&form["approval"])),
    ])
}

fn condition(form: &Json) -> Json {
    let test = &form["test"];
    let missing = test["if_missing"].as_bool().unwrap_or_default();
    given(vec![
        ("path", test["path"].clone()),
        ("op", test["op"].clone()),
        ("value", serde_json::from_str(test["value"].as_str().unwrap()).unwrap()),
        ("if_missing", if missing { json!("match") } else { Json::Null }),
    ])
}

fn approval(form: &Json) -> Json {
    if let Some(switch) = form.get("switch") {
        return switch.clone();
    }
    let Some(terms) = form.get("terms") else { return Json::Null };
    let named = terms["approvers"].as_array().is_some_and(|named| !named.is_empty());
    given(vec![
        ("wait_seconds", terms["wait_seconds"].clone()),
        ("expires_seconds", terms["expires_seconds"].clone()),
        ("approvers", if named { terms["approvers"].clone() } else { Json::Null }),
    ])
}

fn limit(form: &Json) -> Json {
    let number = |key: &str| {
        let text = &form[key];
        if text.is_null() { Json::Null } else { word_or_number(text) }
    };
    given(vec![
        ("counter", form["counter"].clone()),
        ("window", word_or_number(&form["window"])),
        ("max", number("max")),
        ("scope", form["scope"].clone()),
        ("increment", number("increment")),
        ("increment_from", form["increment_from"].clone()),
        ("algorithm", form["algorithm"].clone()),
        ("on_deny", form["on_deny"].clone()),
    ])
}

/// An object of what is not `null`; the value of a condition may be.
fn given(members: Vec<(&str, Json)>) -> Json {
    let there = members.into_iter().filter(|(key, value)| *key == "value" || !value.is_null());
    Json::Object(there.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The comments of a text, sorted.
pub(crate) fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<String> = pieces(text)
        .filter(|range| text.get(range.clone()).unwrap().starts_with('/'))
        .map(|range| text.get(range).unwrap().to_owned())
        .collect();
    found.sort();
    found
}

/// Whether all of `some` are among `all`, as often.
pub(crate) fn contains_all(all: &[String], some: &[String]) -> bool {
    let mut all = all.to_vec();
    some.iter().all(|one| {
        let found = all.iter().position(|other| other == one);
        found.map(|index| all.swap_remove(index)).is_some()
    })
}

/// Strings, comments, and every other character alone.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = if rest.starts_with("//") {
            rest.find(['\n', '\r']).unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.get(2..).unwrap().find("*/").map_or(rest.len(), |end| end + 4)
        } else if rest.starts_with('"') {
            let mut escaped = false;
            let end = rest.bytes().skip(1).position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            rest.chars().next().unwrap().len_utf8()
        };
        at += length;
        Some(at - length..at)
    })
}

/// The members of the document, and the blocks of its sections, each from its key to the end of its value, by JSON
/// Pointer.
pub(crate) fn parts(text: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut keys: Vec<Option<Range<usize>>> = Vec::new();
    let mut end = 0;
    let mut close = |keys: &mut Vec<Option<Range<usize>>>, end: usize| {
        if !(1..=2).contains(&keys.len()) {
            return;
        }
        let named: Option<Vec<String>> =
            keys.iter().map(|key| serde_json::from_str(text.get(key.clone()?)?).ok()).collect();
        let (Some(named), Some(Some(last))) = (named, keys.last()) else { return };
        if named.len() == 1 || matches!(named[0].as_str(), "tools" | "resources" | "prompts") {
            let named = named.iter().map(|key| key.replace('~', "~0").replace('/', "~1"));
            found.push((format!("/{}", named.collect::<Vec<_>>().join("/")), last.start..end));
        }
    };
    let mut last_string: Option<Range<usize>> = None;
    for range in pieces(text) {
        let piece = text.get(range.clone()).unwrap();
        match piece.chars().next().unwrap() {
            '/' => continue,
            c if c.is_whitespace() || c == '\u{feff}' => continue,
            '{' | '[' => keys.push(None),
            ':' => {
                if let (Some(key), Some(slot)) = (last_string.take(), keys.last_mut()) {
                    *slot = Some(key);
                }
                continue;
            }
            ',' | '}' | ']' => {
                close(&mut keys, end);
                if let Some(slot) = keys.last_mut() {
                    *slot = None;
                }
                if piece == "," {
                    continue;
                }
                keys.pop();
            }
            '"' => last_string = Some(range.clone()),
            _ => {}
        }
        end = range.end;
    }
    found
}

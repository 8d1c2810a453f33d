//! Edits of a policy's text: what comes out means what a naive reading of the same edit makes of the document, every
//! block that the edit is not about stays byte for byte, no comment is lost that stands outside of it, and the way back
//! is exact.

use arbitrary::{Result, Unstructured};
use policy::Document;
use policy::edit::{Edit, EditError, apply, form};
use serde_json::{Value as Json, json};

#[path = "../../crates/policy/src/edit/tests/second.rs"]
mod second;

use crate::policy_words as words;

/// Longest text that is tried: longer ones only cost time.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most edits in a row.
const EDITS_MAX: usize = 4;
const SECTIONS: [&str; 3] = ["tools", "resources", "prompts"];

/// Checks one input: edits, and a text that is drawn or stands at its end.
pub fn run(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let _too_short = check(&mut bytes);
}

fn check(bytes: &mut Unstructured<'_>) -> Result<()> {
    let drawn = bytes.arbitrary()?;
    let mut text = if drawn { spelled(bytes)? } else { String::new() };
    let mut edits = Vec::new();
    let selectors = if drawn { selectors(&text) } else { Vec::new() };
    for _ in 0..bytes.int_in_range(1..=EDITS_MAX)? {
        edits.push(edit(bytes, &selectors)?);
    }
    if !drawn {
        let rest = bytes.bytes(bytes.len())?;
        let Ok(rest) = std::str::from_utf8(rest) else { return Ok(()) };
        text = rest.to_owned();
    }
    if text.len() > TEXT_BYTES_MAX {
        return Ok(());
    }
    for edit in edits {
        if let Some(next) = applied(&text, &edit) {
            text = next;
        }
    }
    Ok(())
}

fn applied(text: &str, asked: &Json) -> Option<String> {
    let edit: Edit = serde_json::from_value(asked.clone()).expect("a drawn edit is one");
    match apply(text, &edit) {
        Ok(edited) => {
            assert_eq!(edited.undo.apply(&edited.text).as_deref(), Some(text), "the way back");
            assert_eq!(form(&edited.text).as_ref(), Ok(&edited.form));
            assert_eq!(
                meaning(&edited.text),
                naive(text, asked),
                "{asked}\n{text}\n{}",
                edited.text
            );
            check_bytes(text, &edited.text, asked);
            Some(edited.text)
        }
        Err(EditError::Differs) => panic!("the text could not be changed: {asked}\n{text}"),
        Err(EditError::Text(problems)) => {
            assert_eq!(form(text), Err(problems));
            None
        }
        Err(
            EditError::Result(_)
            | EditError::Missing(_)
            | EditError::Opaque { .. }
            | EditError::Value(_),
        ) => None,
    }
}

fn meaning(text: &str) -> Json {
    let document = Document::parse(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    second::settled(serde_json::from_str(document.canonical()).expect("canonical JSON"))
}

fn naive(text: &str, edit: &Json) -> Json {
    meaning(&second::edited(&meaning(text), edit).to_string())
}

/// Pointers of the blocks that an edit is about, and the member of the document, with escapes as nobody writes them.
fn about(edit: &Json) -> Vec<String> {
    let (name, asked) = edit.as_object().and_then(|edit| edit.iter().next()).expect("an edit");
    let one = asked.get("block").into_iter();
    let many = asked.get("blocks").and_then(Json::as_array).into_iter().flatten();
    let entries = asked.as_array().into_iter().flatten().filter_map(|entry| entry.get("block"));
    let mut pointers: Vec<String> = one.chain(many).chain(entries).map(pointer).collect();
    match name.as_str() {
        "set_default" => pointers.push("/default".to_owned()),
        "set_description" => pointers.push("/description".to_owned()),
        "hide" | "unhide" => pointers.push("/hide".to_owned()),
        _ => {}
    }
    pointers
}

fn pointer(block: &Json) -> String {
    let section = block["section"].as_str().expect("a section");
    match block.get("selector").and_then(Json::as_str) {
        Some(selector) => format!("/{section}/{}", selector.replace('~', "~0").replace('/', "~1")),
        None => format!("/{section}"),
    }
}

/// A pointer of the scanner with the escapes of the text read.
fn read(pointer: &str) -> String {
    let (section, key) = pointer[1..].split_once('/').unwrap_or((&pointer[1..], ""));
    let plain = |text: &str| {
        serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())
    };
    if key.is_empty() && !pointer.ends_with('/') {
        return format!("/{}", plain(section));
    }
    let raw = key.replace("~1", "/").replace("~0", "~");
    format!("/{}/{}", plain(section), plain(&raw).replace('~', "~0").replace('/', "~1"))
}

fn check_bytes(before: &str, after: &str, edit: &Json) {
    let about = about(edit);
    let has = second::parts(after);
    let mut outside = String::new();
    let mut at = 0;
    let mut parts = second::parts(before);
    parts.sort_by_key(|(_, range)| (range.start, std::cmp::Reverse(range.end)));
    for (pointer, range) in &parts {
        let name = read(pointer);
        let is_section = SECTIONS.iter().any(|section| name == format!("/{section}"));
        if about.contains(&name) {
            if range.start >= at {
                outside += &before[at..range.start];
                outside.push('0');
                at = range.end;
            }
        } else if !is_section {
            let stays = has.iter().find(|(found, _)| *found == *pointer);
            let (_, kept) =
                stays.unwrap_or_else(|| panic!("{pointer} is gone: {edit}\n{before}\n{after}"));
            assert_eq!(before[range.clone()], after[kept.clone()], "{pointer}: {edit}");
        }
    }
    outside += &before[at..];
    let (had, has) = (second::comments(&outside), second::comments(after));
    assert!(second::contains_all(&has, &had), "a comment is lost: {edit}\n{before}\n{after}");
}

/// A drawn document, spelled with comments and odd spaces.
fn spelled(bytes: &mut Unstructured<'_>) -> Result<String> {
    let document = words::document(bytes)?;
    let mut out = String::new();
    let style = bytes.int_in_range(0..=2)?;
    spell(bytes, &document, (&mut out, style, 0))?;
    Ok(out)
}

fn gap(bytes: &mut Unstructured<'_>, (out, style, depth): (&mut String, u8, usize)) -> Result<()> {
    const ODD: [&str; 12] = [
        "",
        "",
        " ",
        "\n",
        "\r\n",
        "\t",
        "/* a */",
        "// b\n",
        "/* \"c\n{ */",
        "//d}\r\n",
        "\n   ",
        " /**/ ",
    ];
    match style {
        0 => {}
        1 => {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        _ => out.push_str(bytes.choose(&ODD)?),
    }
    Ok(())
}

fn spell(
    bytes: &mut Unstructured<'_>,
    value: &Json,
    (out, style, depth): (&mut String, u8, usize),
) -> Result<()> {
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    let items: Vec<(Option<&String>, &Json)> = match value {
        Json::Array(list) => list.iter().map(|element| (None, element)).collect(),
        Json::Object(members) => members.iter().map(|(key, value)| (Some(key), value)).collect(),
        plain => {
            out.push_str(&plain.to_string());
            return Ok(());
        }
    };
    out.push(open);
    let last = items.len();
    for (index, (key, value)) in items.into_iter().enumerate() {
        gap(bytes, (out, style, depth + 1))?;
        if let Some(key) = key {
            out.push_str(&json!(key).to_string());
            if style == 2 {
                gap(bytes, (out, style, depth))?;
            }
            out.push_str(if style == 0 { ":" } else { ": " });
        }
        spell(bytes, value, (out, style, depth + 1))?;
        if style == 2 {
            gap(bytes, (out, style, depth))?;
        }
        if index + 1 < last || (style > 0 && bytes.ratio(1, 4)?) {
            out.push(',');
        }
    }
    gap(bytes, (out, style, depth))?;
    out.push(close);
    Ok(())
}

/// The blocks of a document.
fn selectors(text: &str) -> Vec<Json> {
    let Ok(form) = form(text) else { return Vec::new() };
    form.blocks().filter_map(|block| serde_json::to_value(block).ok()).collect()
}

fn block(bytes: &mut Unstructured<'_>, known: &[Json]) -> Result<Json> {
    if !known.is_empty() && bytes.ratio(3, 4)? {
        return bytes.choose(known).cloned();
    }
    let section = *bytes.choose(&["tools", "tools", "resources", "prompts", "all_tools"])?;
    Ok(match section {
        "all_tools" => json!({ "section": section }),
        "resources" => json!({ "section": section, "selector": words::uri(bytes)? }),
        _ => json!({ "section": section, "selector": words::name(bytes)? }),
    })
}

fn message(bytes: &mut Unstructured<'_>) -> Result<Json> {
    if bytes.ratio(1, 3)? { Ok(Json::Null) } else { words::text(bytes).map(Json::from) }
}

fn condition(bytes: &mut Unstructured<'_>) -> Result<Json> {
    let path = *bytes.choose(&["args.x", "args.y[*]", "args", "now.hour", "args[\"x.y\"]"])?;
    let op = *bytes.choose(&["eq", "neq", "exists", "in", "lte", "regex", "count_gte"])?;
    let value = words::value(bytes, 2, words::Place::Document)?.to_string();
    let if_missing: bool = bytes.arbitrary()?;
    Ok(json!({ "test": { "path": path, "op": op, "value": value, "if_missing": if_missing } }))
}

fn approval(bytes: &mut Unstructured<'_>) -> Result<Json> {
    Ok(match bytes.int_in_range(0..=3)? {
        0 => json!({ "switch": true }),
        1 => json!({ "switch": false }),
        2 => json!({ "terms": { "wait_seconds": 5, "approvers": ["role:admin"] } }),
        _ => Json::Null,
    })
}

fn limit(bytes: &mut Unstructured<'_>) -> Result<Json> {
    let window = *bytes.choose(&["day", "60", "in_flight", "month"])?;
    let max = *bytes.choose(&["1", "2.50", "1e2", "0"])?;
    let from = words::optional(bytes, &["args.x"])?;
    Ok(json!({ "window": window, "max": max, "increment_from": from, "on_deny": message(bytes)? }))
}

fn edit(bytes: &mut Unstructured<'_>, known: &[Json]) -> Result<Json> {
    let mut blocks = vec![block(bytes, known)?];
    while blocks.len() < 3 && bytes.ratio(1, 3)? {
        blocks.push(block(bytes, known)?);
    }
    let one = blocks[0].clone();
    let list = *bytes.choose(&["require", "deny_if"])?;
    let (rule, index) = (bytes.int_in_range(0..=2)?, bytes.int_in_range(0..=2)?);
    Ok(match bytes.int_in_range(0..=20)? {
        0 => json!({ "set_default": bytes.choose(&["allow", "deny"])? }),
        1 => json!({ "set_description": message(bytes)? }),
        2 | 3 => {
            let action = bytes.choose(&["allow", "deny", "hide", "approve"])?;
            json!({ "set_action": { "blocks": blocks, "action": action } })
        }
        4 => json!({ "set_reason": { "blocks": blocks, "reason": message(bytes)? } }),
        5 => {
            let mode = words::optional(bytes, &["off", "schema", "strict"])?;
            json!({ "set_validate": { "blocks": blocks, "mode": mode } })
        }
        6 => {
            let window = bytes.choose(&["minute", "60", "month"])?;
            let rate = json!({ "max": bytes.choose(&["10", "2.5"])?, "window": window });
            let rate = if bytes.ratio(1, 4)? { Json::Null } else { rate };
            json!({ "set_rate_limit": { "blocks": blocks, "rate": rate } })
        }
        7 | 8 => {
            let conditions = (0..bytes.int_in_range(0..=2)?).map(|_| condition(bytes));
            let conditions = conditions.collect::<Result<Vec<_>>>()?;
            let rule = json!({ "conditions": conditions, "on_deny": message(bytes)?, "approval": approval(bytes)? });
            json!({ "add_rule": { "blocks": blocks, "list": list, "rule": rule } })
        }
        9 => json!({ "add_limit": { "blocks": blocks, "limit": limit(bytes)? } }),
        10 => json!({ "remove_blocks": { "blocks": blocks } }),
        11 => json!({ "rename": { "block": one, "to": words::name(bytes)? } }),
        12 => json!({ "hide": [words::name(bytes)?, bytes.choose(&["zz", "a*b"])?] }),
        13 => json!({ "unhide": [bytes.choose(&["zz", "a*b", "abb", "@high"])?] }),
        14 => {
            let rules = bytes.choose(&[
                "{}",
                "{\"action\":\"hide\"}",
                "{\"limits\":[{\"window\":\"day\",\"max\":1}]}",
            ])?;
            json!({ "add_entries": [{ "block": one, "rules": rules }] })
        }
        15 => json!({ "remove_rule": { "block": one, "list": list, "rule": rule } }),
        16 => {
            let (name, key) =
                *bytes.choose(&[("set_rule_id", "id"), ("set_rule_message", "on_deny")])?;
            json!({ name: { "block": one, "list": list, "rule": rule, key: message(bytes)? } })
        }
        17 => {
            let approval = approval(bytes)?;
            json!({ "set_rule_approval": { "block": one, "list": list, "rule": rule, "approval": approval } })
        }
        18 => {
            let condition = condition(bytes)?;
            json!({ "add_condition": { "block": one, "list": list, "rule": rule, "condition": condition } })
        }
        19 => {
            let condition = condition(bytes)?;
            json!({ "replace_condition": { "block": one, "list": list, "rule": rule, "index": index, "condition": condition } })
        }
        _ => {
            json!({ "remove_condition": { "block": one, "list": list, "rule": rule, "index": index } })
        }
    })
}

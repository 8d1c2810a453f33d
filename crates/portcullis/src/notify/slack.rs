//! An event as a message of Slack's incoming webhooks (`text` and `blocks`), which other chats take as
//! well. Everything that others wrote (names, arguments, reasons) stands in code spans with `&`, `<`,
//! `>` and the back-tick taken out of the way, so that it neither mentions anybody nor becomes a link
//! or a format; what cannot be seen is shown as its code point. The one link is the console's own.

use serde_json::{Value, json};

use crate::manage::is_unseen;

/// Characters of one text of others, at most, as they are written into the message.
const TEXT_CHARS_MAX: usize = 240;
/// Characters of a reason, at most.
const REASON_CHARS_MAX: usize = 600;
/// Characters of the arguments, at most.
const ARGUMENTS_CHARS_MAX: usize = 2_500;
/// Rules that are named, at most. With this a section stays below the 3,000 characters beyond which
/// Slack refuses the whole message, whatever stands in the call: an agent must not keep the news of
/// its own call from people.
const RULES_MAX: usize = 3;

/// The message for an event.
pub(super) fn message(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap_or(Value::Null);
    let nothing = Value::Null;
    let approval = event.get("approval").unwrap_or(&nothing);
    let word = event.get("event").and_then(Value::as_str).unwrap_or_default();
    let title = match (word, approval.get("state").and_then(Value::as_str)) {
        ("approval.requested", _) => "A call waits for a person",
        ("approval.decided", Some("approved")) => "A held call was approved",
        ("approval.decided", _) => "A held call was rejected",
        ("approval.expired", _) => "Nobody decided a held call in time",
        _ => "Portcullis can write here",
    };
    if approval.is_null() {
        let blocks = json!([section(title)]);
        return json!({ "text": title, "blocks": blocks }).to_string();
    }
    let text = |name: &str| approval.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut blocks = vec![
        section(&facts(title, approval).join("\n")),
        section(&format!("Arguments: {}", arguments(approval))),
    ];
    let url = text("url");
    // The console's own address, from the configuration.
    if !url.contains(['|', '<', '>', '`', ' ']) {
        let until = plain(text("expires_at"), TEXT_CHARS_MAX);
        blocks.push(section(&format!("<{url}|Open the call> (until {until})")));
    }
    json!({ "text": title, "blocks": blocks }).to_string()
}

fn facts(title: &str, approval: &Value) -> Vec<String> {
    let text = |name: &str| approval.get(name).and_then(Value::as_str);
    let code = |text: &str| code(text, TEXT_CHARS_MAX);
    let (tool, server) = (text("name").unwrap_or_default(), text("server").unwrap_or_default());
    let mut facts = vec![format!("*{title}*"), format!("Tool: {} on {}", code(tool), code(server))];
    for (label, name) in [("Risk", "risk"), ("Grant", "grant"), ("Decided by", "decided_by")] {
        facts.extend(text(name).map(|value| format!("{label}: {}", code(value))));
    }
    let reason = text("reason").map(|reason| self::code(reason, REASON_CHARS_MAX));
    facts.extend(reason.map(|reason| format!("Reason: {reason}")));
    let rules = approval.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for rule in rules.iter().take(RULES_MAX) {
        let why = rule.get("message").and_then(Value::as_str).unwrap_or_default();
        facts.push(format!("Held because: {}", code(why)));
    }
    let count = approval.get("rules_count").and_then(Value::as_u64).unwrap_or_default();
    let named = u64::try_from(rules.len().min(RULES_MAX)).unwrap_or(u64::MAX);
    if count > named {
        facts.push(format!("… and {} more rules", count.saturating_sub(named)));
    }
    facts
}

fn arguments(approval: &Value) -> String {
    match approval.get("arguments") {
        None | Some(Value::Null) => match approval.get("arguments_bytes").and_then(Value::as_u64) {
            Some(bytes) => format!("{bytes} bytes, too long to show here"),
            None => "none".to_owned(),
        },
        Some(arguments) => code(&arguments.to_string(), ARGUMENTS_CHARS_MAX),
    }
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// A text of others as a code span, at most so many characters long.
fn code(text: &str, chars_max: usize) -> String {
    format!("`{}`", plain(text, chars_max))
}

/// A text that can end no code span, with what cannot be seen shown, and cut where that is longer
/// than so many characters.
fn plain(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max));
    let mut length: usize = 0;
    for c in text.chars() {
        let shown = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '`' => "'".to_owned(),
            c if c.is_control() || is_unseen(c) => format!("[U+{:04X}]", u32::from(c)),
            c => c.to_string(),
        };
        length = length.saturating_add(shown.chars().count());
        if length > chars_max {
            out.push('…');
            break;
        }
        out.push_str(&shown);
    }
    if out.is_empty() { " ".to_owned() } else { out }
}

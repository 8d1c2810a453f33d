//! An event as a message of Slack's incoming webhooks (`text` and `blocks`), which other chats take as
//! well. Everything that others wrote (names, arguments, reasons) stands in code spans with `&`, `<`,
//! `>` and the back-tick taken out of the way, so that it neither mentions anybody nor becomes a link
//! or a format; what cannot be seen is shown as its code point. The one link is the console's own.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::manage::is_unseen;

/// Characters of one text of others, at most.
const TEXT_CHARS_MAX: usize = 300;
/// Characters of the arguments, at most.
const ARGUMENTS_CHARS_MAX: usize = 1_500;

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
    let mut facts = vec![
        format!("*{title}*"),
        format!("Tool: {} on {}", code(text("name")), code(text("server"))),
    ];
    let mut push = |label: &str, name: &str| {
        if let Some(value) = approval.get(name).and_then(Value::as_str) {
            facts.push(format!("{label}: {}", code(value)));
        }
    };
    push("Risk", "risk");
    push("Grant", "grant");
    push("Decided by", "decided_by");
    push("Reason", "reason");
    for rule in approval.get("rules").and_then(Value::as_array).into_iter().flatten() {
        let why = rule.get("message").and_then(Value::as_str).unwrap_or_default();
        facts.push(format!("Held because: {}", code(why)));
    }
    let arguments =
        cut(&approval.get("arguments").unwrap_or(&nothing).to_string(), ARGUMENTS_CHARS_MAX);
    let mut blocks =
        vec![section(&facts.join("\n")), section(&format!("Arguments: `{}`", plain(&arguments)))];
    let url = text("url");
    // The console's own address, from the configuration.
    if !url.contains(['|', '<', '>', '`', ' ']) {
        let until = plain(text("expires_at"));
        blocks.push(section(&format!("<{url}|Open the call> (until {until})")));
    }
    json!({ "text": title, "blocks": blocks }).to_string()
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// A text of others as a code span.
fn code(text: &str) -> String {
    format!("`{}`", plain(&cut(text, TEXT_CHARS_MAX)))
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// A text that can end no code span, with what cannot be seen shown.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '`' => out.push('\''),
            c if c.is_control() || is_unseen(c) => {
                // Writing into a string cannot fail.
                let _written: Result<(), std::fmt::Error> = write!(out, "[U+{:04X}]", u32::from(c));
            }
            c => out.push(c),
        }
    }
    if out.is_empty() { " ".to_owned() } else { out }
}

//! What is recommended for a tool, by its class, and the policy that a server's tools make together.
//!
//! It reads what is pinned and nothing else. A tool whose class is not known asks a person each time: unknown is
//! never harmless.
//!
//! What never lives here: finding a class out (`catalogue`), saving a policy (`policies`).

use policy::Class;
use serde_json::{Value, json};

/// Tools of one recommended policy, at most (POLICY section 1 bounds its selectors).
pub const RECOMMENDED_TOOLS_MAX: usize = 5_000;
/// Characters of a counter's name, at most (POLICY section 5).
const COUNTER_CHARS_MAX: usize = 128;
/// Calls per minute of a tool that writes.
const WRITES_PER_MINUTE: u32 = 30;
/// Calls per minute of a tool that sets something off.
const EXECUTIONS_PER_MINUTE: u32 = 10;

/// What is recommended for one tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// The rules; `None` for a tool that no exact selector can name: it stays denied.
    pub rules: Option<Value>,
    /// What they do, in a few words.
    pub effect: &'static str,
}

/// What is recommended for a tool of this name and class.
pub fn for_tool(tool: &str, class: Option<Class>) -> Recommendation {
    if tool.is_empty() || tool.starts_with('@') || tool.contains('*') {
        return Recommendation { rules: None, effect: "stays denied: no rule can name it" };
    }
    let limited = |max: u32| {
        let mut limit = json!({ "window": "minute", "max": max, "scope": "grant" });
        if let (Some(counter), Some(limit)) = (counter(tool), limit.as_object_mut()) {
            limit.insert("counter".to_owned(), Value::String(counter));
        }
        json!({ "limits": [limit] })
    };
    let (rules, effect) = match class {
        Some(Class::Read) => (json!({}), "allowed"),
        Some(Class::Write) => (limited(WRITES_PER_MINUTE), "allowed, 30 a minute"),
        Some(Class::Execute) => (limited(EXECUTIONS_PER_MINUTE), "allowed, 10 a minute"),
        Some(Class::Destructive) => (json!({ "action": "hide" }), "hidden"),
        Some(Class::Financial) => (
            json!({ "deny_if": [{ "conditions": [], "on_deny": "Requires human approval." }] }),
            "a person decides each call",
        ),
        None => (
            json!({ "action": "approve", "reason": "Nobody has said yet what this tool does." }),
            "a person decides each call",
        ),
    };
    Recommendation { rules: Some(rules), effect }
}

/// The name of a tool's counter, where it is one.
fn counter(tool: &str) -> Option<String> {
    let name = format!("{tool}_rate");
    let fits = name.len() <= COUNTER_CHARS_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    fits.then_some(name)
}

/// The policy of a server's tools: a line for each, everything else denied. Tools beyond
/// [`RECOMMENDED_TOOLS_MAX`] stay denied.
pub fn document<'a>(tools: impl IntoIterator<Item = (&'a str, Option<Class>)>) -> String {
    let lines: Vec<String> = tools
        .into_iter()
        .take(RECOMMENDED_TOOLS_MAX)
        .filter_map(|(tool, class)| {
            let rules = for_tool(tool, class).rules?;
            Some(format!("    {}: {rules}", Value::String(tool.to_owned())))
        })
        .collect();
    let start = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": {";
    if lines.is_empty() {
        return format!("{start}}}\n}}\n");
    }
    format!("{start}\n{}\n  }}\n}}\n", lines.join(",\n"))
}

#[cfg(test)]
mod tests;

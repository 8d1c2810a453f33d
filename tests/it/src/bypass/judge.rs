//! What an answer of the gateway means: allowed, refused, held, rejected. Reads answers only.

use serde_json::Value;

use super::case::Expect;
use crate::wire::Answer;

/// Error codes of the gateway that say something about the server, not about the policy.
const UPSTREAM_CODES: [i64; 2] = [1001, 1002];
/// The gateway's error for a held resource or prompt.
const HELD_CODE: i64 = 1004;
/// Statuses that count for a rejection when a case names none.
const REJECTED: [u16; 1] = [400];

/// The text of a tool result that the gateway made itself.
pub(super) fn refusal(reply: &Value) -> Option<&str> {
    let result = reply.get("result")?;
    let text = result["content"][0]["text"].as_str()?;
    let own = text.starts_with("[POLICY DENIED]") || text.starts_with("[APPROVAL REQUIRED]");
    (result["isError"] == true && own).then_some(text)
}

/// The decision that the gateway attached to its answer.
pub(super) fn decision(reply: &Value) -> &Value {
    let in_result = &reply["result"]["_meta"]["portcullis/decision"];
    if in_result.is_null() { &reply["error"]["data"]["portcullis/decision"] } else { in_result }
}

fn code(reply: &Value) -> Option<i64> {
    reply["error"]["code"].as_i64()
}

/// Whether an answer is of that kind.
pub(super) fn is(answer: &Answer, expect: Expect, statuses: Option<&[u16]>) -> bool {
    let reply = answer.reply();
    let ok = (200..300).contains(&answer.status);
    let error = reply.get("error").is_some();
    match expect {
        Expect::Allow => ok && !error && refusal(&reply).is_none(),
        Expect::Hold => {
            ok && (refusal(&reply).is_some_and(|text| text.starts_with("[APPROVAL REQUIRED]"))
                || code(&reply) == Some(HELD_CODE))
        }
        Expect::Deny => {
            let policy_error = code(&reply).is_some_and(|code| !UPSTREAM_CODES.contains(&code));
            let by_status = answer.status == 200 || answer.status == 404;
            answer.status == 403 || refusal(&reply).is_some() || (by_status && policy_error)
        }
        Expect::Reject => statuses.unwrap_or(&REJECTED).contains(&answer.status),
        Expect::Error => error,
        Expect::Refused => !ok || error || refusal(&reply).is_some(),
    }
}

/// Names of what a list holds, in order; nothing for an answer that is no list.
pub(super) fn listed(reply: &Value) -> Option<Vec<String>> {
    let result = reply.get("result")?;
    let keys = ["tools", "prompts", "resources", "resourceTemplates"];
    let items = keys.iter().find_map(|key| result.get(key)?.as_array())?;
    let name = |item: &Value| {
        let named =
            item.get("uri").or_else(|| item.get("uriTemplate")).or_else(|| item.get("name"));
        named.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    Some(items.iter().map(name).collect())
}

/// An answer in a few words, for a failure.
pub(super) fn shown(answer: &Answer) -> String {
    let text: String = answer.text().chars().take(300).collect();
    format!("HTTP {} {text}", answer.status)
}

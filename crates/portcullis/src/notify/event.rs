//! What a message says: one JSON object, the same for every kind of channel. Arguments are redacted
//! as the audit's are. It stays short however long the call is: what is too long is left out, and its
//! length said.

use policy::{ApprovalState, Kind};
use serde_json::{Value, json};
use store::{DeliveryId, Footing, Occasion, Unannounced};

use super::Notifier;
use crate::clock;

/// Bytes of the redacted arguments that a message carries, at most; longer ones are left out.
const ARGUMENTS_BYTES_MAX: usize = 16 * 1024;
/// Characters of any other text, at most; what is longer is cut.
const TEXT_CHARS_MAX: usize = 2_000;
/// Rules that a message names, at most.
const RULES_MAX: usize = 20;

/// A text, cut where it is long.
fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// The event as JSON text.
pub(super) fn of(
    notifier: &Notifier,
    id: &DeliveryId,
    news: &Unannounced,
    footing: Option<&Footing>,
) -> String {
    let record = &news.record;
    let arguments = gateway::redacted_arguments(notifier.values, &record.arguments);
    let whole = arguments.len() <= ARGUMENTS_BYTES_MAX;
    let shown = whole.then(|| serde_json::from_str::<Value>(&arguments).ok()).flatten();
    let rules: Vec<Value> = record
        .rules
        .iter()
        .take(RULES_MAX)
        .map(|rule| json!({ "rule": short(&rule.rule), "message": short(&rule.message) }))
        .collect();
    let state = match (news.occasion, record.state) {
        (Occasion::Expired, _) => "expired",
        (_, ApprovalState::Pending) => "pending",
        // What became of the approval later is no part of the decision.
        (_, ApprovalState::Approved | ApprovalState::Used) => "approved",
        (_, ApprovalState::Rejected) => "rejected",
    };
    let event = json!({
        "id": id.as_str(),
        "event": news.occasion.as_str(),
        "approval": {
            "id": record.id.as_str(),
            "url": format!("{}/approvals/{}", notifier.console_url, record.id),
            "state": state,
            "server": record.server,
            "kind": match record.kind {
                Kind::Tool => "tool",
                Kind::Resource => "resource",
                Kind::Prompt => "prompt",
            },
            "name": short(&record.name),
            "class": footing.and_then(|footing| footing.class).map(policy::Class::as_str),
            "risk": footing.and_then(|footing| footing.risk).map(policy::Risk::as_str),
            "grant": footing.and_then(|footing| footing.grant.clone()),
            "arguments": shown,
            "arguments_bytes": arguments.len(),
            "rules": rules,
            "rules_count": record.rules.len(),
            "created_at": clock::rfc3339(record.created_at),
            "expires_at": clock::rfc3339(record.expires_at),
            "decided_by": record.decided_by,
            "decided_at": record.decided_at.map(clock::rfc3339),
            "reason": record.decided_reason,
        },
    });
    event.to_string()
}

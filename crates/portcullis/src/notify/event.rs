//! What a message says: one JSON object, the same for every kind of channel. Arguments are redacted
//! as the audit's are.

use policy::{ApprovalState, Kind};
use serde_json::{Value, json};
use store::{DeliveryId, Footing, Occasion, Unannounced};

use super::Notifier;
use crate::clock;

/// The event as JSON text.
pub(super) fn of(
    notifier: &Notifier,
    id: &DeliveryId,
    news: &Unannounced,
    footing: Option<&Footing>,
) -> String {
    let record = &news.record;
    let arguments = gateway::redacted_arguments(notifier.values, &record.arguments);
    let rules: Vec<Value> = record
        .rules
        .iter()
        .map(|rule| json!({ "rule": rule.rule.to_string(), "message": rule.message }))
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
            "name": record.name,
            "class": footing.and_then(|footing| footing.class).map(policy::Class::as_str),
            "risk": footing.and_then(|footing| footing.risk).map(policy::Risk::as_str),
            "grant": footing.and_then(|footing| footing.grant.clone()),
            "arguments": serde_json::from_str::<Value>(&arguments).unwrap_or(Value::Null),
            "rules": rules,
            "created_at": clock::rfc3339(record.created_at),
            "expires_at": clock::rfc3339(record.expires_at),
            "decided_by": record.decided_by,
            "decided_at": record.decided_at.map(clock::rfc3339),
            "reason": record.decided_reason,
        },
    });
    event.to_string()
}

//! A row of the audit as a call that can be judged again.
//!
//! What never lives here: which rows are wanted.

use policy::{Ended, Kind, Reason, RecordedCall, Returned, UnixMillis, Was, Word};
use store::AuditEntry;

/// JSON-RPC errors with which a server says that it did not run a call (POLICY section 5, rule 3).
const NOT_RUN_CODES: [i64; 4] = [-32700, -32600, -32601, -32602];
/// The trace of a refusal that came before policy was asked.
const NO_TRACE: &str = "[]";

/// What a row is to a replay.
#[derive(Debug)]
pub(super) enum Row<'a> {
    /// A call; its tool and the tags of its grant are the caller's to add.
    Call(Box<RecordedCall<'a>>),
    /// A call that no policy judges: refused before or beside it.
    Unjudged,
    /// No call of a tool, resource or prompt.
    NoCall,
}

pub(super) fn row(entry: &AuditEntry) -> Row<'_> {
    let kind = match entry.method.as_deref() {
        Some("tools/call") => Kind::Tool,
        Some("prompts/get") => Kind::Prompt,
        Some("resources/read" | "resources/subscribe") => Kind::Resource,
        Some(_) | None => return Row::NoCall,
    };
    let (Some(name), Some(server)) = (entry.tool.as_deref(), entry.server.as_deref()) else {
        return Row::NoCall;
    };
    let Some(was) = was(entry) else { return Row::Unjudged };
    Row::Call(Box::new(RecordedCall {
        id: &entry.request_id,
        at: entry.time,
        kind,
        name,
        tool: None,
        arguments: entry.arguments_json.as_deref().unwrap_or_default(),
        grant_id: entry.grant_id.as_deref().unwrap_or_default(),
        label: entry.grant.as_deref().unwrap_or_default(),
        tags: None,
        session: entry.session.as_deref(),
        server,
        client: entry.client.as_deref(),
        was,
        ended: ended(entry),
    }))
}

/// What became of the call; `None` where policy did not say it.
fn was(entry: &AuditEntry) -> Option<Was> {
    match entry.verdict.as_str() {
        "allow" => Some(Was { word: Word::Allow, asked: entry.approval_id.is_some() }),
        "hold" => Some(Was { word: Word::Hold, asked: true }),
        "deny" => denied(entry),
        _ => None,
    }
}

fn denied(entry: &AuditEntry) -> Option<Was> {
    if entry.trace_json.as_deref().is_none_or(|trace| trace == NO_TRACE) {
        return None;
    }
    let asked = match entry.reason.as_deref()?.parse().ok()? {
        Reason::ApprovalRequired | Reason::ApprovalRejected | Reason::TooManyPending => true,
        Reason::Hidden
        | Reason::NotListed
        | Reason::ActionDeny
        | Reason::SchemaInvalid
        | Reason::RequireFailed
        | Reason::DenyIfMatched
        | Reason::TypeMismatch
        | Reason::LimitExceeded
        | Reason::NoPolicy
        | Reason::PolicyInvalid => false,
        Reason::StoreUnavailable
        | Reason::Quarantined
        | Reason::AuditUnavailable
        | Reason::Malformed => return None,
    };
    Some(Was { word: Word::Deny, asked })
}

/// How an allowed call ended; the words are those of [`store::AuditOutcome`].
fn ended(entry: &AuditEntry) -> Option<Ended> {
    let returned = match entry.outcome.as_deref()? {
        "error" if entry.error_code.is_some_and(|code| NOT_RUN_CODES.contains(&code)) => {
            Returned::Refused
        }
        // A server that forgot the session says so itself, with a status.
        "not_sent" if entry.upstream_status.is_some() => Returned::Refused,
        "not_sent" => Returned::NeverLeft,
        // Whether it left before it was given up is not recorded.
        "timeout" | "broken" | "cancelled" => Returned::Unknown,
        _ => Returned::No,
    };
    let after = |latency: u64| {
        let latency = i64::try_from(latency).unwrap_or(i64::MAX);
        UnixMillis(entry.time.0.saturating_add(latency))
    };
    Some(Ended { at: entry.latency_ms.map(after), returned })
}

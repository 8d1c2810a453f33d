//! What is written of a decision: an opening row before the call leaves, an outcome row after it.
//!
//! What never lives here: the chain, SQL.

use crate::name::{GrantId, Label, Revision};

/// Whether a row is about a judged call or about a message that was refused unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditKind {
    /// Policy judged it.
    #[default]
    Decision,
    /// The parser contract refused it (GATEWAY section 3); recorded without content.
    Rejected,
}

/// The grant of an audit row: the label is what exports show, the id is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditGrant<'a> {
    /// The grant's identity.
    pub id: &'a GrantId,
    /// Its label at that time.
    pub label: &'a Label,
}

/// The facts known before a call leaves (GATEWAY section 6). The time is the `now` of the operation
/// that writes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditOpen<'a> {
    /// Judged or refused unread.
    pub kind: AuditKind,
    /// The request's id in messages, logs and `_meta`.
    pub request_id: &'a str,
    /// Whose call.
    pub grant: Option<AuditGrant<'a>>,
    /// The server's slug.
    pub server: Option<&'a str>,
    /// The session that the agent holds.
    pub session: Option<&'a str>,
    /// What the client says of itself.
    pub client: Option<&'a str>,
    /// The JSON-RPC method.
    pub method: Option<&'a str>,
    /// The tool's or prompt's name, or the resource's URI.
    pub tool: Option<&'a str>,
    /// The arguments as they may be stored: one valid JSON text, written as it is.
    pub arguments_json: Option<&'a str>,
    /// The policy's name.
    pub policy: Option<&'a str>,
    /// The policy's version.
    pub policy_version: Option<u32>,
    /// The revision of the snapshot that judged.
    pub revision: Revision,
    /// `allow`, `deny` or `hold`.
    pub verdict: &'a str,
    /// The reason word of a deny or hold.
    pub reason: Option<&'a str>,
    /// The rule that decided.
    pub rule: Option<&'a str>,
    /// The message that the agent reads.
    pub message: Option<&'a str>,
    /// The trace: one valid JSON text, written as it is.
    pub trace_json: Option<&'a str>,
    /// The approval that was used or is waited for.
    pub approval_id: Option<&'a str>,
}

/// The facts known after a call ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditOutcome<'a> {
    /// How it ended, in one word: `ok`, `is_error`, `error`, `not_sent`, `timeout`, `broken`,
    /// `cancelled`. A row whose outcome was never written reads as `unknown`.
    pub outcome: &'a str,
    /// HTTP status of the server's answer.
    pub upstream_status: Option<u16>,
    /// JSON-RPC error code of the answer.
    pub error_code: Option<i64>,
    /// Milliseconds from receipt to the end of the answer.
    pub latency_ms: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub answer_bytes: u64,
}

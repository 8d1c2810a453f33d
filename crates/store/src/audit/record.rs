//! What is written of a decision: an opening row before the call leaves, an outcome row after it.
//!
//! What never lives here: the chain, SQL.

use policy::UnixMillis;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::ObjectText;
use crate::name::{GrantId, Label, Revision};

/// Room for a record's keys and punctuation, in bytes; its texts come on top.
const RECORD_KEYS_BYTES: usize = 320;

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

/// What a policy that only observes would have done with a call that it let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditWould<'a> {
    /// `deny` or `hold`.
    pub verdict: &'a str,
    /// The reason word.
    pub reason: &'a str,
    /// The rule.
    pub rule: &'a str,
    /// The message that the agent would have read.
    pub message: &'a str,
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
    /// The risk of that tool at that time: `low`, `medium`, `high` or `critical`.
    pub risk: Option<&'a str>,
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
    /// What would have become of an allowed call if its policy did not only observe; `None` where
    /// that is the same.
    pub would: Option<AuditWould<'a>>,
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

impl AuditKind {
    /// The word in records and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            AuditKind::Decision => "decision",
            AuditKind::Rejected => "rejected",
        }
    }

    /// The kind that a word names.
    pub fn from_word(word: &str) -> Option<AuditKind> {
        [AuditKind::Decision, AuditKind::Rejected].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Whether an opening row is to be followed by an outcome row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// The call leaves.
    Yes,
    /// It was denied, held or refused.
    No,
}

impl AuditOpen<'_> {
    /// The record as it is stored.
    pub(crate) fn to_record(self, leaves: Leaves, now: UnixMillis) -> String {
        let texts = self.arguments_json.map_or(0, str::len)
            + self.trace_json.map_or(0, str::len)
            + self.message.map_or(0, str::len)
            + self.tool.map_or(0, str::len);
        let mut object = ObjectText::with_capacity(RECORD_KEYS_BYTES + texts);
        object.string("kind", self.kind.as_str());
        object.integer("time", now.0);
        object.string("request_id", self.request_id);
        object.optional("grant", self.grant.map(|grant| grant.label.as_str()));
        object.optional("grant_id", self.grant.map(|grant| grant.id.as_str()));
        object.optional("server", self.server);
        object.optional("session", self.session);
        object.optional("client", self.client);
        object.optional("method", self.method);
        object.optional("tool", self.tool);
        object.optional("risk", self.risk);
        object.raw("arguments", self.arguments_json);
        object.optional("policy", self.policy);
        if let Some(version) = self.policy_version {
            object.integer("policy_version", version);
        }
        object.integer("revision", self.revision.0);
        object.string("verdict", self.verdict);
        object.optional("reason", self.reason);
        object.optional("rule", self.rule);
        object.optional("message", self.message);
        object.optional("approval_id", self.approval_id);
        if let Some(would) = self.would {
            object.string("would", would.verdict);
            object.string("would_reason", would.reason);
            object.string("would_rule", would.rule);
            object.string("would_message", would.message);
        }
        if leaves == Leaves::Yes {
            object.integer("leaves", 1);
        }
        object.raw("trace", self.trace_json);
        object.finish()
    }
}

impl AuditOutcome<'_> {
    /// The record as it is stored.
    pub(crate) fn to_record(self, now: UnixMillis) -> String {
        let mut object = ObjectText::with_capacity(RECORD_KEYS_BYTES / 2);
        object.integer("time", now.0);
        object.string("outcome", self.outcome);
        if let Some(status) = self.upstream_status {
            object.integer("upstream_status", status);
        }
        if let Some(code) = self.error_code {
            object.integer("error_code", code);
        }
        object.integer("latency_ms", self.latency_ms);
        object.integer("request_bytes", self.request_bytes);
        object.integer("answer_bytes", self.answer_bytes);
        object.finish()
    }
}

/// An opening record as it is read back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenRecord {
    pub(super) kind: String,
    pub(super) time: i64,
    pub(super) request_id: String,
    pub(super) grant: Option<String>,
    pub(super) grant_id: Option<String>,
    pub(super) server: Option<String>,
    pub(super) session: Option<String>,
    pub(super) client: Option<String>,
    pub(super) method: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) risk: Option<String>,
    pub(super) arguments: Option<Box<RawValue>>,
    pub(super) policy: Option<String>,
    pub(super) policy_version: Option<u32>,
    pub(super) revision: u64,
    pub(super) verdict: String,
    pub(super) reason: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) message: Option<String>,
    pub(super) approval_id: Option<String>,
    pub(super) would: Option<String>,
    pub(super) would_reason: Option<String>,
    pub(super) would_rule: Option<String>,
    pub(super) would_message: Option<String>,
    pub(super) leaves: Option<u8>,
    pub(super) trace: Option<Box<RawValue>>,
}

/// An outcome record as it is read back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomeRecord {
    #[expect(
        dead_code,
        reason = "part of the stored form; the entry shows when the call was judged"
    )]
    time: i64,
    pub(super) outcome: String,
    pub(super) upstream_status: Option<u16>,
    pub(super) error_code: Option<i64>,
    pub(super) latency_ms: u64,
    pub(super) request_bytes: u64,
    pub(super) answer_bytes: u64,
}

//! Reading the audit log: one entry per decision, opening and outcome merged.
//!
//! What never lives here: export formats (CSV, JSON Lines), which belong to the surfaces.

use std::fmt;
use std::str::FromStr;

use policy::UnixMillis;
use thiserror::Error;

use crate::audit::AuditKind;
use crate::error::ReadError;
use crate::store::Store;

/// Entries in one page, at most.
pub const AUDIT_PAGE_ROWS_MAX: usize = 1_000;

/// Which entries; every member that is set must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// The grant's label or id.
    pub grant: Option<String>,
    /// The server's slug.
    pub server: Option<String>,
    /// The tool's or prompt's name, or the resource's URI.
    pub tool: Option<String>,
    /// `allow`, `deny` or `hold`.
    pub verdict: Option<String>,
    /// The reason word.
    pub reason: Option<String>,
    /// Judged or refused unread.
    pub kind: Option<AuditKind>,
    /// The request's id.
    pub request_id: Option<String>,
    /// Not before this instant.
    pub since: Option<UnixMillis>,
    /// Before this instant.
    pub until: Option<UnixMillis>,
}

/// In which order a query walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOrder {
    /// As dashboards show it.
    NewestFirst,
    /// As exports write it.
    OldestFirst,
}

/// Where a page ended: the next one begins behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditCursor(pub(crate) i64);

/// A text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is no cursor of an audit query")]
pub struct CursorError;

impl fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for AuditCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<AuditCursor, CursorError> {
        let seq: i64 = text.parse().map_err(|_not_a_number| CursorError)?;
        if seq >= 0 { Ok(AuditCursor(seq)) } else { Err(CursorError) }
    }
}

/// One decision, opening and outcome merged (the columns of GATEWAY section 6, names not ids).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The position of its opening row in the log.
    pub seq: i64,
    /// Judged or refused unread.
    pub kind: AuditKind,
    /// When the call was judged.
    pub time: UnixMillis,
    /// The request's id.
    pub request_id: String,
    /// The grant's label.
    pub grant: Option<String>,
    /// The grant's id.
    pub grant_id: Option<String>,
    /// The server's slug.
    pub server: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// What the client said of itself.
    pub client: Option<String>,
    /// The JSON-RPC method.
    pub method: Option<String>,
    /// The tool's or prompt's name, or the resource's URI.
    pub tool: Option<String>,
    /// The arguments as stored, a JSON text.
    pub arguments_json: Option<String>,
    /// The policy's name.
    pub policy: Option<String>,
    /// The policy's version.
    pub policy_version: Option<u32>,
    /// The snapshot's revision.
    pub revision: u64,
    /// `allow`, `deny`, `hold`; empty for rejected messages.
    pub verdict: String,
    /// The reason word.
    pub reason: Option<String>,
    /// The rule.
    pub rule: Option<String>,
    /// The message that the agent read.
    pub message: Option<String>,
    /// The trace, a JSON text.
    pub trace_json: Option<String>,
    /// The approval.
    pub approval_id: Option<String>,
    /// How the call ended; `unknown` while it runs and for a call that a crash cut off, `None` for
    /// what never was to leave.
    pub outcome: Option<String>,
    /// HTTP status of the server's answer.
    pub upstream_status: Option<u16>,
    /// JSON-RPC error code of the answer.
    pub error_code: Option<i64>,
    /// Milliseconds from receipt to the end of the answer.
    pub latency_ms: Option<u64>,
    /// Bytes of the request's body.
    pub request_bytes: Option<u64>,
    /// Bytes of the answer's body.
    pub answer_bytes: Option<u64>,
}

/// Some entries, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// The entries, in the order asked for.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` at the end of the log.
    pub next: Option<AuditCursor>,
}

impl Store {
    /// One page of at most `limit` entries (bounded by [`AUDIT_PAGE_ROWS_MAX`]). An export asks
    /// for [`AuditOrder::OldestFirst`] pages until `next` is `None`.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        order: AuditOrder,
        cursor: Option<AuditCursor>,
        limit: usize,
    ) -> Result<AuditPage, ReadError> {
        let _ = (filter, order, cursor, limit);
        Err(ReadError::unbuilt())
    }

    /// The end of the log as of now: an [`AuditOrder::OldestFirst`] query from here on shows only
    /// what is written later.
    pub async fn audit_end(&self) -> Result<AuditCursor, ReadError> {
        Err(ReadError::unbuilt())
    }
}

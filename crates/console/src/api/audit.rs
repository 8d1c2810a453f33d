//! `/api/v1/audit`: pages as JSON, and exports as JSON Lines or CSV, one row per decision.

use std::fmt::Write as _;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{AuditCursor, AuditEntry, AuditFilter, AuditKind, AuditOrder};
use utoipa::{IntoParams, ToSchema};

use super::input::{Params, instant, rfc3339};
use super::problem::Refusal;
use super::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page};
use crate::Console;
use crate::ops::{Actor, OpError, audit};

/// Decisions read from the store at a time while an export streams.
const EXPORT_ROWS: usize = 500;

/// One decision (GATEWAY section 6), names rather than ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// `decision`: a policy judged it; `rejected`: a message that was refused before any policy, without its content.
    kind: &'static str,
    /// When it was decided, RFC 3339, to the millisecond.
    time: String,
    /// The identifier of the call; agents, logs and traces carry it too.
    request_id: String,
    /// The grant's label at that time.
    grant: Option<String>,
    /// The server's name.
    server: Option<String>,
    /// The session that the agent held.
    session: Option<String>,
    /// What the client said of itself.
    client: Option<String>,
    /// The JSON-RPC method.
    method: Option<String>,
    /// The tool's or prompt's name, or the resource's URI.
    tool: Option<String>,
    /// The risk that the tool had when it was called: `low`, `medium`, `high` or `critical`.
    risk: Option<String>,
    /// As the configuration's `[audit] values` says: keys only, redacted, or whole.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Box<RawValue>>,
    /// The policy that judged.
    policy: Option<String>,
    /// The revision of the configuration that judged.
    revision: u64,
    /// `allow`, `deny` or `hold`.
    verdict: String,
    /// Why it was denied or held, in one word.
    reason: Option<String>,
    /// The rule that decided: its `id`, or its place in the policy.
    rule: Option<String>,
    /// The approval that was used, or is waited for.
    approval_id: Option<String>,
    /// What a policy that only observes would have done, where that is not to allow: `deny` or `hold`.
    would: Option<String>,
    /// The reason word of that.
    would_reason: Option<String>,
    /// The rule of that.
    would_rule: Option<String>,
    /// The HTTP status of the server's answer.
    upstream_status: Option<u16>,
    /// Milliseconds from the receipt of the request to the end of the answer.
    latency_ms: Option<u64>,
    /// The version of the policy that judged.
    policy_version: Option<u32>,
    /// What the agent was told.
    message: Option<String>,
    /// How an allowed call ended: `ok`, `is_error`, `error`, `not_sent`, `timeout`, `broken`, `cancelled`; `unknown` while it
    /// runs and after a crash.
    outcome: Option<String>,
    /// The JSON-RPC error code of the answer.
    error_code: Option<i64>,
    /// Every rule that was looked at, and what came of it.
    #[schema(value_type = Option<Object>)]
    trace: Option<Box<RawValue>>,
    /// Bytes of the request's body.
    request_bytes: Option<u64>,
    /// Bytes of the answer's body.
    answer_bytes: Option<u64>,
}

fn raw(text: Option<String>) -> Option<Box<RawValue>> {
    text.and_then(|t| RawValue::from_string(t).ok())
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> AuditView {
        let (would, would_reason, would_rule) = match entry.would {
            Some(would) => (Some(would.verdict), Some(would.reason), Some(would.rule)),
            None => (None, None, None),
        };
        AuditView {
            kind: match entry.kind {
                AuditKind::Decision => "decision",
                AuditKind::Rejected => "rejected",
            },
            time: rfc3339(entry.time),
            request_id: entry.request_id,
            grant: entry.grant,
            server: entry.server,
            session: entry.session,
            client: entry.client,
            method: entry.method,
            tool: entry.tool,
            risk: entry.risk,
            arguments: raw(entry.arguments_json),
            policy: entry.policy,
            revision: entry.revision,
            verdict: entry.verdict,
            reason: entry.reason,
            rule: entry.rule,
            approval_id: entry.approval_id,
            would,
            would_reason,
            would_rule: would_rule.filter(|rule| !rule.is_empty()),
            upstream_status: entry.upstream_status,
            latency_ms: entry.latency_ms,
            policy_version: entry.policy_version,
            message: entry.message,
            outcome: entry.outcome,
            error_code: entry.error_code,
            trace: raw(entry.trace_json),
            request_bytes: entry.request_bytes,
            answer_bytes: entry.answer_bytes,
        }
    }
}

/// The first line of a CSV export.
pub const CSV_HEADER: &str = "kind,time,request_id,grant,server,session,client,method,tool,arguments,policy,revision,verdict,reason,rule,approval_id,upstream_status,latency_ms,would,would_reason,would_rule,risk\n";

/// A CSV field that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe.
pub(super) fn csv_field(out: &mut String, value: &str) {
    // Some spreadsheets read the full-width forms like the plain ones.
    let formula = value.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let quoted = formula || value.contains([',', '"', '\n', '\r']);
    if !quoted {
        out.push_str(value);
        return;
    }
    out.push('"');
    if formula {
        out.push('\'');
    }
    out.push_str(&value.replace('"', "\"\""));
    out.push('"');
}

impl AuditView {
    /// This decision as one line of a CSV export.
    pub fn csv_line(&self) -> String {
        let some = |text: &Option<String>| text.clone().unwrap_or_default();
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let arguments = self.arguments.as_deref().map_or_else(String::new, |a| a.get().to_owned());
        let fields = [
            self.kind.to_owned(),
            self.time.clone(),
            self.request_id.clone(),
            some(&self.grant),
            some(&self.server),
            some(&self.session),
            some(&self.client),
            some(&self.method),
            some(&self.tool),
            arguments,
            some(&self.policy),
            self.revision.to_string(),
            self.verdict.clone(),
            some(&self.reason),
            some(&self.rule),
            some(&self.approval_id),
            number(self.upstream_status.map(u64::from)),
            number(self.latency_ms),
            some(&self.would),
            some(&self.would_reason),
            some(&self.would_rule),
            some(&self.risk),
        ];
        let mut line = String::new();
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                line.push(',');
            }
            csv_field(&mut line, field);
        }
        line.push('\n');
        line
    }

    /// This decision as one line of a JSON Lines export.
    pub fn json_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Which decisions are shown, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// The grant's label or id.
    grant: Option<String>,
    /// The server's name.
    server: Option<String>,
    /// The tool's or prompt's name, or the resource's URI.
    tool: Option<String>,
    /// The risk that the tool had: `low`, `medium`, `high` or `critical`.
    risk: Option<String>,
    /// The policy that judged.
    policy: Option<String>,
    /// `allow`, `deny` or `hold`.
    verdict: Option<String>,
    /// The reason word of a denial or a hold.
    reason: Option<String>,
    /// Any reason word but this one.
    except_reason: Option<String>,
    /// `deny` or `hold`: what a policy that only observes would have done.
    would: Option<String>,
    /// The rule that decided: its `id`, or its place in the policy.
    rule: Option<String>,
    /// What the client said of itself, whole.
    client: Option<String>,
    /// `decision` or `rejected`.
    kind: Option<String>,
    /// The identifier of one call.
    request_id: Option<String>,
    /// RFC 3339, from this instant on.
    since: Option<String>,
    /// RFC 3339, before this instant.
    until: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Items, at most 1,000; 100 where not given. Exports have no limit.
    limit: Option<usize>,
    /// `json` (default: a page, newest first), `jsonl` or `csv` (all rows, oldest first).
    format: Option<String>,
}

impl ListParams {
    fn filter(&self) -> Result<AuditFilter, Refusal> {
        Ok(AuditFilter {
            grant: self.grant.clone(),
            server: self.server.clone(),
            tool: self.tool.clone(),
            risk: self.risk.clone(),
            policy: self.policy.clone(),
            verdict: self.verdict.clone(),
            reason: self.reason.clone(),
            except_reason: self.except_reason.clone(),
            would: self.would.clone(),
            rule: self.rule.clone(),
            client: self.client.clone(),
            kind: match self.kind.as_deref() {
                None => None,
                Some("decision") => Some(AuditKind::Decision),
                Some("rejected") => Some(AuditKind::Rejected),
                Some(_) => return Err(Refusal::invalid("`kind` is decision or rejected")),
            },
            request_id: self.request_id.clone(),
            since: self.since.as_deref().map(|t| instant("since", t)).transpose()?,
            until: self.until.as_deref().map(|t| instant("until", t)).transpose()?,
        })
    }
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Jsonl,
    Csv,
}

pub(super) async fn list(
    State(console): State<Console>,
    actor: Actor,
    Params(params): Params<ListParams>,
) -> Result<Response, Refusal> {
    let filter = params.filter()?;
    let cursor = params.cursor.as_deref().map(str::parse::<AuditCursor>).transpose();
    let cursor = cursor.map_err(|e| Refusal::invalid(e.to_string()))?;
    let format = match params.format.as_deref() {
        None | Some("json") => {
            let limit = params.limit.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, PAGE_ITEMS_MAX);
            let walk = (AuditOrder::NewestFirst, cursor, limit);
            let page = audit::page(&console, &actor, filter, walk).await?;
            let next = page.next.map(|c| c.to_string());
            let items: Vec<_> = page.entries.into_iter().map(AuditView::from).collect();
            return Ok(Json(Page { items, next }).into_response());
        }
        Some("jsonl") => Format::Jsonl,
        Some("csv") => Format::Csv,
        Some(_) => return Err(Refusal::invalid("`format` is json, jsonl or csv")),
    };
    export(console, actor, filter, (cursor, format)).await
}

/// The rows of one page in the export's form.
fn lines(entries: Vec<AuditEntry>, format: Format) -> String {
    let mut text = String::new();
    for entry in entries {
        let view = AuditView::from(entry);
        let line = match format {
            Format::Jsonl => view.json_line(),
            Format::Csv => view.csv_line(),
        };
        let _infallible = write!(text, "{line}");
    }
    text
}

/// Streams all matching rows, oldest first; a page is read when the one before was taken. The first page is read
/// before the answer begins, so that a store that does not answer is still a problem document.
async fn export(
    console: Console,
    actor: Actor,
    filter: AuditFilter,
    (cursor, format): (Option<AuditCursor>, Format),
) -> Result<Response, Refusal> {
    let walk = |cursor| (AuditOrder::OldestFirst, cursor, EXPORT_ROWS);
    let first = audit::page(&console, &actor, filter.clone(), walk(cursor)).await?;
    let mut head = if format == Format::Csv { CSV_HEADER.to_owned() } else { String::new() };
    head.push_str(&lines(first.entries, format));
    let start = (Some(head), first.next);
    let rest = stream::try_unfold(start, move |(ready, next)| {
        let (console, actor, filter) = (console.clone(), actor.clone(), filter.clone());
        async move {
            if let Some(text) = ready {
                return Ok(Some((Bytes::from(text), (None, next))));
            }
            let Some(cursor) = next else { return Ok(None) };
            let page = audit::page(&console, &actor, filter, walk(Some(cursor))).await?;
            let text = Bytes::from(lines(page.entries, format));
            Ok::<_, OpError>(Some((text, (None, page.next))))
        }
    });
    let kind = match format {
        Format::Jsonl => "application/jsonl; charset=utf-8",
        Format::Csv => "text/csv; charset=utf-8",
    };
    Ok(([(header::CONTENT_TYPE, kind)], HttpBody::from_stream(rest)).into_response())
}

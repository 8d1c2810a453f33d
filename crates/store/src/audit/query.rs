//! Reading the audit log: one entry per decision, opening and outcome merged.
//!
//! What never lives here: export formats (CSV, JSON Lines), which belong to the surfaces.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use policy::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::value::RawValue;
use thiserror::Error;

use super::json::push_string;
use super::record::{AuditKind, OpenRecord, OutcomeRecord};
use crate::error::{ReadError, damaged};
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
    /// The risk that the tool had: `low`, `medium`, `high` or `critical`.
    pub risk: Option<String>,
    /// The name of the policy that judged.
    pub policy: Option<String>,
    /// `allow`, `deny` or `hold`.
    pub verdict: Option<String>,
    /// The reason word.
    pub reason: Option<String>,
    /// Any reason but this one, or none.
    pub except_reason: Option<String>,
    /// What a policy that only observes would have done: `deny` or `hold`.
    pub would: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What the client says of itself.
    pub client: Option<String>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct AuditCursor(pub(crate) i64);

impl AuditCursor {
    /// Where a query that walks oldest first meets that row next; `None` if no row has that number.
    pub fn before(seq: i64) -> Option<AuditCursor> {
        (seq > 0).then(|| AuditCursor(seq - 1))
    }
}

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
    /// The risk that the tool had; `None` where it was not known.
    pub risk: Option<String>,
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
    /// What a policy that only observes would have done instead of allowing; `None` where it would
    /// have allowed.
    pub would: Option<AuditWouldEntry>,
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

/// What a policy that only observes would have done ([`super::AuditWould`], read back).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditWouldEntry {
    /// `deny` or `hold`.
    pub verdict: String,
    /// The reason word.
    pub reason: String,
    /// The rule; empty where no rule of a policy decided.
    pub rule: String,
    /// The message that the agent would have read.
    pub message: String,
}

/// Some entries, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditPage {
    /// The entries, in the order asked for.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` at the end of the log.
    pub next: Option<AuditCursor>,
    /// When the call was judged at which the walk stands; `None` before the first.
    pub reached: Option<UnixMillis>,
}

impl AuditEntry {
    /// Where a query goes on behind this entry.
    pub fn cursor(&self) -> AuditCursor {
        AuditCursor(self.seq)
    }
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
        self.flush().await;
        let mut page = AuditPage { next: cursor, ..AuditPage::default() };
        let limit = limit.clamp(1, AUDIT_PAGE_ROWS_MAX);
        self.audit_onto(&mut page, (filter, order), limit, || true).await?;
        Ok(page)
    }

    /// Walks on from `page.next` until the page holds `limit` entries, the log ends, or `goes_on` says no: it is asked
    /// after each read, so one is always made. What was found is in the page, and `page.next` is where the walk goes on.
    pub async fn audit_onto(
        &self,
        page: &mut AuditPage,
        (filter, order): (AuditFilter, AuditOrder),
        limit: usize,
        goes_on: impl Fn() -> bool,
    ) -> Result<(), ReadError> {
        let scan = Arc::new(Scan { needles: filter.needles(), filter, order });
        // A rare match may lie far away: the walk is cut into slices, so that no read holds one
        // state of the database for long. It ends with the log.
        loop {
            let room = limit.saturating_sub(page.entries.len());
            let (scan, from) = (Arc::clone(&scan), page.next);
            let slice = self.read(move |connection| scan.slice(connection, from, room)).await?;
            page.entries.extend(slice.entries);
            page.next = slice.next;
            page.reached = slice.reached.or(page.reached);
            if page.next.is_none() || page.entries.len() >= limit || !goes_on() {
                return Ok(());
            }
        }
    }

    /// The end of the log as of now: an [`AuditOrder::OldestFirst`] query from here on shows only
    /// what is written later.
    pub async fn audit_end(&self) -> Result<AuditCursor, ReadError> {
        self.flush().await;
        self.read(|connection| {
            let sql = "SELECT coalesce(max(seq), 0) FROM audit";
            Ok(AuditCursor(connection.query_row(sql, [], |row| row.get(0))?))
        })
        .await
    }
}

/// Rows that one read walks, at most: some milliseconds of work, after which whoever asked may have enough.
const SLICE_ROWS_MAX: i64 = 4_000;

const OLDEST_FIRST: &str = "SELECT seq, record, outcome, at FROM audit
    WHERE seq > ?1 AND seq < ?2 ORDER BY seq LIMIT ?3";
const NEWEST_FIRST: &str = "SELECT seq, record, outcome, at FROM audit
    WHERE seq > ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
/// Of a call whose outcome did not come soon enough to stand in its own row.
const LATE_OUTCOME: &str = "SELECT record FROM audit_outcome WHERE opening = ?1";

struct Scan {
    filter: AuditFilter,
    needles: Vec<String>,
    order: AuditOrder,
}

impl Scan {
    fn slice(
        &self,
        connection: &Connection,
        from: Option<AuditCursor>,
        room: usize,
    ) -> Result<AuditPage, ReadError> {
        let (mut above, mut below) = self.filter.range(connection)?;
        let sql = match (self.order, from) {
            (AuditOrder::OldestFirst, from) => {
                above = above.max(from.map_or(i64::MIN, |cursor| cursor.0));
                OLDEST_FIRST
            }
            (AuditOrder::NewestFirst, from) => {
                below = below.min(from.map_or(i64::MAX, |cursor| cursor.0));
                NEWEST_FIRST
            }
        };
        let mut statement = connection.prepare_cached(sql)?;
        let mut late = connection.prepare_cached(LATE_OUTCOME)?;
        let mut rows = statement.query((above, below, SLICE_ROWS_MAX))?;
        let mut entries = Vec::new();
        let mut walked = 0;
        let (mut last, mut reached) = (None, None);
        while let Some(row) = rows.next()? {
            walked += 1;
            let seq: i64 = row.get(0)?;
            last = Some(AuditCursor(seq));
            reached = Some(UnixMillis(row.get(3)?));
            let text: String = match row.get_ref(1)?.as_str() {
                Ok(text) if self.needles.iter().all(|needle| text.contains(needle)) => text.into(),
                Ok(_) => continue,
                Err(error) => return Err(damaged("audit row", &seq.to_string(), &error)),
            };
            // Only what is shown is worth a second look-up.
            let outcome = match row.get::<_, Option<String>>(2)?.filter(|text| !text.is_empty()) {
                Some(outcome) => Some(outcome),
                None => late.query_row([seq], |row| row.get(0)).optional()?,
            };
            let entry = read_entry(seq, &text, outcome.as_deref())?;
            if self.filter.matches(&entry) {
                entries.push(entry);
                if entries.len() >= room {
                    return Ok(AuditPage { entries, next: last, reached });
                }
            }
        }
        let next = last.filter(|_cursor| walked >= SLICE_ROWS_MAX);
        Ok(AuditPage { entries, next, reached })
    }
}

impl AuditFilter {
    /// Texts that every matching record holds: records are written in one way, so a record without
    /// them need not be parsed.
    fn needles(&self) -> Vec<String> {
        let members = [
            ("server", &self.server),
            ("tool", &self.tool),
            ("risk", &self.risk),
            ("policy", &self.policy),
            ("verdict", &self.verdict),
            ("reason", &self.reason),
            ("would", &self.would),
            ("rule", &self.rule),
            ("client", &self.client),
            ("request_id", &self.request_id),
        ];
        let mut needles: Vec<String> = members
            .into_iter()
            .filter_map(|(key, value)| value.as_ref().map(|value| needle(key, value)))
            .collect();
        needles.extend(self.kind.map(|kind| needle("kind", kind.as_str())));
        needles
    }

    /// The rows that can match by time: those with a seq between the two, which are not included.
    pub(super) fn range(&self, connection: &Connection) -> Result<(i64, i64), ReadError> {
        let above = match self.since {
            Some(since) => first_at(connection, since.0)?.saturating_sub(1),
            None => 0,
        };
        let below = match self.until {
            Some(until) => {
                let sql = "SELECT clock_back_ms FROM audit_head WHERE id = 1";
                let back: i64 = connection.query_row(sql, [], |row| row.get(0))?;
                first_at(connection, until.0.saturating_add(back))?
            }
            None => i64::MAX,
        };
        Ok((above, below))
    }

    fn matches(&self, entry: &AuditEntry) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let grant = self.grant.as_deref().is_none_or(|wanted| {
            entry.grant.as_deref() == Some(wanted) || entry.grant_id.as_deref() == Some(wanted)
        });
        grant
            && same(&self.server, entry.server.as_deref())
            && same(&self.tool, entry.tool.as_deref())
            && same(&self.risk, entry.risk.as_deref())
            && same(&self.policy, entry.policy.as_deref())
            && same(&self.verdict, Some(&entry.verdict))
            && same(&self.reason, entry.reason.as_deref())
            && (self.except_reason.is_none() || self.except_reason != entry.reason)
            && same(&self.would, entry.would.as_ref().map(|would| would.verdict.as_str()))
            && same(&self.rule, entry.rule.as_deref())
            && same(&self.client, entry.client.as_deref())
            && same(&self.request_id, Some(&entry.request_id))
            && self.kind.is_none_or(|kind| kind == entry.kind)
            && self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time < until)
    }
}

fn needle(key: &str, value: &str) -> String {
    let mut needle = format!("\"{key}\":");
    push_string(&mut needle, value);
    needle
}

/// The lowest seq of an opening whose time column is not before `at`, or one behind the last: a
/// binary search, because the column never goes back.
fn first_at(connection: &Connection, at: i64) -> Result<i64, rusqlite::Error> {
    let last = "SELECT coalesce(max(seq), 0) FROM audit";
    let mut low: i64 = 1;
    let mut high: i64 =
        connection.query_row(last, [], |row| row.get::<_, i64>(0))?.saturating_add(1);
    let mut next = connection
        .prepare_cached("SELECT seq, at FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    while low < high {
        let middle = low.midpoint(high);
        let found: Option<(i64, i64)> =
            next.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some((seq, time)) if time < at => low = seq.saturating_add(1),
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

fn read_entry(seq: i64, open: &str, outcome: Option<&str>) -> Result<AuditEntry, ReadError> {
    let damage = |why: &dyn fmt::Display| damaged("audit row", &seq.to_string(), why);
    let open: OpenRecord = serde_json::from_str(open).map_err(|error| damage(&error))?;
    let outcome: Option<OutcomeRecord> =
        outcome.map(serde_json::from_str).transpose().map_err(|error| damage(&error))?;
    let kind = AuditKind::from_word(&open.kind).ok_or_else(|| damage(&"unknown kind"))?;
    let ended = match (&outcome, open.leaves) {
        (Some(outcome), _) => Some(outcome.outcome.clone()),
        (None, Some(_)) => Some("unknown".into()),
        (None, None) => None,
    };
    let raw = |value: Option<Box<RawValue>>| value.map(|value| value.get().to_owned());
    Ok(AuditEntry {
        seq,
        kind,
        time: UnixMillis(open.time),
        request_id: open.request_id,
        grant: open.grant,
        grant_id: open.grant_id,
        server: open.server,
        session: open.session,
        client: open.client,
        method: open.method,
        tool: open.tool,
        risk: open.risk,
        arguments_json: raw(open.arguments),
        policy: open.policy,
        policy_version: open.policy_version,
        revision: open.revision,
        verdict: open.verdict,
        reason: open.reason,
        rule: open.rule,
        message: open.message,
        trace_json: raw(open.trace),
        approval_id: open.approval_id,
        would: open.would.map(|verdict| AuditWouldEntry {
            verdict,
            reason: open.would_reason.unwrap_or_default(),
            rule: open.would_rule.unwrap_or_default(),
            message: open.would_message.unwrap_or_default(),
        }),
        outcome: ended,
        upstream_status: outcome.as_ref().and_then(|outcome| outcome.upstream_status),
        error_code: outcome.as_ref().and_then(|outcome| outcome.error_code),
        latency_ms: outcome.as_ref().map(|outcome| outcome.latency_ms),
        request_bytes: outcome.as_ref().map(|outcome| outcome.request_bytes),
        answer_bytes: outcome.as_ref().map(|outcome| outcome.answer_bytes),
    })
}

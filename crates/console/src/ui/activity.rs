//! Activity: calls and what became of them. The filter stands in the address, so that a view can be sent to somebody.
//!
//! What never lives here: one call as a whole (`call`), new ones as they come (`live`).

use std::fmt::Write as _;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use policy::UnixMillis;
use serde::Deserialize;
use store::{AuditCursor, AuditEntry, AuditFilter, AuditKind, AuditOrder};

use super::look::{self, Badge, When, filters, rfc3339};
use super::page::{Frame, Place, Trouble, encoded, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::{audit, chain};
use crate::ui::address::Query;

/// Calls on one page.
const ROWS: usize = 100;

/// The filter as it stands in the address. Empty members are as if they were not there: a form sends all of its fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    verdict: String,
    risk: String,
    server: String,
    tool: String,
    grant: String,
    client: String,
    reason: String,
    rule: String,
    request: String,
    /// How far back, such as `24h`; or an instant.
    since: String,
    until: String,
    before: String,
    /// Where a live view begins: behind this row.
    pub(super) after: String,
}

/// The reason of a call that a limit had no room for.
const LIMITED: &str = "limit_exceeded";

/// How far back a filter may ask with a word, and that word, in hours.
const SPANS: [(&str, &str, i64); 4] = [
    ("1h", "Last hour", 1),
    ("24h", "Last 24 hours", 24),
    ("7d", "Last 7 days", 168),
    ("30d", "Last 30 days", 720),
];

/// What the choice of verdicts offers: its word in the address, for people, and as verdict and reason.
const VERDICTS: [(&str, &str); 7] = [
    ("allow", "Allowed"),
    ("deny", "Denied"),
    ("limited", "Limited"),
    ("hold", "Held"),
    ("refused", "Refused unread"),
    ("observed-deny", "Would be denied"),
    ("observed-hold", "Would be held"),
];

/// The same of risks.
const RISKS: [(&str, &str); 4] =
    [("critical", "Critical"), ("high", "High"), ("medium", "Medium"), ("low", "Low")];

impl Asked {
    /// The filter of the store.
    pub(super) fn filter(&self, now: UnixMillis) -> Result<AuditFilter, Trouble> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut filter = AuditFilter {
            grant: some(&self.grant),
            server: some(&self.server),
            tool: some(&self.tool),
            risk: risk(&self.risk)?,
            policy: None,
            verdict: None,
            reason: some(&self.reason),
            except_reason: None,
            client: some(&self.client),
            rule: some(&self.rule),
            would: None,
            kind: None,
            request_id: some(&self.request),
            since: instant(&self.since, now)?,
            until: instant(&self.until, now)?,
        };
        match self.verdict.as_str() {
            "" => {}
            "limited" => {
                filter.verdict = some("deny");
                filter.reason = some(LIMITED);
            }
            // What a limit had no room for is called limited everywhere, and counted apart. Whoever asks for a
            // reason asks for that one.
            "deny" => {
                filter.verdict = some("deny");
                filter.except_reason = self.reason.is_empty().then(|| LIMITED.to_owned());
            }
            "observed-deny" => filter.would = some("deny"),
            "observed-hold" => filter.would = some("hold"),
            "refused" => filter.kind = Some(AuditKind::Rejected),
            verdict @ ("allow" | "hold") => filter.verdict = some(verdict),
            other => return Err(wrong(&format!("there is no verdict `{other}`"))),
        }
        Ok(filter)
    }

    /// The address of the same view, with another place to begin at.
    fn address(&self, path: &str, before: &str) -> String {
        self.placed(path, ("before", before))
    }

    /// Where the same view goes on as calls come, behind `end`.
    pub(super) fn live(&self, end: AuditCursor) -> String {
        self.placed("/activity/events", ("after", &end.to_string()))
    }

    fn placed(&self, path: &str, place: (&str, &str)) -> String {
        let members = [
            ("verdict", self.verdict.as_str()),
            ("risk", &self.risk),
            ("server", &self.server),
            ("tool", &self.tool),
            ("grant", &self.grant),
            ("client", &self.client),
            ("reason", &self.reason),
            ("rule", &self.rule),
            ("request", &self.request),
            ("since", &self.since),
            ("until", &self.until),
            place,
        ];
        with_query(path, &members)
    }

    fn api_address(filter: &AuditFilter, format: &str) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let time = |at: Option<UnixMillis>| at.map(rfc3339).unwrap_or_default();
        let kind = filter.kind.map(AuditKind::as_str).unwrap_or_default();
        let members = [
            ("format", format),
            ("verdict", &text(&filter.verdict)),
            ("risk", &text(&filter.risk)),
            ("server", &text(&filter.server)),
            ("tool", &text(&filter.tool)),
            ("grant", &text(&filter.grant)),
            ("client", &text(&filter.client)),
            ("reason", &text(&filter.reason)),
            ("except_reason", &text(&filter.except_reason)),
            ("would", &text(&filter.would)),
            ("rule", &text(&filter.rule)),
            ("request_id", &text(&filter.request_id)),
            ("kind", kind),
            ("since", &time(filter.since)),
            ("until", &time(filter.until)),
        ];
        with_query("/api/v1/audit", &members)
    }

    fn is_filtered(&self) -> bool {
        self.address("", "").len() > 1
    }
}

/// An address with those members of a query that say something.
fn with_query(path: &str, members: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let mut mark = '?';
    for (name, value) in members.iter().filter(|(_, value)| !value.is_empty()) {
        let _infallible = write!(address, "{mark}{name}={}", encoded(value));
        mark = '&';
    }
    address
}

fn wrong(what: &str) -> Trouble {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Trouble::new(status, "This filter cannot be read", what)
}

/// A risk of a filter by its word.
fn risk(text: &str) -> Result<Option<String>, Trouble> {
    match text {
        "" => Ok(None),
        word if RISKS.iter().any(|(known, _name)| *known == word) => Ok(Some(word.to_owned())),
        other => Err(wrong(&format!("there is no risk `{other}`"))),
    }
}

/// An instant of a filter: a span back from now (`90m`, `24h`, `7d`), or RFC 3339.
fn instant(text: &str, now: UnixMillis) -> Result<Option<UnixMillis>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    let unit = |suffix: char, millis: i64| {
        let count: i64 = text.strip_suffix(suffix)?.parse().ok()?;
        Some(UnixMillis(now.0.saturating_sub(count.checked_mul(millis)?)))
    };
    let back = unit('m', 60_000).or_else(|| unit('h', 3_600_000)).or_else(|| unit('d', 86_400_000));
    let read = back.or_else(|| {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(UnixMillis(at.as_millisecond()))
    });
    read.map(Some).ok_or_else(|| {
        wrong(&format!("`{text}` is no time: write `24h`, `7d` or `2027-01-01T00:00:00Z`"))
    })
}

/// A call as a line of a table.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) seq: i64,
    pub(super) when: When,
    pub(super) badge: Badge,
    /// What a policy that only observes would have done.
    pub(super) would: Option<Badge>,
    pub(super) server: String,
    pub(super) tool: String,
    pub(super) grant: String,
    pub(super) client: String,
    /// Why: the reason, or how it ended.
    pub(super) why: String,
    /// The rule that decided.
    pub(super) rule: String,
    pub(super) latency: String,
}

impl Line {
    pub(super) fn of(entry: &AuditEntry, now: UnixMillis) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let ended = entry.outcome.as_deref().filter(|word| *word != "ok").unwrap_or_default();
        let would = entry.would.as_ref();
        let reason = would.map(|would| &would.reason).or(entry.reason.as_ref());
        let rule = would.map(|would| &would.rule).or(entry.rule.as_ref());
        let why = reason.map_or(ended, |word| look::reason(word)).to_owned();
        Self {
            seq: entry.seq,
            when: When::new(entry.time, now),
            badge: Badge::verdict(&entry.verdict, entry.reason.as_deref()),
            would: would.map(|would| Badge::would(&would.verdict)),
            server: text(&entry.server),
            tool: entry.tool.clone().or_else(|| entry.method.clone()).unwrap_or_default(),
            grant: text(&entry.grant),
            client: text(&entry.client),
            why,
            rule: rule.cloned().unwrap_or_default(),
            latency: entry.latency_ms.map_or_else(String::new, |ms| format!("{ms} ms")),
        }
    }

    /// The rule without the tool, which stands beside it already.
    fn rule_here(&self) -> &str {
        let rest = self.rule.strip_prefix("/tools/");
        let rest = rest.and_then(|rest| rest.strip_prefix(self.tool.as_str()));
        rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or(&self.rule)
    }
}

/// Lines of the table alone, for the page and for the live view.
#[derive(Debug, Template)]
#[template(path = "activity_lines.html")]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
}

/// A template escapes what is in it by itself.
impl HtmlSafe for Lines {}

#[derive(Debug, Template)]
#[template(path = "activity.html")]
struct Activity {
    frame: Frame,
    asked: Asked,
    lines: Lines,
    filtered: bool,
    /// The way to older calls.
    older: Option<String>,
    /// How far back the search came before its time was up.
    searched: Option<When>,
    newest: Option<String>,
    events: String,
    jsonl: String,
    csv: String,
    /// What is known of the log's chain.
    chain: Badge,
}

impl Activity {
    fn verdicts(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        VERDICTS.into_iter().map(|(word, name)| (word, name, self.asked.verdict == word))
    }

    fn risks(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        RISKS.into_iter().map(|(word, name)| (word, name, self.asked.risk == word))
    }

    fn spans(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        SPANS.into_iter().map(|(word, name, _)| (word, name, self.asked.since == word))
    }

    /// Whether one of the fields says something that stand behind "More".
    fn asks_further(&self) -> bool {
        let asked = [&self.asked.client, &self.asked.rule, &self.asked.reason];
        asked.iter().any(|field| !field.is_empty())
    }

    fn has_own_span(&self) -> bool {
        !self.asked.since.is_empty() && !SPANS.iter().any(|(word, ..)| *word == self.asked.since)
    }
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    let filter = asked.filter(now)?;
    let cursor = cursor(&asked.before)?;
    let reading = (AuditOrder::NewestFirst, cursor, ROWS);
    // Taken before the calls are read: what comes in between stands in both, and the page shows it once.
    let end = audit::end(&console, &visitor.actor).await?;
    let (chain, ..) = super::health::told(&chain::last(&console, &visitor.actor)?);
    let jsonl = Asked::api_address(&filter, "jsonl");
    let csv = Asked::api_address(&filter, "csv");
    let found = audit::soon(&console, &visitor.actor, filter, reading).await?;
    let frame = Frame::of(&console, &visitor, Place::Activity, "Activity").await?;
    let lines = found.entries.iter().map(|entry| Line::of(entry, now)).collect();
    let is_short = found.next.is_some() && found.entries.len() < ROWS;
    let searched = found.reached.filter(|_at| is_short).map(|at| When::new(at, now));
    let older = found.next.map(|next| asked.address("/activity", &next.to_string()));
    let newest = cursor.map(|_somewhere| asked.address("/activity", ""));
    Ok(shown(&Activity {
        filtered: asked.is_filtered(),
        older,
        searched,
        newest,
        events: asked.live(end),
        chain,
        jsonl,
        csv,
        frame,
        asked,
        lines: Lines { lines },
    }))
}

pub(super) fn cursor(text: &str) -> Result<Option<AuditCursor>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_unparsable| wrong("the place to begin at is none of ours"))
}

#[cfg(test)]
mod tests;

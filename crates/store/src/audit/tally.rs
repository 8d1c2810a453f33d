//! How many decisions there were, by hour and by what became of them: the log read once from a place on, so that whoever
//! remembers the place counts nothing twice.
//!
//! What never lives here: what was counted before.

use std::borrow::Cow;
use std::collections::BTreeMap;

use policy::UnixMillis;
use rusqlite::Connection;
use serde::Deserialize;

use super::query::{AuditCursor, AuditFilter};
use crate::error::{ReadError, damaged};
use crate::store::Store;

/// Rows that one read counts, at most: some milliseconds of work, after which whoever asked may not wait for more.
const SLICE_ROWS_MAX: i64 = 2_000;
/// Milliseconds of an hour.
const HOUR_MILLIS: i64 = 3_600_000;

/// What became of calls, as a count of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Allowed.
    pub allowed: u64,
    /// Denied for another reason than a limit.
    pub denied: u64,
    /// Denied because a limit had no room.
    pub limited: u64,
    /// Held for a person.
    pub held: u64,
    /// Refused before anything was judged: of kind `rejected`.
    pub refused: u64,
}

impl AuditCounts {
    /// Adds others to these.
    pub fn add(&mut self, others: AuditCounts) {
        self.allowed = self.allowed.saturating_add(others.allowed);
        self.denied = self.denied.saturating_add(others.denied);
        self.limited = self.limited.saturating_add(others.limited);
        self.held = self.held.saturating_add(others.held);
        self.refused = self.refused.saturating_add(others.refused);
    }

    /// All of them.
    pub fn all(self) -> u64 {
        let others = [self.denied, self.limited, self.held, self.refused];
        others.into_iter().fold(self.allowed, u64::saturating_add)
    }
}

/// Counts of a part of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditTally {
    /// By the hour in which they were judged, counted from 1970.
    pub hours: BTreeMap<i64, AuditCounts>,
    /// Where the count goes on.
    pub next: AuditCursor,
    /// Whether the end of the log was reached.
    pub is_complete: bool,
}

/// The members that a count needs; the others are skipped.
#[derive(Deserialize)]
struct Counted<'a> {
    time: i64,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

impl Store {
    /// Counts the decisions behind `after` that are not older than `since`: some at a time, so that no read holds one state
    /// of the database for long.
    pub async fn audit_tally(
        &self,
        after: AuditCursor,
        since: UnixMillis,
    ) -> Result<AuditTally, ReadError> {
        self.flush().await;
        self.read(move |connection| slice(connection, after, since)).await
    }
}

fn slice(
    connection: &Connection,
    after: AuditCursor,
    since: UnixMillis,
) -> Result<AuditTally, ReadError> {
    let (above, _below) =
        AuditFilter { since: Some(since), ..AuditFilter::default() }.range(connection)?;
    let from = above.max(after.0);
    let mut statement = connection
        .prepare_cached("SELECT seq, record FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = statement.query((from, SLICE_ROWS_MAX))?;
    let mut tally = AuditTally { next: AuditCursor(from), ..AuditTally::default() };
    let mut walked = 0;
    while let Some(row) = rows.next()? {
        walked += 1;
        let seq: i64 = row.get(0)?;
        tally.next = AuditCursor(seq);
        let text = row.get_ref(1)?.as_str();
        let text = text.map_err(|error| damaged("audit row", &seq.to_string(), &error))?;
        let counted: Counted<'_> = serde_json::from_str(text)
            .map_err(|error| damaged("audit row", &seq.to_string(), &error))?;
        if counted.time >= since.0 {
            let hour = tally.hours.entry(counted.time.div_euclid(HOUR_MILLIS)).or_default();
            hour.add(counted.counts());
        }
    }
    tally.is_complete = walked < SLICE_ROWS_MAX;
    Ok(tally)
}

impl Counted<'_> {
    fn counts(&self) -> AuditCounts {
        let none = AuditCounts::default();
        match (&*self.verdict, self.reason.as_deref()) {
            ("allow", _) => AuditCounts { allowed: 1, ..none },
            ("hold", _) => AuditCounts { held: 1, ..none },
            ("deny", Some("limit_exceeded")) => AuditCounts { limited: 1, ..none },
            ("deny", _) => AuditCounts { denied: 1, ..none },
            _ => AuditCounts { refused: 1, ..none },
        }
    }
}

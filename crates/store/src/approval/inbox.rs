//! Lists of requests for people: what waits, by urgency, and what is over, newest first; a page at a
//! time and bounded in bytes, because an agent chooses how long its arguments are.
//!
//! What never lives here: deciding, what an agent's call finds.

use policy::{ApprovalId, ApprovalRecord, ApprovalState, AskRule, Kind, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, named_params};

use super::rows::{self, COLUMNS};
use super::{APPROVALS_PAGE_ROWS_MAX, ApprovalFilter, Footing, footing, state_word};
use crate::error::ReadError;
use crate::store::Store;

/// Arguments in one page of whole requests, in bytes: a page ends behind the one that reaches this.
pub const APPROVALS_PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How a list of requests runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalOrder {
    /// As they were made, the newest first.
    NewestFirst,
    /// What ends first stands first.
    UrgentFirst,
}

/// A request with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalShown {
    /// The request.
    pub record: ApprovalRecord,
    /// What it stands on.
    pub footing: Footing,
}

/// Some requests, and whether the list goes on behind the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalPage {
    /// The requests, at least one unless there is none.
    pub calls: Vec<ApprovalShown>,
    /// Whether more come.
    pub more: bool,
}

/// A request in a list: without its arguments, which stand where it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCall {
    /// Its id.
    pub id: ApprovalId,
    /// The id of the grant.
    pub grant: String,
    /// The server's slug.
    pub server: String,
    /// What is asked for.
    pub kind: Kind,
    /// The tool's name, or the beginning of a prompt's name or a resource's URI.
    pub name: String,
    /// Every rule that an approval would waive.
    pub rules: Vec<AskRule>,
    /// Where it stands.
    pub state: ApprovalState,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it is over.
    pub expires_at: UnixMillis,
    /// Who decided it.
    pub decided_by: Option<String>,
    /// What it stands on.
    pub footing: Footing,
}

/// Which requests an inbox shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxPart {
    /// Those that wait for a person; what ends first stands first.
    Waiting,
    /// Those that were decided or are over, the newest first.
    Over,
}

/// One page of an inbox, all of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// The requests.
    pub calls: Vec<HeldCall>,
    /// Whether more come behind the last of them.
    pub more: bool,
    /// How many wait in all.
    pub waiting: u64,
    /// Requests made so far: what has a higher number came later.
    pub last_number: i64,
}

/// What waits at one instant, for pages that are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingNow {
    /// How many wait in all.
    pub waiting: u64,
    /// How many of them were made after the page.
    pub newer: u64,
    /// Those from the page's beginning on, by urgency, at most as many as were asked for.
    pub ids: Vec<ApprovalId>,
}

/// Without what may be long: arguments, and the ends of URIs. Tools go by their whole name.
fn short_columns() -> String {
    let name = "CASE kind WHEN 'tool' THEN name ELSE substr(name, 1, 500) END AS name,";
    COLUMNS.replace("arguments,", "'' AS arguments,").replace("name,", name)
}

/// Where a list goes on: behind this instant, and at the same instant behind this number.
type Place = (i64, i64);

/// Where a list by urgency begins behind a request; what is over does not come back.
fn place(
    connection: &Connection,
    after: Option<&ApprovalId>,
    now: UnixMillis,
) -> Result<Place, ReadError> {
    let beginning = (now.0, i64::MAX);
    let Some(after) = after else { return Ok(beginning) };
    let found = spot(connection, after)?;
    Ok(found.filter(|(at, _)| *at > now.0).unwrap_or(beginning))
}

fn spot(connection: &Connection, id: &ApprovalId) -> Result<Option<Place>, ReadError> {
    let sql = "SELECT expires_at, number FROM approvals WHERE id = ?1";
    let row = connection
        .prepare_cached(sql)?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
}

fn rows_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

const WAITING: &str = "WHERE state = 'pending' AND (expires_at, number) > (:at, :number)
    ORDER BY expires_at, number LIMIT :limit";

/// The requests of a page and one more, if there is one, as far as the bytes go; and whether the list
/// goes on.
fn collect(
    statement: &mut rusqlite::Statement<'_>,
    values: &[(&str, &dyn rusqlite::ToSql)],
    limit: usize,
) -> Result<(Vec<ApprovalRecord>, bool), ReadError> {
    let mut found = Vec::new();
    let mut bytes: usize = 0;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        if found.len() >= limit || bytes >= APPROVALS_PAGE_BYTES_MAX {
            return Ok((found, true));
        }
        let record = rows::read(row)??;
        bytes = bytes.saturating_add(record.arguments.len()).saturating_add(record.name.len());
        found.push(record);
    }
    Ok((found, false))
}

fn waiting(
    connection: &Connection,
    columns: &str,
    (at, number): Place,
    limit: usize,
) -> Result<(Vec<ApprovalRecord>, bool), ReadError> {
    let mut statement = connection.prepare_cached(&format!("{columns} {WAITING}"))?;
    let one_more = rows_limit(limit.saturating_add(1));
    let values = named_params! { ":at": at, ":number": number, ":limit": one_more };
    collect(&mut statement, values, limit)
}

/// Whole requests, newest first.
pub(super) fn newest(
    connection: &Connection,
    filter: &ApprovalFilter,
    limit: usize,
    now: UnixMillis,
) -> Result<(Vec<ApprovalRecord>, bool), ReadError> {
    let sql = format!(
        "{COLUMNS} WHERE (:state IS NULL OR state = :state)
            AND (:live_at IS NULL OR expires_at > :live_at)
            AND (:grant IS NULL OR grant_id = :grant)
            AND (:before IS NULL
                OR number < (SELECT number FROM approvals WHERE id = :before))
        ORDER BY number DESC LIMIT :limit"
    );
    let live_at = match filter.state {
        Some(ApprovalState::Pending | ApprovalState::Approved) => Some(now.0),
        Some(ApprovalState::Rejected | ApprovalState::Used) | None => None,
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let values = named_params! {
        ":state": filter.state.map(state_word),
        ":live_at": live_at,
        ":grant": filter.grant,
        ":before": filter.before.as_ref().map(ApprovalId::as_str),
        ":limit": rows_limit(limit.saturating_add(1)),
    };
    collect(&mut statement, values, limit)
}

fn over(
    connection: &Connection,
    before: Option<&ApprovalId>,
    limit: usize,
    now: UnixMillis,
) -> Result<(Vec<ApprovalRecord>, bool), ReadError> {
    let sql = format!(
        "{} WHERE (state <> 'pending' OR expires_at <= :now)
            AND (:before IS NULL
                OR number < (SELECT number FROM approvals WHERE id = :before))
        ORDER BY number DESC LIMIT :limit",
        short_columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let values = named_params! {
        ":now": now.0,
        ":before": before.map(ApprovalId::as_str),
        ":limit": rows_limit(limit.saturating_add(1)),
    };
    collect(&mut statement, values, limit)
}

fn count(connection: &Connection, above: i64, now: UnixMillis) -> Result<u64, ReadError> {
    let sql = "SELECT count(*) FROM approvals
        WHERE state = 'pending' AND expires_at > ?1 AND number > ?2";
    let count: i64 = connection.prepare_cached(sql)?.query_row((now.0, above), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

fn in_list(
    connection: &Connection,
    record: ApprovalRecord,
    now: UnixMillis,
) -> Result<HeldCall, ReadError> {
    let footing = footing::of(connection, &record, now)?;
    Ok(HeldCall {
        id: record.id,
        grant: record.grant,
        server: record.server,
        kind: record.kind,
        name: record.name,
        rules: record.rules,
        state: record.state,
        created_at: record.created_at,
        expires_at: record.expires_at,
        decided_by: record.decided_by,
        footing,
    })
}

impl Store {
    /// Whole requests, at most `limit` (bounded by [`APPROVALS_PAGE_ROWS_MAX`]) and
    /// [`APPROVALS_PAGE_BYTES_MAX`] of arguments. By urgency, a list is of what waits, and of the
    /// filter only where the page before ended counts.
    pub async fn standing(
        &self,
        filter: ApprovalFilter,
        order: ApprovalOrder,
        limit: usize,
        now: UnixMillis,
    ) -> Result<ApprovalPage, ReadError> {
        let limit = limit.min(APPROVALS_PAGE_ROWS_MAX);
        self.read(move |connection| {
            let (records, more) = match order {
                ApprovalOrder::NewestFirst => newest(connection, &filter, limit, now)?,
                ApprovalOrder::UrgentFirst => {
                    let place = place(connection, filter.before.as_ref(), now)?;
                    waiting(connection, COLUMNS, place, limit)?
                }
            };
            let standing = |record| {
                let footing = footing::of(connection, &record, now)?;
                Ok(ApprovalShown { record, footing })
            };
            let calls = records.into_iter().map(standing).collect::<Result<_, ReadError>>()?;
            Ok(ApprovalPage { calls, more })
        })
        .await
    }

    /// One page of the inbox, behind `after`, at most `limit` (bounded by
    /// [`APPROVALS_PAGE_ROWS_MAX`]).
    pub async fn inbox(
        &self,
        part: InboxPart,
        after: Option<ApprovalId>,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Inbox, ReadError> {
        let limit = limit.min(APPROVALS_PAGE_ROWS_MAX);
        self.read(move |connection| {
            let (records, more) = match part {
                InboxPart::Waiting => {
                    let place = place(connection, after.as_ref(), now)?;
                    waiting(connection, &short_columns(), place, limit)?
                }
                InboxPart::Over => over(connection, after.as_ref(), limit, now)?,
            };
            let calls = records
                .into_iter()
                .map(|record| in_list(connection, record, now))
                .collect::<Result<_, _>>()?;
            let sql = "SELECT coalesce(max(number), 0) FROM approvals";
            let last_number = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            let waiting = count(connection, i64::MIN, now)?;
            Ok(Inbox { calls, more, waiting, last_number })
        })
        .await
    }

    /// How many requests wait.
    pub async fn waiting_count(&self, now: UnixMillis) -> Result<u64, ReadError> {
        self.read(move |connection| count(connection, i64::MIN, now)).await
    }

    /// What waits, for a page that began behind `after` when `number` requests had been made; at most
    /// `limit` ids (bounded by [`APPROVALS_PAGE_ROWS_MAX`]).
    pub async fn waiting_now(
        &self,
        (after, number): (Option<ApprovalId>, i64),
        limit: usize,
        now: UnixMillis,
    ) -> Result<WaitingNow, ReadError> {
        let limit = limit.min(APPROVALS_PAGE_ROWS_MAX);
        self.read(move |connection| {
            let (at, behind) = place(connection, after.as_ref(), now)?;
            let mut statement =
                connection.prepare_cached(&format!("SELECT id FROM approvals {WAITING}"))?;
            let values =
                named_params! { ":at": at, ":number": behind, ":limit": rows_limit(limit) };
            let ids = statement.query_map(values, |row| row.get::<_, String>(0))?;
            let ids = ids
                .filter_map(|id| id.map(|id| id.parse::<ApprovalId>().ok()).transpose())
                .collect::<Result<_, _>>()?;
            let waiting = count(connection, i64::MIN, now)?;
            Ok(WaitingNow { waiting, newer: count(connection, number, now)?, ids })
        })
        .await
    }

    /// The requests that wait before and behind this one, by urgency. Of one that waits no more: none,
    /// and the most urgent.
    pub async fn waiting_beside(
        &self,
        id: &ApprovalId,
        now: UnixMillis,
    ) -> Result<(Option<ApprovalId>, Option<ApprovalId>), ReadError> {
        let id = id.clone();
        self.read(move |connection| {
            let one = |sql: &str, (at, number): Place| -> Result<Option<ApprovalId>, ReadError> {
                let found: Option<String> = connection
                    .prepare_cached(sql)?
                    .query_row((at, number, now.0), |row| row.get(0))
                    .optional()?;
                Ok(found.and_then(|id| id.parse().ok()))
            };
            let record = rows::get(connection, &id)?;
            let spot = spot(connection, &id)?;
            let behind = "SELECT id FROM approvals WHERE state = 'pending' AND expires_at > ?3
                AND (expires_at, number) > (?1, ?2) ORDER BY expires_at, number LIMIT 1";
            let Some(spot) = spot.filter(|_| record.is_some_and(|one| one.is_pending(now))) else {
                return Ok((None, one(behind, (now.0, i64::MAX))?));
            };
            let before = "SELECT id FROM approvals WHERE state = 'pending' AND expires_at > ?3
                AND (expires_at, number) < (?1, ?2)
                ORDER BY expires_at DESC, number DESC LIMIT 1";
            Ok((one(before, spot)?, one(behind, spot)?))
        })
        .await
    }

    /// The request like this one (the same grant, server and name) that somebody approved last, not
    /// later than this one was decided.
    pub async fn approved_before(
        &self,
        record: &ApprovalRecord,
    ) -> Result<Option<ApprovalRecord>, ReadError> {
        let (id, kind) = (record.id.clone(), record.kind);
        let until = record.decided_at.map_or(i64::MAX, |at| at.0);
        let (grant, server, name) =
            (record.grant.clone(), record.server.clone(), record.name.clone());
        self.read(move |connection| {
            let sql = format!(
                "{COLUMNS} WHERE grant_id = ?1 AND server = ?2 AND name = ?3
                    AND decided_at IS NOT NULL AND decided_at <= ?4 AND kind = ?5
                    AND state IN ('approved', 'used') AND id <> ?6
                ORDER BY decided_at DESC, number DESC LIMIT 1"
            );
            let values = (grant, server, name, until, kind.as_str(), id.as_str());
            let found =
                connection.prepare_cached(&sql)?.query_row(values, rows::read).optional()?;
            found.transpose()
        })
        .await
    }
}

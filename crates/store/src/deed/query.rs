//! Reading deeds, newest first.

use policy::UnixMillis;
use rusqlite::Row;

use super::Deed;
use crate::error::{ReadError, damaged};
use crate::name::{Actor, NameError};
use crate::store::Store;

/// Deeds of one page, at most.
pub const DEEDS_PAGE_ROWS_MAX: usize = 1_000;

/// A deed as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeedRecord {
    /// Its position; it counts on without gaps.
    pub seq: i64,
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: Actor,
    /// From where: an address, `terminal`, `configuration file`; empty for the process itself.
    pub from: String,
    /// What.
    pub deed: Deed,
    /// To what or whom; empty where the deed says it all.
    pub object: String,
    /// What else is to be known of it; no secret.
    pub detail: String,
}

/// Which deeds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeedFilter {
    /// Those of one actor, such as `user:ada@example.com`.
    pub actor: Option<String>,
    /// Those of one kind.
    pub deed: Option<Deed>,
    /// Those to one object.
    pub object: Option<String>,
    /// From this instant on.
    pub since: Option<UnixMillis>,
    /// Before this position.
    pub before: Option<i64>,
}

/// Some deeds, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeedPage {
    /// The deeds.
    pub deeds: Vec<DeedRecord>,
    /// The position before which the next page begins; `None` on the last one.
    pub next: Option<i64>,
}

const FIND: &str = "SELECT seq, at, actor, came_from, deed, object, detail FROM deeds
    WHERE (?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR deed = ?2) AND (?3 IS NULL OR object = ?3)
        AND (?4 IS NULL OR at >= ?4) AND (?5 IS NULL OR seq < ?5)
    ORDER BY seq DESC LIMIT ?6";

impl Store {
    /// Deeds that match, newest first, at most `limit` (bounded by [`DEEDS_PAGE_ROWS_MAX`]).
    pub async fn deeds(&self, filter: DeedFilter, limit: usize) -> Result<DeedPage, ReadError> {
        let limit = limit.clamp(1, DEEDS_PAGE_ROWS_MAX);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(FIND)?;
            let asked = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
            let of = (
                filter.actor,
                filter.deed.map(Deed::as_str),
                filter.object,
                filter.since.map(|since| since.0),
                filter.before,
                asked,
            );
            let rows = statement.query_map(of, read)?;
            let mut deeds: Vec<DeedRecord> =
                rows.map(|row| row?).collect::<Result<_, ReadError>>()?;
            let more = deeds.len() > limit;
            deeds.truncate(limit);
            let next = deeds.last().filter(|_| more).map(|last| last.seq);
            Ok(DeedPage { deeds, next })
        })
        .await
    }
}

fn read(row: &Row<'_>) -> Result<Result<DeedRecord, ReadError>, rusqlite::Error> {
    let seq: i64 = row.get(0)?;
    let (actor, deed): (String, String) = (row.get(2)?, row.get(4)?);
    let parsed =
        || -> Result<(Actor, Deed), NameError> { Ok((Actor::parse(&actor)?, deed.parse()?)) };
    let (actor, deed) = match parsed() {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(damaged("deed", &seq.to_string(), &error))),
    };
    Ok(Ok(DeedRecord {
        seq,
        at: UnixMillis(row.get(1)?),
        actor,
        from: row.get(3)?,
        deed,
        object: row.get(5)?,
        detail: row.get(6)?,
    }))
}

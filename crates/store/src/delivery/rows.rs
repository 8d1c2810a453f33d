//! Messages as rows: SQL and the reading of what it returns.
//!
//! What never lives here: when a message is tried again.

use policy::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use super::{
    Attempted, DELIVERIES_WAITING_MAX, Delivery, DeliveryFilter, DeliveryId, DeliveryState,
    NewDelivery, Occasion, Unannounced,
};
use crate::approval::matching;
use crate::error::ReadError;

const COLUMNS: &str = "SELECT number, id, channel, event, subject, payload, state, attempts,
    next_at, last_status, last_error, made_at, ended_at FROM deliveries ";

const INSERT: &str = "INSERT INTO deliveries (id, channel, event, subject, payload, state,
    attempts, next_at, last_error, made_at, ended_at)
    VALUES (:id, :channel, :event, :subject, :payload, :state, 0, :now, :error, :now, :ended_at)
    ON CONFLICT DO NOTHING";

/// Why a message is given up before it was tried.
const NO_ROOM: &str = "as many messages of this channel wait already as may";

/// Whether the channel was told of the request, or that nobody asked for it.
const KNOWN: &str = "EXISTS (SELECT 1 FROM deliveries AS d WHERE d.channel = :channel
    AND d.event = :event AND d.subject = a.id)";

/// Writes a message that is not there yet.
pub(super) fn insert(
    connection: &Connection,
    new: &NewDelivery,
    now: UnixMillis,
) -> Result<(), rusqlite::Error> {
    let full = new.state == DeliveryState::Pending && is_full(connection, &new.channel)?;
    let state = if full { DeliveryState::Failed } else { new.state };
    let pending = state == DeliveryState::Pending;
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":id": new.id.as_str(),
        ":channel": new.channel,
        ":event": new.occasion.as_str(),
        ":subject": new.subject.as_ref().map(policy::ApprovalId::as_str),
        ":payload": if pending { &*new.payload } else { "" },
        ":state": state.as_str(),
        ":now": now.0,
        ":error": full.then_some(NO_ROOM),
        ":ended_at": (!pending).then_some(now.0),
    })?;
    Ok(())
}

/// Whether as many messages of a channel wait as may.
fn is_full(connection: &Connection, channel: &str) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM deliveries
        WHERE state = 'pending' AND channel = ?1 LIMIT ?2)";
    let waiting: u32 = connection
        .prepare_cached(sql)?
        .query_row((channel, DELIVERIES_WAITING_MAX), |row| row.get(0))?;
    Ok(waiting >= DELIVERIES_WAITING_MAX)
}

/// What a channel was not told.
pub(super) fn unannounced(
    connection: &Connection,
    channel: &str,
    limit: usize,
    now: UnixMillis,
) -> Result<Vec<Unannounced>, ReadError> {
    let requested = KNOWN.replace(":event", ":requested");
    let condition = |occasion: Occasion| match occasion {
        Occasion::Requested | Occasion::Test => {
            "a.state = 'pending' AND a.expires_at > :now AND :requested <> ''".to_owned()
        }
        Occasion::Decided => {
            format!(
                "a.decided_at IS NOT NULL AND a.state <> 'pending' AND :now > 0 AND {requested}"
            )
        }
        Occasion::Expired => {
            format!("a.state = 'pending' AND a.expires_at <= :now AND {requested}")
        }
    };
    let mut found = Vec::new();
    for occasion in Occasion::ALL {
        let sql = format!("{} AND NOT {KNOWN} ORDER BY a.number LIMIT :limit", condition(occasion));
        let left = i64::try_from(limit.saturating_sub(found.len())).unwrap_or(i64::MAX);
        let records = matching(
            connection,
            &sql,
            &[
                (":channel", &channel),
                (":event", &occasion.as_str()),
                (":requested", &Occasion::Requested.as_str()),
                (":now", &now.0),
                (":limit", &left),
            ],
        )?;
        found.extend(records.into_iter().map(|record| Unannounced { occasion, record }));
    }
    Ok(found)
}

/// What is to be sent by now.
pub(super) fn due(
    connection: &Connection,
    channel: &str,
    limit: usize,
    now: UnixMillis,
) -> Result<Vec<Delivery>, ReadError> {
    let sql = format!(
        "{COLUMNS} WHERE state = 'pending' AND channel = ?1 AND next_at <= ?2
         ORDER BY next_at, number LIMIT ?3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((channel, now.0, limit), read)?;
    rows.map(|row| row?).collect()
}

/// When something is to be sent next.
pub(super) fn next(
    connection: &Connection,
    channel: &str,
) -> Result<Option<UnixMillis>, ReadError> {
    let sql = "SELECT min(next_at) FROM deliveries WHERE state = 'pending' AND channel = ?1";
    let next = connection
        .prepare_cached(sql)?
        .query_row([channel], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(next.flatten().map(UnixMillis))
}

/// Notes how an attempt went.
pub(super) fn ended(
    connection: &Connection,
    id: &DeliveryId,
    attempted: &Attempted,
    now: UnixMillis,
) -> Result<(), rusqlite::Error> {
    let sql = "UPDATE deliveries SET state = :state, next_at = :next, last_status = :status,
        last_error = :error, ended_at = :ended,
        payload = CASE WHEN :ended IS NULL THEN payload ELSE '' END
        WHERE id = :id AND state = 'pending'";
    let (state, next, status, error) = match attempted {
        Attempted::Delivered(status) => (DeliveryState::Delivered, now, Some(*status), None),
        Attempted::Again(at, status, error) => (DeliveryState::Pending, *at, *status, Some(error)),
        Attempted::GivenUp(status, error) => (DeliveryState::Failed, now, *status, Some(error)),
    };
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": id.as_str(),
        ":state": state.as_str(),
        ":next": next.0,
        ":status": status,
        ":error": error,
        ":ended": (state != DeliveryState::Pending).then_some(now.0),
    })?;
    Ok(())
}

/// Messages for the log.
pub(super) fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    limit: usize,
) -> Result<Vec<Delivery>, ReadError> {
    let sql = format!(
        "{COLUMNS} WHERE state <> 'skipped' AND (:channel IS NULL OR channel = :channel)
         AND (:before IS NULL OR number < :before) ORDER BY number DESC LIMIT :limit"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(
        named_params! {
            ":channel": filter.channel,
            ":before": filter.before,
            ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
        },
        read,
    )?;
    rows.map(|row| row?).collect()
}

/// Reads a row; the outer error is the database's, the inner one that of a damaged record.
fn read(row: &Row<'_>) -> Result<Result<Delivery, ReadError>, rusqlite::Error> {
    let id: String = row.get("id")?;
    let (event, state): (String, String) = (row.get("event")?, row.get("state")?);
    let states = [
        DeliveryState::Pending,
        DeliveryState::Delivered,
        DeliveryState::Failed,
        DeliveryState::Skipped,
    ];
    let known =
        Occasion::parse(&event).zip(states.into_iter().find(|known| known.as_str() == state));
    let Some((occasion, state)) = known else {
        let why = format!("unknown event {event:?} or state {state:?}");
        return Ok(Err(ReadError::Damaged { what: "delivery", name: id, why }));
    };
    Ok(Ok(Delivery {
        number: row.get("number")?,
        id: DeliveryId(id),
        channel: row.get("channel")?,
        occasion,
        subject: row.get("subject")?,
        payload: row.get("payload")?,
        state,
        attempts: row.get("attempts")?,
        next_at: UnixMillis(row.get("next_at")?),
        last_status: row.get("last_status")?,
        last_error: row.get("last_error")?,
        made_at: UnixMillis(row.get("made_at")?),
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(UnixMillis),
    }))
}

//! New calls as they are judged, for views that are open. Each view follows the log at its own pace: a browser that is slow
//! loses rows and is told how many, and the gateway waits for none of it.
//!
//! What never lives here: how a row looks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use askama::Template as _;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use store::{AuditCursor, AuditEntry, AuditFilter, AuditOrder, TokenHash};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::activity::{Asked, Line, Lines, cursor};
use super::page::Trouble;
use super::visitor::Visitor;
use crate::Console;
use crate::ops::{Actor, OpError, accounts, audit};
use crate::ui::address::Query;

/// Views that are open at a time: each takes a connection of the console.
const VIEWS_MAX: usize = 64;
/// Those of one person that are open at a time.
const VIEWS_OF_ONE_MAX: usize = 12;
/// How often the log is looked at while somebody watches, in milliseconds.
const LOOK_MILLIS: u64 = 500;
/// Rows that one look shows, at most; older ones are lost to the view.
const LOOK_ROWS_MAX: usize = 200;
/// Rows read at a time.
const READ_ROWS: usize = 1_000;
/// How often a look reads on before it leaps to the end of the log.
const LOOK_READS_MAX: usize = 20;
/// A view says that it is still there every so many seconds.
const ALIVE_SECONDS: u64 = 15;
/// Looks until a view is closed. The browser opens it anew where it was, if its session still lives.
const LOOKS_MAX: usize = 120;

/// Places for views.
#[derive(Debug, Clone)]
pub struct Views {
    all: Arc<Semaphore>,
    /// How many views each of those has open who have any.
    of_each: Arc<Mutex<HashMap<store::Actor, usize>>>,
}

impl Default for Views {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(VIEWS_MAX)), of_each: Arc::default() }
    }
}

/// The place of one view; it is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ViewPlace {
    _of_all: OwnedSemaphorePermit,
    views: Views,
    who: store::Actor,
}

impl Views {
    /// A place for one view, if there is one and not too many are theirs: nobody takes those of all others.
    pub(crate) fn place(&self, actor: &Actor) -> Option<ViewPlace> {
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let own = of_each.entry(actor.name.clone()).or_default();
        if *own >= VIEWS_OF_ONE_MAX {
            return None;
        }
        *own = own.saturating_add(1);
        Some(ViewPlace { _of_all: of_all, views: self.clone(), who: actor.name.clone() })
    }
}

impl Drop for ViewPlace {
    fn drop(&mut self) {
        let mut of_each = self.views.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = of_each.get_mut(&self.who) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                of_each.remove(&self.who);
            }
        }
    }
}

/// One view of the log's end.
struct View {
    console: Console,
    actor: Actor,
    session: TokenHash,
    filter: AuditFilter,
    cursor: AuditCursor,
    looks: usize,
    /// Whether the browser knows where it is: it then comes back to that place, also if no call was shown.
    is_placed: bool,
    _place: ViewPlace,
}

/// What a look found.
#[derive(Debug, Default)]
struct Seen {
    rows: Vec<AuditEntry>,
    lost: usize,
    /// Whether more are lost than were counted.
    is_beyond: bool,
}

/// The stream of a view: `call` with a row of the table, `lost` with how many rows it does not get (`1000+`: and more).
/// It begins behind the row that the browser had last, else behind the one that the page names, else at the end.
pub(super) async fn events(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let filter = asked.filter((console.clock)())?;
    let Some(place) = console.views.place(&visitor.actor) else {
        let text = format!(
            "{VIEWS_OF_ONE_MAX} live views of yours are open, or {VIEWS_MAX} of everybody, and each takes a \
             connection."
        );
        return Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "Too many live views", text));
    };
    let shown = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let cursor = match (shown.and_then(|id| id.parse().ok()), cursor(&asked.after)?) {
        (Some(cursor), _) | (None, Some(cursor)) => cursor,
        (None, None) => audit::end(&console, &visitor.actor).await?,
    };
    let (actor, session) = (visitor.actor, visitor.session);
    let (looks, is_placed) = (0, false);
    let view = View { console, actor, session, filter, cursor, looks, is_placed, _place: place };
    let events = stream::unfold(Some(view), |view| async {
        let mut view = view?;
        let events = view.next().await;
        let next = events.is_some().then_some(view);
        Some((stream::iter(events.unwrap_or_default().into_iter().map(Ok::<_, Infallible>)), next))
    });
    let events = futures_util::StreamExt::flatten(events);
    let alive = KeepAlive::new().interval(Duration::from_secs(ALIVE_SECONDS));
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

impl View {
    /// The next events; `None` when the view ends.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if !self.is_placed {
            self.is_placed = true;
            return Some(vec![self.place()]);
        }
        while self.looks < LOOKS_MAX {
            self.looks += 1;
            if !accounts::goes_on(&self.console, &self.actor, self.session).await {
                return None;
            }
            // A store that is away ends the view: the browser says so, and tries again.
            let seen = self.look().await.ok()?;
            if !seen.rows.is_empty() || seen.lost > 0 || seen.is_beyond {
                return Some(self.events(&seen));
            }
            sleep(Duration::from_millis(LOOK_MILLIS)).await;
            if self.looks == LOOKS_MAX {
                return Some(vec![self.place()]);
            }
        }
        None
    }

    /// Says where the view is, and nothing else.
    fn place(&self) -> Event {
        Event::default().id(self.cursor.to_string())
    }

    async fn look(&mut self) -> Result<Seen, OpError> {
        let mut seen = Seen::default();
        let end = audit::end(&self.console, &self.actor).await?;
        for _read in 0..LOOK_READS_MAX {
            let walk = (AuditOrder::OldestFirst, Some(self.cursor), READ_ROWS);
            let page = audit::page(&self.console, &self.actor, self.filter.clone(), walk).await?;
            let full = page.entries.len() >= READ_ROWS;
            self.cursor = page.entries.last().map_or(self.cursor, AuditEntry::cursor);
            seen.rows.extend(page.entries);
            let over = seen.rows.len().saturating_sub(LOOK_ROWS_MAX);
            seen.lost += over;
            seen.rows.drain(..over);
            if !full {
                // What does not match is not looked at again.
                self.cursor = self.cursor.max(end);
                return Ok(seen);
            }
        }
        // Too far behind to count them all.
        seen.is_beyond = true;
        self.cursor = audit::end(&self.console, &self.actor).await?;
        Ok(seen)
    }

    fn events(&self, seen: &Seen) -> Vec<Event> {
        let now = (self.console.clock)();
        let more = if seen.is_beyond { "+" } else { "" };
        let lost = (seen.lost > 0 || seen.is_beyond)
            .then(|| Event::default().event("lost").data(format!("{}{more}", seen.lost)));
        let rows = seen.rows.iter().map(|entry| {
            let lines = Lines { lines: vec![Line::of(entry, now)] };
            // A row is one line of text: hostile names hold no line breaks that are not shown as such.
            let html = lines.render().unwrap_or_default().replace(['\n', '\r'], " ");
            Event::default().event("call").id(entry.cursor().to_string()).data(html)
        });
        lost.into_iter().chain(rows).collect()
    }
}

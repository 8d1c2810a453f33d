//! Which calls wait, for pages that are open: the whole list of identifiers whenever it changed. The
//! page works out what is new and what is gone; a slow browser misses steps and nothing else.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use policy::ApprovalState;
use serde_json::json;
use store::ApprovalFilter;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::super::page::Trouble;
use super::super::visitor::Visitor;
use crate::Console;
use crate::ops::{Actor, OpError, approvals};

/// A view says that it is still there every so many seconds.
const ALIVE_SECONDS: u64 = 15;
/// How long a change is waited for before the list is looked at all the same, in seconds: requests
/// end without a change.
const LOOK_SECONDS: u64 = 5;
/// Looks until a view is closed. The browser opens it anew, if its session still lives.
const LOOKS_MAX: usize = 60;

struct View {
    console: Console,
    actor: Actor,
    changes: watch::Receiver<u64>,
    told: Option<String>,
    looks: usize,
    _place: OwnedSemaphorePermit,
}

/// The stream of a view: `pending` with the identifiers of the calls that wait.
pub(crate) async fn events(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    let Some(place) = console.views.place() else {
        let text = "As many live views are open as there may be.";
        return Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "Too many live views", text));
    };
    let changes = console.store.approval_changes();
    let actor = visitor.actor;
    let view = View { console, actor, changes, told: None, looks: 0, _place: place };
    let events = stream::unfold(view, |mut view| async {
        let event = view.next().await?;
        Some((Ok::<_, Infallible>(event), view))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(ALIVE_SECONDS));
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

impl View {
    /// The next list that differs from the one before; `None` when the view ends.
    async fn next(&mut self) -> Option<Event> {
        while self.looks < LOOKS_MAX {
            self.looks += 1;
            self.changes.borrow_and_update();
            // A store that is away ends the view: the browser says so, and tries again.
            let list = self.list().await.ok()?;
            if self.told.as_ref() != Some(&list) {
                self.told = Some(list.clone());
                return Some(Event::default().event("pending").data(list));
            }
            let wait = timeout(Duration::from_secs(LOOK_SECONDS), self.changes.changed()).await;
            if matches!(wait, Ok(Err(_))) {
                return None;
            }
        }
        None
    }

    async fn list(&self) -> Result<String, OpError> {
        let filter =
            ApprovalFilter { state: Some(ApprovalState::Pending), ..ApprovalFilter::default() };
        let limit = super::PENDING_ROWS_MAX;
        let pending = approvals::list(&self.console, &self.actor, filter, limit).await?;
        let ids: Vec<&str> = pending.iter().map(|record| record.id.as_str()).collect();
        Ok(json!(ids).to_string())
    }
}

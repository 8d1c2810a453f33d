//! Which calls wait, for pages that are open: how it stands now, whenever that changed, and never what
//! happened in between. The page works out what is new and what is gone; a slow browser misses steps
//! and nothing else, and nobody waits for it.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use policy::ApprovalId;
use serde::Deserialize;
use serde_json::json;
use store::TokenHash;
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::live::ViewPlace;
use super::super::page::Trouble;
use super::super::visitor::Visitor;
use crate::Console;
use crate::ops::{Actor, OpError, accounts, approvals};
use crate::ui::address::Query;

/// A view says that it is still there every so many seconds.
const ALIVE_SECONDS: u64 = 15;
/// How long a change is waited for before the list is looked at all the same, in seconds: requests
/// end without a change.
const LOOK_SECONDS: u64 = 5;
/// Calls of a page that are looked after; a page shows fewer.
const WATCHED_MAX: usize = 400;
/// Looks until a view is closed. The browser opens it anew, if its session still lives.
const LOOKS_MAX: usize = 60;

/// What a page looks after.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Looked {
    /// How many requests had been made when the page was: news are those of a higher number.
    #[serde(default)]
    pub(super) number: i64,
    /// Behind which call the page begins.
    #[serde(default)]
    pub(super) after: Option<String>,
    /// The page of this one call.
    #[serde(default)]
    pub(super) id: Option<String>,
}

/// The same, as read.
enum Subject {
    Page(Option<ApprovalId>, i64),
    Call(ApprovalId),
}

struct View {
    console: Console,
    actor: Actor,
    subject: Subject,
    session: TokenHash,
    changes: watch::Receiver<u64>,
    told: Option<String>,
    looks: usize,
    _place: ViewPlace,
}

/// The stream of a view. Of a page `pending` says how many wait (`waiting`), how many of them came
/// after the page (`newer`), and the first `ids` from its beginning on (all, if `all`); of a call,
/// whether it waits, and the tag of what it stands on.
pub(crate) async fn events(
    State(console): State<Console>,
    visitor: Visitor,
    Query(looked): Query<Looked>,
) -> Result<Response, Trouble> {
    let id = |text: &Option<String>| text.as_deref().map(super::id_of).transpose();
    let subject = match id(&looked.id)? {
        Some(id) => Subject::Call(id),
        None => Subject::Page(id(&looked.after)?, looked.number),
    };
    let Some(place) = console.views.place(&visitor.actor) else {
        let text = "As many live views are open as there may be, of everybody or of yours.";
        return Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "Too many live views", text));
    };
    let changes = console.store.approval_changes();
    let (actor, session) = (visitor.actor, visitor.session);
    let view =
        View { console, actor, session, subject, changes, told: None, looks: 0, _place: place };
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
            if !accounts::goes_on(&self.console, &self.actor, self.session).await {
                return None;
            }
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
        let (console, actor) = (&self.console, &self.actor);
        let state = match &self.subject {
            Subject::Page(after, number) => {
                let since = (after.clone(), *number);
                let now = approvals::waiting_now(console, actor, since, WATCHED_MAX).await?;
                let ids: Vec<&str> = now.ids.iter().map(ApprovalId::as_str).collect();
                let all = ids.len() < WATCHED_MAX;
                json!({ "waiting": now.waiting, "newer": now.newer, "ids": ids, "all": all })
            }
            Subject::Call(id) => {
                let footing = approvals::footing(console, actor, id).await?;
                let record = approvals::get(console, actor, id).await?;
                let waits = record.is_pending((console.clock)());
                json!({ "waits": waits, "tag": footing.tag.as_str() })
            }
        };
        Ok(state.to_string())
    }
}

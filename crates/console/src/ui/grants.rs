//! Grants: the list, making one, and one with what can be done about it.
//!
//! What never lives here: what a grant can call (`inventory`).

mod connect;
mod new;
mod one;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use policy::UnixMillis;
use serde::Deserialize;
use store::GrantRecord;

use super::look::{Badge, When, filters};
use super::page::{Frame, Place, Trouble, encoded, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::inventory::is_live;
use crate::ops::{Permission, grants};
use crate::ui::address::Query;

pub(super) use connect::first_call;
pub(super) use new::{create, form};
pub(super) use one::{attach, revoke, rotate, show as one};

/// Grants of one page.
const PAGE_GRANTS: usize = 100;
/// A grant that ends sooner than this is pointed out: a week, in milliseconds.
const SOON_MS: i64 = 7 * 24 * 3_600_000;

/// Which grants.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// A part of the label.
    #[serde(default)]
    q: String,
    /// A server's slug.
    #[serde(default)]
    server: String,
    /// `live` (also without it), `ended` or `all`.
    #[serde(default)]
    state: String,
    /// How many grants stood on the pages before.
    #[serde(default)]
    from: usize,
}

impl Asked {
    fn is_filtered(&self) -> bool {
        !(self.q.is_empty() && self.server.is_empty() && self.state.is_empty())
    }

    fn takes(&self, grant: &GrantRecord, now: UnixMillis) -> bool {
        let needle = self.q.to_lowercase();
        let state = match self.state.as_str() {
            "ended" => !is_live(grant, now),
            "all" => true,
            _ => is_live(grant, now),
        };
        state
            && (self.server.is_empty() || self.server == grant.server.as_str())
            && (needle.is_empty() || grant.label.as_str().to_lowercase().contains(&needle))
    }
}

/// How a grant is.
fn state(grant: &GrantRecord, now: UnixMillis) -> Badge {
    match (grant.revoked_at, grant.expires_at) {
        (Some(_), _) => Badge::state("bad", "Revoked"),
        (None, Some(end)) if end <= now => Badge::state("neutral", "Expired"),
        (None, _) if grant.policy.is_none() => Badge::state("warn", "No policy: denies all"),
        (None, Some(end)) if end.0.saturating_sub(now.0) < SOON_MS => {
            Badge::state("warn", "Ends soon")
        }
        (None, _) => Badge::state("ok", "Active"),
    }
}

/// One line of the list.
#[derive(Debug)]
struct Line {
    label: String,
    address: String,
    server: String,
    policy: Option<String>,
    state: Badge,
    expires: Option<When>,
    used: Option<When>,
    tags: Vec<String>,
    managed: bool,
}

#[derive(Debug, Template)]
#[template(path = "grants.html")]
struct Grants {
    frame: Frame,
    asked: Asked,
    lines: Vec<Line>,
    any: bool,
    found: usize,
    next: Option<String>,
}

/// The list.
pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    let all = grants::list(&console, &visitor.actor).await?;
    let used = grants::uses(&console, &visitor.actor).await?;
    let taken: Vec<&GrantRecord> = all.iter().rev().filter(|g| asked.takes(g, now)).collect();
    let page = taken.iter().skip(asked.from).take(PAGE_GRANTS);
    let lines = page.map(|grant| Line {
        label: grant.label.to_string(),
        address: format!("/grants/{}", encoded(grant.id.as_str())),
        server: grant.server.to_string(),
        policy: grant.policy.as_ref().map(ToString::to_string),
        state: state(grant, now),
        expires: grant.expires_at.map(|end| When::new(end, now)),
        used: used.get(grant.id.as_str()).map(|at| When::new(*at, now)),
        tags: grant.tags.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        managed: grant.managed_by_file,
    });
    let lines = lines.collect();
    let end = asked.from.saturating_add(PAGE_GRANTS);
    let next = (end < taken.len()).then(|| {
        let (q, server, state) = (encoded(&asked.q), encoded(&asked.server), encoded(&asked.state));
        format!("/grants?q={q}&server={server}&state={state}&from={end}")
    });
    let page = Grants {
        frame: Frame::of(&console, &visitor, Place::Grants, "Grants").await?,
        any: !all.is_empty(),
        found: taken.len(),
        lines,
        asked,
        next,
    };
    Ok(shown(&page))
}

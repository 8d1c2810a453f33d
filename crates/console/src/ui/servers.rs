//! Servers: the list, and one server with its tools, its secrets by name, its settings and a test of its connection.
//!
//! What never lives here: adding one (`setup`), changed definitions (`tools`).

mod one;

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use policy::Risk;
use serde::Deserialize;
use store::{PinLine, PinState, ServerRecord, Transport};

use super::look::{Badge, filters};
use super::page::{Frame, Place, Trouble, encoded, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::inventory::is_live;
use crate::ops::{Permission, grants, servers};
use crate::ui::address::Query;

pub(super) use one::{class, credentials, remove, settings, show as one, test};

/// How many tools of one risk a server has.
#[derive(Debug)]
pub(super) struct RiskCount {
    pub(super) badge: Badge,
    pub(super) count: usize,
}

/// The risks of tools, the highest first.
pub(super) fn by_risk<'a>(lines: impl IntoIterator<Item = &'a PinLine>) -> Vec<RiskCount> {
    let mut counts: BTreeMap<Option<Risk>, usize> = BTreeMap::new();
    for line in lines {
        let count = counts.entry(line.risk).or_default();
        *count = count.saturating_add(1);
    }
    let counts = counts.into_iter().rev();
    counts.map(|(risk, count)| RiskCount { badge: risk_badge(risk), count }).collect()
}

/// A risk, or that it is not known.
pub(super) fn risk_badge(risk: Option<Risk>) -> Badge {
    Badge::risk(risk.map_or("unknown", Risk::as_str))
}

/// How a server is reached, for people: its URL, or its program without the arguments, which may be secret.
pub(super) fn reached(record: &ServerRecord) -> String {
    match &record.transport {
        Transport::Http { url, .. } => url.clone(),
        Transport::Stdio { command, .. } => command.first().cloned().unwrap_or_default(),
    }
}

/// One line of the list.
#[derive(Debug)]
struct Line {
    slug: String,
    address: String,
    kind: &'static str,
    reached: String,
    state: Badge,
    /// Why the gateway does not reach it.
    trouble: Option<String>,
    tools: usize,
    waiting: usize,
    risks: Vec<RiskCount>,
    grants: usize,
    managed: bool,
}

#[derive(Debug, Template)]
#[template(path = "servers.html")]
struct Servers {
    frame: Frame,
    lines: Vec<Line>,
}

/// What the page before has done.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    told: Option<String>,
}

/// The list.
pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Told>,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    let records = servers::list(&console, &visitor.actor).await?;
    let tools = servers::lines(&console, &visitor.actor, None).await?;
    let grants = grants::list(&console, &visitor.actor).await?;
    let troubles = troubles(&console);
    let lines = records.iter().map(|record| {
        let own: Vec<&PinLine> = tools.iter().filter(|line| line.server == record.slug).collect();
        let waiting = own.iter().filter(|line| line.state == PinState::Quarantined).count();
        Line {
            slug: record.slug.to_string(),
            address: format!("/servers/{}", encoded(record.slug.as_str())),
            kind: match record.transport {
                Transport::Http { .. } => "HTTP",
                Transport::Stdio { .. } => "Program",
            },
            reached: reached(record),
            state: state(own.len(), waiting),
            trouble: troubles.get(record.slug.as_str()).cloned(),
            tools: own.len(),
            waiting,
            risks: by_risk(own.iter().copied()),
            grants: grants.iter().filter(|g| g.server == record.slug && is_live(g, now)).count(),
            managed: record.managed_by_file,
        }
    });
    let lines = lines.collect();
    let told = asked.told.as_deref().filter(|told| *told == "removed");
    let frame = Frame::of(&console, &visitor, Place::Servers, "Servers").await?;
    let frame = frame.telling(told.map(|_| "The server is removed, with its grants.".to_owned()));
    Ok(shown(&Servers { frame, lines }))
}

/// Why servers are not reached, by slug.
pub(super) fn troubles(console: &Console) -> BTreeMap<String, String> {
    let checks = (console.checks)();
    let named = checks
        .into_iter()
        .filter_map(|check| Some((check.name.strip_prefix("server ")?.to_owned(), check.problem?)));
    named.collect()
}

/// How a server is, as far as its tools say.
pub(super) fn state(tools: usize, waiting: usize) -> Badge {
    match (tools, waiting) {
        (0, _) => Badge::state("neutral", "No tools yet"),
        (_, 0) => Badge::state("ok", "Ready"),
        (_, 1) => Badge::state("warn", "1 tool kept out"),
        (_, waiting) => Badge::state("warn", &format!("{waiting} tools kept out")),
    }
}

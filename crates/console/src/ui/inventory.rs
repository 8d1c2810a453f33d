//! Inventory: what each agent can call, by risk, and one grant tool by tool.
//!
//! What never lives here: finding out what a policy lets through (`ops::inventory`).

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use policy::Risk;
use serde::Deserialize;
use store::{GrantId, PolicyMode};

use super::look::{Badge, filters};
use super::page::{Frame, Place, Trouble, encoded, show as shown};
use super::servers::risk_badge;
use super::visitor::Visitor;
use crate::Console;
use crate::ops::Permission;
use crate::ops::inventory::{self, Effect, Reach};
use crate::ui::address::{Path, Query};

/// Grants of one page.
const PAGE_GRANTS: usize = 100;
/// Tools of one page.
const PAGE_TOOLS: usize = 100;

/// Risks as columns, the highest first.
const COLUMNS: [Option<Risk>; 5] =
    [Some(Risk::Critical), Some(Risk::High), Some(Risk::Medium), Some(Risk::Low), None];

fn word(risk: Option<Risk>) -> &'static str {
    risk.map_or("unknown", Risk::as_str)
}

/// An effect as it is shown.
fn badge(effect: Effect) -> Badge {
    match effect {
        Effect::Allowed => Badge::state("ok", "Allowed"),
        Effect::Limited => Badge::state("ok", "Allowed, limited"),
        Effect::Observed => Badge::state("observe", "Passes, only observed"),
        Effect::ByArguments => Badge::state("warn", "By its arguments"),
        Effect::Held => Badge::state("hold", "A person decides"),
        Effect::Denied => Badge::state("bad", "Denied"),
        Effect::Hidden => Badge::state("neutral", "Hidden"),
        Effect::KeptOut => Badge::state("neutral", "Kept out"),
    }
}

/// A cell of the matrix.
#[derive(Debug)]
struct Cell {
    name: &'static str,
    address: String,
    passes: usize,
    held: usize,
    all: usize,
}

/// A grant of the matrix.
#[derive(Debug)]
struct Line {
    label: String,
    address: String,
    server: String,
    policy: Option<String>,
    observes: bool,
    cells: Vec<Cell>,
}

#[derive(Debug, Template)]
#[template(path = "inventory.html")]
struct Inventory {
    frame: Frame,
    heads: Vec<Badge>,
    lines: Vec<Line>,
    all: usize,
    next: Option<String>,
}

/// Which page of the matrix.
#[derive(Debug, Deserialize)]
pub(super) struct Start {
    /// How many grants stood on the pages before.
    #[serde(default)]
    from: usize,
}

/// The matrix.
pub(super) async fn matrix(
    State(console): State<Console>,
    visitor: Visitor,
    Query(start): Query<Start>,
) -> Result<Response, Trouble> {
    let rows = inventory::matrix(&console, &visitor.actor).await?;
    let all = rows.len();
    let shown_rows = rows.iter().skip(start.from).take(PAGE_GRANTS);
    let lines = shown_rows.map(|row| {
        let address = format!("/inventory/{}", encoded(row.grant.id.as_str()));
        let cells = COLUMNS.iter().map(|risk| {
            let share = row.shares.get(risk).copied().unwrap_or_default();
            Cell {
                name: word(*risk),
                address: format!("{address}?risk={}", word(*risk)),
                passes: share.passes,
                held: share.held,
                all: share.all,
            }
        });
        Line {
            cells: cells.collect(),
            label: row.grant.label.to_string(),
            server: row.grant.server.to_string(),
            policy: row.grant.policy.as_ref().map(ToString::to_string),
            observes: row.mode == Some(PolicyMode::Observe),
            address,
        }
    });
    let lines = lines.collect();
    let end = start.from.saturating_add(PAGE_GRANTS);
    let page = Inventory {
        frame: Frame::of(&console, &visitor, Place::Inventory, "Inventory").await?,
        heads: COLUMNS.into_iter().map(risk_badge).collect(),
        lines,
        all,
        next: (end < all).then(|| format!("/inventory?from={end}")),
    };
    Ok(shown(&page))
}

/// Which tools of a grant.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// A part of the name.
    #[serde(default)]
    q: String,
    /// A risk, or `unknown`.
    #[serde(default)]
    risk: String,
    /// An effect.
    #[serde(default)]
    effect: String,
    /// The last tool of the page before.
    after: Option<String>,
}

impl Asked {
    fn takes(&self, reach: &Reach) -> bool {
        let needle = self.q.to_lowercase();
        (self.risk.is_empty() || self.risk == word(reach.pin.risk))
            && (self.effect.is_empty() || self.effect == reach.effect.as_str())
            && (needle.is_empty() || reach.pin.tool.to_lowercase().contains(&needle))
    }

    fn is_filtered(&self) -> bool {
        !(self.q.is_empty() && self.risk.is_empty() && self.effect.is_empty())
    }
}

/// A tool as the grant sees it.
#[derive(Debug)]
struct Tool {
    name: String,
    class: Badge,
    risk: Badge,
    effect: Badge,
    edit: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "inventory_grant.html")]
struct OneGrant {
    frame: Frame,
    label: String,
    id: String,
    address: String,
    server: String,
    policy: Option<String>,
    asked: Asked,
    effects: Vec<(&'static str, Badge, usize, bool)>,
    tools: Vec<Tool>,
    all: usize,
    found: usize,
    next: Option<String>,
}

impl OneGrant {
    fn risks_asked(&self) -> Vec<(&'static str, bool)> {
        COLUMNS.iter().map(|risk| (word(*risk), self.asked.risk == word(*risk))).collect()
    }
}

/// One grant, tool by tool.
pub(super) async fn one(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let id = GrantId::parse(&id).map_err(|_no_id| Trouble::no_page())?;
    let (grant, reach) = inventory::reach(&console, &visitor.actor, &id).await?;
    let address = format!("/inventory/{}", encoded(id.as_str()));
    let effects = Effect::ALL.into_iter().filter_map(|effect| {
        let count = reach.iter().filter(|reach| reach.effect == effect).count();
        let chosen = asked.effect == effect.as_str();
        (count > 0 || chosen).then(|| (effect.as_str(), badge(effect), count, chosen))
    });
    let effects: Vec<_> = effects.collect();
    let taken: Vec<&Reach> = reach.iter().filter(|reach| asked.takes(reach)).collect();
    let after = asked.after.as_deref();
    let rest = taken.iter().filter(|r| after.is_none_or(|after| r.pin.tool.as_str() > after));
    let mut page: Vec<&Reach> = rest.copied().take(PAGE_TOOLS.saturating_add(1)).collect();
    let is_more = page.len() > PAGE_TOOLS;
    page.truncate(PAGE_TOOLS);
    let next = page.last().filter(|_| is_more).map(|last| {
        let (q, risk, effect) = (encoded(&asked.q), encoded(&asked.risk), encoded(&asked.effect));
        format!("{address}?q={q}&risk={risk}&effect={effect}&after={}", encoded(&last.pin.tool))
    });
    let frame = Frame::of(&console, &visitor, Place::Inventory, "What a grant can call").await?;
    let policy = grant.policy.as_ref().map(ToString::to_string);
    let editable = policy.as_deref().filter(|_| frame.may(Permission::EditPolicies));
    let tools = page.into_iter().map(|reach| Tool {
        name: reach.pin.tool.clone(),
        class: Badge::class(reach.pin.class.map_or("unknown", policy::Class::as_str)),
        risk: risk_badge(reach.pin.risk),
        effect: badge(reach.effect),
        edit: editable.map(|policy| {
            format!("/policies/{}/edit?tool={}", encoded(policy), encoded(&reach.pin.tool))
        }),
    });
    let page = OneGrant {
        tools: tools.collect(),
        frame,
        label: grant.label.to_string(),
        id: id.to_string(),
        server: grant.server.to_string(),
        policy,
        all: reach.len(),
        found: taken.len(),
        effects,
        asked,
        next,
        address,
    };
    Ok(shown(&page))
}

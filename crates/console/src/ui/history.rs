//! The history of a policy: every version with its author and note, what it changed, and how an old one is restored.
//!
//! What never lives here: what a text that is not saved would change (`review`).

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use store::{PolicyMode, PolicyName, PolicyRecord, PolicyVersion};

use super::diff::{Line, between};
use super::form::Posted;
use super::look::{Badge, When, filters};
use super::page::{Frame, Place, Trouble, encoded, see_other};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::policies::{self, Restore};
use crate::ops::{OpError, Permission};
use crate::ui::address::{Path, Query};

/// Versions on the page.
const VERSIONS_SHOWN_MAX: usize = 200;

/// What the address says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    told: Option<String>,
    /// The version whose change is shown; without it, the newest.
    version: Option<u32>,
    /// The version that it is held against; without it, the one before.
    against: Option<u32>,
}

/// What the form says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Form {
    mode: String,
    #[serde(default)]
    note: String,
    expected: u32,
}

struct Row {
    version: PolicyVersion,
    badge: Badge,
    when: When,
    in_force: bool,
    shown: bool,
}

#[derive(Template)]
#[template(path = "history.html")]
struct Page {
    frame: Frame,
    name: String,
    path: String,
    newest: PolicyRecord,
    rows: Vec<Row>,
    more: usize,
    shown: PolicyRecord,
    /// 0: the text is held against nothing.
    against: u32,
    lines: Vec<Line>,
}

impl Page {
    fn may_restore(&self) -> bool {
        self.frame.may(Permission::EditPolicies)
            && !self.newest.managed_by_file
            && self.shown.version != self.newest.version
    }
}

fn mode_badge(mode: PolicyMode) -> Badge {
    match mode {
        PolicyMode::Draft => Badge::state("neutral", "Draft"),
        PolicyMode::Observe => Badge::state("observe", "Observes"),
        PolicyMode::Enforce => Badge::state("ok", "Enforce"),
    }
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let name = PolicyName::parse(&name).map_err(OpError::from)?;
    let actor = &visitor.actor;
    let newest = policies::get(&console, actor, &name, None).await?;
    let versions = policies::versions(&console, actor, &name).await?;
    let shown = match asked.version {
        Some(version) => policies::get(&console, actor, &name, Some(version)).await?,
        None => newest.clone(),
    };
    let against = asked.against.unwrap_or_else(|| shown.version.saturating_sub(1));
    let before = match against {
        0 => String::new(),
        version => policies::get(&console, actor, &name, Some(version)).await?.text,
    };
    let title = format!("History of {name}");
    let frame = Frame::of(&console, &visitor, Place::Policies, &title).await?;
    let now = (console.clock)();
    let more = versions.len().saturating_sub(VERSIONS_SHOWN_MAX);
    let row = |version: PolicyVersion| Row {
        badge: mode_badge(version.mode),
        when: When::new(version.saved_at, now),
        in_force: newest.in_force == Some(version.version),
        shown: version.version == shown.version,
        version,
    };
    let rows = versions.into_iter().take(VERSIONS_SHOWN_MAX).map(row).collect();
    Ok(super::page::show(&Page {
        frame: frame.telling(asked.told),
        path: format!("/policies/{}", encoded(name.as_str())),
        name: name.to_string(),
        lines: between(&before, &shown.text),
        newest,
        rows,
        more,
        shown,
        against,
    }))
}

/// Brings the text of an old version back, as a new one.
pub(super) async fn restore(
    State(console): State<Console>,
    Path((name, version)): Path<(String, String)>,
    posted: Posted<Form>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    let version = version.parse().map_err(|_no_number| Trouble::no_page())?;
    let name = PolicyName::parse(&name).map_err(OpError::from)?;
    let mode = form.mode.parse().map_err(OpError::from)?;
    let note = Some(form.note.trim().to_owned()).filter(|note| !note.is_empty());
    let wanted = Restore { version, mode, note };
    let (saved, _checked) =
        policies::restore(&console, &visitor.actor, &name, wanted, Some(form.expected)).await?;
    let told = format!("Version {saved} has the text of version {version}.");
    let name = encoded(name.as_str());
    Ok(see_other(&format!("/policies/{name}/history?told={}", encoded(&told))))
}

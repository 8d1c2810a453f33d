//! Tool changes: what is new or different about the definitions of a server's tools since somebody accepted them, line
//! by line, and accepting them.
//!
//! What never lives here: what a definition means.

mod difference;

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use store::{KeptOut, PinLine, PinState, ServerSlug, WriteError};

use self::difference::{Line, difference};
use super::form::Posted;
use super::look::{Badge, When, filters, is_unseen};
use super::page::{Frame, Place, Trouble, answer, encoded, see_other};
use super::servers::risk_badge;
use super::visitor::Visitor;
use crate::Console;
use crate::ops::{OpError, Permission, servers};
use crate::ui::address::{Path, Query};

/// Changes of one page: each carries two definitions.
const PAGE_CHANGES: usize = 25;

/// One tool that is kept out.
#[derive(Debug)]
struct Change {
    number: usize,
    tool: String,
    /// What the form sends: the digest that was shown, and the tool.
    value: String,
    is_new: bool,
    class: Badge,
    risk: Badge,
    seen: When,
    /// Characters of the definition that nobody sees.
    unseen: usize,
    lines: Vec<Line>,
    /// Who looked at this very definition and keeps it out, and when.
    kept: Option<(String, When)>,
}

#[derive(Debug, Template)]
#[template(path = "changes.html")]
struct Changes {
    frame: Frame,
    slug: String,
    address: String,
    tools: Vec<Change>,
    all: usize,
    /// How many nobody has looked at.
    undecided: usize,
    next: Option<String>,
    notice: Option<String>,
    problem: Option<String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// The last tool of the page before.
    after: Option<String>,
    /// What the page before has done.
    told: Option<String>,
}

/// The page.
pub(super) async fn changes(
    State(console): State<Console>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let slug = ServerSlug::parse(&slug).map_err(|_no_slug| Trouble::no_page())?;
    page(&console, &visitor, &slug, (asked, None), StatusCode::OK).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    slug: &ServerSlug,
    (asked, problem): (Asked, Option<String>),
    status: StatusCode,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    servers::get(console, &visitor.actor, slug).await?;
    let mut kept_out = servers::lines(console, &visitor.actor, Some(slug)).await?;
    kept_out.retain(|line| line.state == PinState::Quarantined);
    let all = kept_out.len();
    let decided = servers::kept_out(console, &visitor.actor, slug).await?;
    let mut decided: HashMap<(String, String), KeptOut> =
        decided.into_iter().map(|kept| ((kept.tool.clone(), kept.digest.clone()), kept)).collect();
    let is_undecided =
        |line: &&PinLine| !decided.contains_key(&(line.tool.clone(), line.digest.clone()));
    let undecided = kept_out.iter().filter(is_undecided).count();
    if let Some(after) = asked.after.as_deref() {
        kept_out.retain(|line| line.tool.as_str() > after);
    }
    let is_more = kept_out.len() > PAGE_CHANGES;
    kept_out.truncate(PAGE_CHANGES);
    let classes: HashMap<&str, _> =
        kept_out.iter().map(|line| (line.tool.as_str(), (line.class, line.risk))).collect();
    // Definitions may be long: only those that are shown are read.
    let names = kept_out.iter().map(|line| line.tool.clone()).collect();
    let mut shown = servers::named(console, &visitor.actor, slug, names).await?;
    for pin in &mut shown {
        (pin.class, pin.risk) = classes.get(pin.tool.as_str()).copied().unwrap_or_default();
    }
    let address = format!("/servers/{}/changes", encoded(slug.as_str()));
    let next = shown.last().filter(|_| is_more);
    let next = next.map(|last| format!("{address}?after={}", encoded(&last.tool)));
    let changes = shown.into_iter().enumerate().map(|(number, pin)| Change {
        number,
        kept: decided
            .remove(&(pin.tool.clone(), pin.digest.clone()))
            .map(|kept| (kept.by.to_string(), When::new(kept.at, now))),
        value: format!("{}:{}", pin.digest, pin.tool),
        is_new: pin.accepted_definition.is_none(),
        class: Badge::class(pin.class.map_or("unknown", policy::Class::as_str)),
        risk: risk_badge(pin.risk),
        seen: When::new(pin.seen_at, now),
        unseen: unseen(&pin.definition),
        lines: difference(
            &pretty(pin.accepted_definition.as_deref().unwrap_or_default()),
            &pretty(&pin.definition),
        ),
        tool: pin.tool,
    });
    let page = Changes {
        tools: changes.collect(),
        frame: Frame::of(console, visitor, Place::Servers, "Tool changes").await?,
        slug: slug.to_string(),
        address,
        all,
        undecided,
        next,
        notice: asked.told.filter(|told| told == "kept").map(|_| {
            "That is written down. These definitions stay out until somebody accepts them."
                .to_owned()
        }),
        problem,
    };
    Ok(answer(status, &page))
}

/// A definition in lines; what is no JSON stays as it is.
fn pretty(definition: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(definition).ok();
    let pretty = parsed.and_then(|value| serde_json::to_string_pretty(&value).ok());
    pretty.unwrap_or_else(|| definition.to_owned())
}

/// How many characters of a definition cannot be seen, escaped ones included.
fn unseen(definition: &str) -> usize {
    let hidden = |c: &char| is_unseen(*c) && !matches!(c, '\n' | '\t');
    pretty(definition).chars().filter(hidden).count()
}

/// Accepts the definitions that were ticked, as they were shown, or writes down that they are kept out; all of them or
/// none.
pub(super) async fn decide(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<Vec<(String, String)>>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let slug = ServerSlug::parse(&slug).map_err(OpError::from)?;
    let keeps = form.iter().any(|(name, value)| name == "do" && value == "keep");
    let ticked = form.into_iter().filter(|(name, _)| name == "tool");
    let seen = ticked.filter_map(|(_, value)| {
        let (digest, tool) = value.split_once(':')?;
        Some((tool.to_owned(), digest.to_owned()))
    });
    let seen: Vec<(String, String)> = seen.collect();
    servers::get(&console, &visitor.actor, &slug).await?;
    if seen.is_empty() {
        let said = (Asked::default(), Some("Nothing was ticked, so nothing was done.".into()));
        return page(&console, &visitor, &slug, said, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let done = if keeps {
        servers::keep_out(&console, &visitor.actor, &slug, seen).await
    } else {
        servers::accept_many(&console, &visitor.actor, &slug, seen).await
    };
    match done {
        Ok(()) if keeps => {
            Ok(see_other(&format!("/servers/{}/changes?told=kept", encoded(slug.as_str()))))
        }
        Ok(()) => Ok(see_other(&format!("/servers/{}?told=accepted", encoded(slug.as_str())))),
        Err(OpError::Write(WriteError::Changed { name, .. })) => {
            let text = format!(
                "Nothing was done: the definition of {name} changed after this page was made. \
                 It is shown anew."
            );
            page(&console, &visitor, &slug, (Asked::default(), Some(text)), StatusCode::CONFLICT)
                .await
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;

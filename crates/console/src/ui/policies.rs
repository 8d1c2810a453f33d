//! Policies: all of them, and beginning a new one.
//!
//! What never lives here: editing one (`builder`), saving (`review`).

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use store::{PolicyMode, PolicyName, ServerSlug};

use super::form::Posted;
use super::look::{Badge, When, filters};
use super::page::{Frame, Place, Trouble, answer, encoded, see_other};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::builder::{Summary, summaries};
use crate::ops::{OpError, Permission, policies, servers};
use crate::ui::address::Query;

/// Policies on one page.
const ROWS: usize = 100;

/// Where the list begins, and what was done before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    after: String,
    told: String,
}

/// A policy as a row.
#[derive(Debug)]
struct Row {
    name: String,
    address: String,
    server: Option<(String, String)>,
    mode: Badge,
    /// What the newest version is, where it is not the one in force.
    ahead: Option<String>,
    version: u32,
    tests: String,
    lints: usize,
    actor: String,
    when: When,
    managed: bool,
}

impl Row {
    fn of(summary: Summary, now: policy::UnixMillis) -> Self {
        let Summary { record, tests, lints } = summary;
        let (kind, word) = match record.mode {
            PolicyMode::Draft => ("neutral", "Draft"),
            PolicyMode::Observe => ("observe", "Observe"),
            PolicyMode::Enforce => ("ok", "Enforce"),
        };
        let ahead = match (record.mode, record.in_force) {
            (PolicyMode::Draft, Some(version)) => Some(format!("version {version} is in force")),
            (PolicyMode::Draft, None) => Some("nothing is in force".to_owned()),
            (PolicyMode::Observe | PolicyMode::Enforce, _) => None,
        };
        Self {
            address: format!("/policies/{}", encoded(record.name.as_str())),
            server: record.server.as_ref().map(|server| {
                (format!("/servers/{}", encoded(server.as_str())), server.as_str().to_owned())
            }),
            mode: Badge::state(kind, word),
            ahead,
            version: record.version,
            tests: tests.map_or_else(|| "has errors".to_owned(), |tests| tests.to_string()),
            lints,
            actor: record.actor.as_str().to_owned(),
            when: When::new(record.saved_at, now),
            managed: record.managed_by_file,
            name: record.name.as_str().to_owned(),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "policies.html")]
struct Policies {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    is_first: bool,
    servers: Vec<String>,
    wanted: New,
    wrong: Option<String>,
}

/// A policy to begin.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    server: String,
}

/// The list.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let wanted = New::default();
    page(&console, &visitor, &asked, (wanted, None)).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    asked: &Asked,
    (wanted, wrong): (New, Option<String>),
) -> Result<Response, Trouble> {
    let (found, more) = summaries(console, &visitor.actor, &asked.after, ROWS).await?;
    let now = (console.clock)();
    let rows: Vec<Row> = found.into_iter().map(|summary| Row::of(summary, now)).collect();
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| format!("/policies?after={}", encoded(&row.name)));
    let servers = if visitor.actor.may(Permission::EditPolicies).is_ok() {
        let servers = servers::list(console, &visitor.actor).await?;
        servers.into_iter().map(|server| server.slug.as_str().to_owned()).collect()
    } else {
        Vec::new()
    };
    let told = (!asked.told.is_empty()).then(|| asked.told.clone());
    let frame = Frame::of(console, visitor, Place::Policies, "Policies").await?.telling(told);
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let is_first = asked.after.is_empty();
    Ok(answer(status, &Policies { frame, rows, next, is_first, servers, wanted, wrong }))
}

/// What a new policy begins as: everything is denied until somebody says otherwise.
const BEGINNING: &str = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": {}\n}\n";

/// Begins a policy: an unsaved text, which the builder shows.
pub(super) async fn begin(
    State(console): State<Console>,
    Posted { visitor, form, .. }: Posted<New>,
) -> Result<Response, Trouble> {
    visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    let name = match PolicyName::parse(&form.name) {
        Ok(name) => name,
        Err(error) => {
            let wrong = (form, Some(error.to_string()));
            return page(&console, &visitor, &Asked::default(), wrong).await;
        }
    };
    let server = Some(form.server.as_str()).filter(|server| !server.is_empty());
    let server = server.map(ServerSlug::parse).transpose().map_err(OpError::from)?;
    match policies::get(&console, &visitor.actor, &name, None).await {
        Ok(_there) => {
            let wrong = Some("a policy of this name is there already".to_owned());
            return page(&console, &visitor, &Asked::default(), (form, wrong)).await;
        }
        Err(OpError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let begun = (server, BEGINNING.to_owned(), 0);
    policies::keep_draft(&console, &visitor.actor, &name, begun).await?;
    Ok(see_other(&format!("/policies/{}", encoded(name.as_str()))))
}

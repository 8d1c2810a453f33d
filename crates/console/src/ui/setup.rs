//! The set-up of a server, step by step: where it is, what its tools are, the policy that is recommended for them; the
//! grant and the client follow (`grants`). Each step is a page of its own, so that somebody can go on later.
//!
//! What never lives here: reading what was pasted (`clients`), what is recommended (`ops::recommend`).

mod input;
mod review;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use store::{Revision, ServerRecord, ServerSlug, WriteError};

use self::input::{Choice, ServerForm, Wanted};
use super::form::Posted;
use super::look::filters;
use super::page::{Frame, Place, Trouble, answer, encoded, see_other};
use super::sign_in::refused;
use super::visitor::Visitor;
use crate::Console;
use crate::ops::inventory::is_live;
use crate::ops::{Forbidden, OpError, Permission, grants, servers};
use crate::ui::address::Query;

pub(super) use review::{choose, save, show as review, test};

/// What a program gets unless somebody takes it out: `npx`, `uvx` and the like find nothing without it.
const ENVIRONMENT: &str = "PATH=env:PATH";
/// Servers without a grant that are named, at most.
const UNFINISHED_MAX: usize = 20;
/// Where a program is typed.
const COMMAND: &str = "/setup?way=command";
/// Where a configuration is pasted.
const PASTE: &str = "/setup?way=paste";

#[derive(Debug, Template)]
#[template(path = "setup.html")]
struct Setup {
    frame: Frame,
    form: ServerForm,
    /// The entries of what was pasted, if it has several.
    choices: Vec<Choice>,
    /// Servers that nobody can reach yet.
    unfinished: Vec<String>,
    problem: Option<String>,
    /// Whether a program takes the password first.
    prove: bool,
}

impl Setup {
    fn is_way(&self, way: &str) -> bool {
        self.form.way == way || (way == "url" && self.form.way.is_empty())
    }
}

/// What the address says already.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    way: String,
    /// The server that is to be reached in another way.
    #[serde(default)]
    instead: String,
}

/// The first step.
pub(super) async fn start(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let (form, back) = match ServerSlug::parse(&asked.instead) {
        Ok(slug) => {
            let back = format!("/setup?instead={}", encoded(slug.as_str()));
            (ServerForm::of(&servers::get(&console, &visitor.actor, &slug).await?), back)
        }
        Err(_none) => {
            let back = if asked.way == "paste" { PASTE } else { COMMAND };
            let env = ENVIRONMENT.to_owned();
            (ServerForm { way: asked.way, env, ..ServerForm::default() }, back.to_owned())
        }
    };
    if form.way != "url" && !form.way.is_empty() {
        // Asked for before anything is typed: what is typed here holds secrets, and is kept nowhere.
        if let Err(error) = visitor.actor.may(Permission::StartPrograms) {
            return Ok(refused(error.into(), &back));
        }
    }
    page(&console, &visitor, (form, Vec::new(), None), StatusCode::OK).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    (form, choices, problem): (ServerForm, Vec<Choice>, Option<String>),
    status: StatusCode,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    let grants = grants::list(console, &visitor.actor).await?;
    let records = servers::list(console, &visitor.actor).await?;
    let reachable = |slug: &ServerSlug| grants.iter().any(|g| g.server == *slug && is_live(g, now));
    let unfinished = records.iter().filter(|record| !reachable(&record.slug));
    let page = Setup {
        frame: Frame::of(console, visitor, Place::Servers, "Set up a server").await?,
        unfinished: unfinished.take(UNFINISHED_MAX).map(|r| r.slug.to_string()).collect(),
        form,
        choices,
        problem,
        prove: status == StatusCode::FORBIDDEN,
    };
    Ok(answer(status, &page))
}

/// Adds the server and goes on to its tools.
pub(super) async fn add(
    State(console): State<Console>,
    posted: Posted<ServerForm>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let record = match form.wanted() {
        Ok(Wanted::Server(record)) => *record,
        Ok(Wanted::OneOf(choices)) => {
            return page(&console, &visitor, (form, choices, None), StatusCode::OK).await;
        }
        Err(error) => {
            let problem = Some(error.to_string());
            return page(&console, &visitor, (form, Vec::new(), problem), unprocessable).await;
        }
    };
    let address = format!("/setup/{}", encoded(record.slug.as_str()));
    let (record, expected) = match form.instead.parse::<u64>() {
        Ok(seen) => {
            let before = servers::get(&console, &visitor.actor, &record.slug).await?;
            let (transport, private) = (record.transport, record.allow_private_address);
            let changed = ServerRecord { transport, allow_private_address: private, ..before };
            (changed, Revision(seen))
        }
        // Revision 0 was never given out: it succeeds only where no server of this name is.
        Err(_none) => (record, Revision(0)),
    };
    match servers::replace(&console, &visitor.actor, record, Some(expected)).await {
        Ok(_revision) => Ok(see_other(&address)),
        Err(error @ (OpError::Invalid(_) | OpError::Name(_))) => {
            let problem = Some(error.to_string());
            page(&console, &visitor, (form, Vec::new(), problem), unprocessable).await
        }
        Err(OpError::Write(WriteError::Changed { name, .. })) => {
            let problem = Some(if form.instead.is_empty() {
                format!("There is a server {name} already: choose another name.")
            } else {
                format!("Somebody changed {name} after this page was made: begin again.")
            });
            page(&console, &visitor, (form, Vec::new(), problem), StatusCode::CONFLICT).await
        }
        Err(OpError::Forbidden(error @ Forbidden::StepUp)) => {
            let problem = Some(error.to_string());
            page(&console, &visitor, (form, Vec::new(), problem), StatusCode::FORBIDDEN).await
        }
        Err(error) => Err(error.into()),
    }
}

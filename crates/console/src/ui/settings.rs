//! Settings: what the configuration file says, to read; what is decided in the console, to change.
//!
//! What never lives here: the file itself.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use store::{Label, OwnCalls};

use super::account::Told;
use super::form::Posted;
use super::look::filters;
use super::page::{self, Frame, Place, Trouble};
use super::sign_in::{capitalised, refused};
use super::visitor::{Visitor, see_other};
use crate::ops::{OpError, Permission, accounts, settings};
use crate::ui::address::Query;
use crate::{Console, Fact};

const HERE: &str = "/settings";

/// Settings of the file that belong together.
#[derive(Debug)]
struct Group {
    name: &'static str,
    facts: Vec<Fact>,
}

fn groups(facts: &[Fact]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for fact in facts {
        match groups.iter_mut().find(|group| group.name == fact.group) {
            Some(group) => group.facts.push(fact.clone()),
            None => groups.push(Group { name: fact.group, facts: vec![fact.clone()] }),
        }
    }
    groups
}

#[derive(Debug, Template)]
#[template(path = "settings.html")]
struct Page {
    frame: Frame,
    organisation: String,
    own_calls: OwnCalls,
    groups: Vec<Group>,
    wrong: Option<String>,
}

/// `GET /settings`.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(told): Query<Told>,
) -> Result<Response, Trouble> {
    let told = match told.done.as_deref() {
        Some("organisation") => Some("The organisation has another name now."),
        Some("own-calls") => Some("The rule for one’s own calls is another one now."),
        _ => None,
    };
    let mut page = page_of(&console, &visitor).await?;
    page.frame = page.frame.telling(told.map(str::to_owned));
    Ok(page::show(&page))
}

async fn page_of(console: &Console, visitor: &Visitor) -> Result<Page, Trouble> {
    Ok(Page {
        frame: Frame::of(console, visitor, Place::Settings, "Settings").await?,
        organisation: visitor.organisation.clone(),
        own_calls: settings::get(console, &visitor.actor).await?.own_calls,
        groups: groups(&console.site.facts),
        wrong: None,
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Renamed {
    name: String,
}

/// `POST /settings/organisation`.
pub(super) async fn rename(
    State(console): State<Console>,
    Posted { visitor, form, .. }: Posted<Renamed>,
) -> Result<Response, Trouble> {
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let renamed = match Label::parse(form.name.trim()) {
        Ok(name) => accounts::rename_organisation(&console, &visitor.actor, name).await,
        Err(error) => {
            let mut page = page_of(&console, &visitor).await?;
            page.wrong = Some(capitalised(&error.to_string()));
            page.organisation = form.name;
            return Ok(page::answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    };
    Ok(match renamed {
        Ok(()) => see_other("/settings?done=organisation"),
        Err(error) => refused(error, HERE),
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    own_calls: Option<String>,
}

/// `POST /settings/own-calls`.
pub(super) async fn own_calls(
    State(console): State<Console>,
    Posted { visitor, form, .. }: Posted<Chosen>,
) -> Response {
    let chosen = match form.own_calls.as_deref() {
        Some("allow") => OwnCalls::Allow,
        _ => OwnCalls::Refuse,
    };
    match settings::set_own_calls(&console, &visitor.actor, chosen).await {
        Ok(()) => see_other("/settings?done=own-calls"),
        Err(error) => refused(error, HERE),
    }
}

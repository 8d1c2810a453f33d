//! Making a grant: the form, and the page that shows the token, once.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use policy::UnixMillis;
use serde::Deserialize;
use store::{GrantRecord, Label, PolicyName, ServerSlug, Token};

use super::connect::{Calls, Recipe, recipes, url};
use crate::Console;
use crate::ops::grants::Wanted;
use crate::ops::{Actor, OpError, Permission, grants, policies, servers};
use crate::ui::address::Query;
use crate::ui::form::Posted;
use crate::ui::look::filters;
use crate::ui::page::{Frame, Place, Trouble, answer, encoded};
use crate::ui::visitor::Visitor;

/// Tags of one grant that the form takes, at most.
const TAGS_MAX: usize = 50;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// What the form of a grant says.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(in crate::ui) struct GrantForm {
    /// Days until it ends, `never` or `date`.
    expires: String,
    /// The day it ends, `YYYY-MM-DD`.
    date: String,
    label: String,
    server: String,
    policy: String,
    owner: String,
    /// `key=value`, one a line.
    tags: String,
    /// Where it is a step of the set-up.
    setup: String,
}

#[derive(Debug, Template)]
#[template(path = "grant_new.html")]
struct New {
    frame: Frame,
    form: GrantForm,
    servers: Vec<String>,
    policies: Vec<String>,
    problem: Option<String>,
    is_setup: bool,
}

impl New {
    fn ends(&self) -> [(&'static str, &'static str, bool); 6] {
        let all = [
            ("30", "in 30 days"),
            ("7", "in 7 days"),
            ("90", "in 90 days"),
            ("365", "in a year"),
            ("date", "on the day below"),
            ("never", "never"),
        ];
        all.map(|(word, name)| (word, name, self.form.expires == word))
    }
}

/// The form.
pub(in crate::ui) async fn form(
    State(console): State<Console>,
    visitor: Visitor,
    Query(form): Query<GrantForm>,
) -> Result<Response, Trouble> {
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    page(&console, &visitor, (form, None), StatusCode::OK).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    (form, problem): (GrantForm, Option<String>),
    status: StatusCode,
) -> Result<Response, Trouble> {
    let servers = servers::list(console, &visitor.actor).await?;
    let mut policies = policies::list(console, &visitor.actor).await?;
    // Those that are written for the chosen server come first.
    policies.sort_by_key(|p| p.server.as_ref().is_none_or(|server| server.as_str() != form.server));
    let page = New {
        frame: Frame::of(console, visitor, Place::Grants, "New grant").await?,
        servers: servers.iter().map(|server| server.slug.to_string()).collect(),
        policies: policies.iter().map(|policy| policy.name.to_string()).collect(),
        is_setup: !form.setup.is_empty(),
        form,
        problem,
    };
    Ok(answer(status, &page))
}

fn wanted(form: &GrantForm, now: UnixMillis) -> Result<Wanted, OpError> {
    let policy = Some(form.policy.as_str()).filter(|policy| !policy.is_empty());
    let owner = Some(form.owner.trim()).filter(|owner| !owner.is_empty());
    Ok(Wanted {
        label: Label::parse(form.label.trim())?,
        server: ServerSlug::parse(&form.server)?,
        policy: policy.map(PolicyName::parse).transpose()?,
        token: None,
        expires_at: expires(form, now)?,
        tags: tags(&form.tags)?,
        owner: owner.map(store::Actor::parse).transpose()?,
    })
}

fn expires(form: &GrantForm, now: UnixMillis) -> Result<Option<UnixMillis>, OpError> {
    let invalid = |text: &str| OpError::Invalid(text.to_owned());
    match form.expires.as_str() {
        "never" => Ok(None),
        "date" => {
            let day: jiff::civil::Date = form.date.parse().map_err(|_no_day| {
                invalid("the day that it ends is written as year-month-day, such as 2027-01-31")
            })?;
            // It ends with that day, in UTC.
            let end = day.tomorrow().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC));
            let end = end.map_err(|_far| invalid("that day is too far away"))?;
            Ok(Some(UnixMillis(end.timestamp().as_millisecond())))
        }
        days => {
            let days: i64 = days.parse().map_err(|_no_number| invalid("choose when it ends"))?;
            if !(1..=3_650).contains(&days) {
                return Err(invalid("a grant ends within ten years, or never"));
            }
            Ok(Some(UnixMillis(now.0.saturating_add(days.saturating_mul(DAY_MS)))))
        }
    }
}

fn tags(text: &str) -> Result<BTreeMap<String, String>, OpError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = lines.take(TAGS_MAX.saturating_add(1)).map(|line| {
        let pair = line.split_once('=').filter(|(key, _)| !key.trim().is_empty());
        let pair = pair.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
        pair.ok_or_else(|| OpError::Invalid("a tag is written as key=value".to_owned()))
    });
    let tags: BTreeMap<String, String> = pairs.collect::<Result<_, _>>()?;
    if tags.len() > TAGS_MAX {
        return Err(OpError::Invalid(format!("a grant has at most {TAGS_MAX} tags")));
    }
    Ok(tags)
}

/// Makes the grant and shows its token: the answer itself, since nothing keeps the token for another page.
pub(in crate::ui) async fn create(
    State(console): State<Console>,
    posted: Posted<GrantForm>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let made = match wanted(&form, (console.clock)()) {
        Ok(wanted) => grants::create(&console, &visitor.actor, wanted).await,
        Err(error) => Err(error),
    };
    match made {
        Ok((grant, token)) => {
            let made = Made { is_setup: !form.setup.is_empty(), rotated: None };
            token_page(&console, &visitor, (&grant, &token), made).await
        }
        Err(error @ (OpError::Invalid(_) | OpError::Name(_) | OpError::Write(_))) => {
            let problem = Some(error.to_string());
            page(&console, &visitor, (form, problem), StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => Err(error.into()),
    }
}

/// How a token came to be.
#[derive(Debug)]
pub(super) struct Made {
    /// In the set-up.
    pub(super) is_setup: bool,
    /// By a rotation: until when the old one works.
    pub(super) rotated: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "grant_made.html")]
struct TokenPage {
    frame: Frame,
    label: String,
    address: String,
    made: Made,
    has_policy: bool,
    token: String,
    url: String,
    with_token: bool,
    recipes: Vec<Recipe>,
    calls: Calls,
}

/// The one page that shows a token.
pub(super) async fn token_page(
    console: &Console,
    visitor: &Visitor,
    (grant, token): (&GrantRecord, &Token),
    made: Made,
) -> Result<Response, Trouble> {
    let actor: &Actor = &visitor.actor;
    let page = TokenPage {
        frame: Frame::of(console, visitor, Place::Grants, "The token of a grant").await?,
        label: grant.label.to_string(),
        address: format!("/grants/{}", encoded(grant.id.as_str())),
        made,
        has_policy: grant.policy.is_some(),
        token: token.expose().to_owned(),
        url: url(console, grant),
        with_token: true,
        recipes: recipes(console, grant, Some(token.expose())),
        calls: Calls::of(console, actor, (grant, (console.clock)())).await?,
    };
    let mut answer = answer(StatusCode::OK, &page).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

#[cfg(test)]
mod tests;

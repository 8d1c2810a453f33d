//! One grant: what it is, how it is used, another token, another policy, its end.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use policy::UnixMillis;
use serde::Deserialize;
use store::{GrantId, GrantRecord, PolicyName};

use super::connect::{Calls, Recipe, recipes, url};
use super::new::{Made, token_page};
use super::state;
use crate::Console;
use crate::ops::inventory::is_live;
use crate::ops::{OpError, Permission, grants, policies};
use crate::ui::address::{Path, Query};
use crate::ui::form::Posted;
use crate::ui::look::{Badge, When, filters, rfc3339};
use crate::ui::page::{Frame, Place, Trouble, answer, encoded, see_other};
use crate::ui::sign_in::refused;
use crate::ui::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "grant.html")]
struct Grant {
    frame: Frame,
    problem: Option<String>,
    label: String,
    id: String,
    address: String,
    server: String,
    policy: Option<String>,
    owner: Option<String>,
    tags: Vec<String>,
    state: Badge,
    created: When,
    expires: Option<When>,
    revoked: Option<When>,
    previous: Option<When>,
    managed: bool,
    live: bool,
    policies: Vec<String>,
    calls: Calls,
    url: String,
    with_token: bool,
    recipes: Vec<Recipe>,
}

/// What the page before has done.
#[derive(Debug, Default, Deserialize)]
pub(in crate::ui) struct Asked {
    told: Option<String>,
}

/// The page.
pub(in crate::ui) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let id = GrantId::parse(&id).map_err(|_no_id| Trouble::no_page())?;
    let told = match asked.told.as_deref() {
        Some("revoked") => Some("The grant is revoked. Its token opens nothing any more."),
        Some("policy") => Some("The policy is attached. It judges the next call."),
        _ => None,
    };
    page(&console, &visitor, &id, (told, None), StatusCode::OK).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    id: &GrantId,
    (told, problem): (Option<&str>, Option<String>),
    status: StatusCode,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    let grant = grants::get(console, &visitor.actor, id).await?;
    let policies = policies::list(console, &visitor.actor).await?;
    let frame = Frame::of(console, visitor, Place::Grants, "Grant").await?;
    let page = Grant {
        frame: frame.telling(told.map(str::to_owned)),
        problem,
        address: address(id),
        server: grant.server.to_string(),
        policy: grant.policy.as_ref().map(ToString::to_string),
        owner: grant.owner.as_ref().map(ToString::to_string),
        tags: grant.tags.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        state: state(&grant, now),
        created: When::new(grant.created_at, now),
        expires: grant.expires_at.map(|at| When::new(at, now)),
        revoked: grant.revoked_at.map(|at| When::new(at, now)),
        previous: previous(&grant, now),
        managed: grant.managed_by_file,
        live: is_live(&grant, now),
        policies: policies.iter().map(|policy| policy.name.to_string()).collect(),
        calls: Calls::of(console, &visitor.actor, (&grant, now)).await?,
        url: url(console, &grant),
        with_token: false,
        recipes: recipes(console, &grant, None),
        label: grant.label.to_string(),
        id: id.to_string(),
    };
    Ok(answer(status, &page))
}

/// Until when the token before the last rotation works, if it still does.
fn previous(grant: &GrantRecord, now: UnixMillis) -> Option<When> {
    let previous = grant.previous.filter(|previous| previous.until > now)?;
    Some(When::new(previous.until, now))
}

fn address(id: &GrantId) -> String {
    format!("/grants/{}", encoded(id.as_str()))
}

/// How long the old token works beside the new one.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct RotateForm {
    overlap_seconds: i64,
}

/// Gives the grant another token and shows it, once; takes a fresh proof.
pub(in crate::ui) async fn rotate(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted<RotateForm>,
) -> Response {
    let Posted { visitor, form, .. } = posted;
    let id = match GrantId::parse(&id) {
        Ok(id) => id,
        Err(error) => return Trouble::from(OpError::from(error)).into_response(),
    };
    let overlap_ms = form.overlap_seconds.saturating_mul(1_000);
    let token = match grants::rotate(&console, &visitor.actor, &id, overlap_ms).await {
        Ok(token) => token,
        Err(error) => return refused(error, &address(&id)),
    };
    let grant = match grants::get(&console, &visitor.actor, &id).await {
        Ok(grant) => grant,
        Err(error) => return Trouble::from(error).into_response(),
    };
    let made = Made { is_setup: false, rotated: grant.previous.map(|old| rfc3339(old.until)) };
    match token_page(&console, &visitor, (&grant, &token), made).await {
        Ok(page) => page,
        Err(trouble) => trouble.into_response(),
    }
}

/// Another policy.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct PolicyForm {
    policy: String,
}

/// Gives the grant another policy, or none.
pub(in crate::ui) async fn attach(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted<PolicyForm>,
) -> Result<Response, Trouble> {
    posted.visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    let id = GrantId::parse(&id).map_err(OpError::from)?;
    let policy = Some(posted.form.policy.as_str()).filter(|policy| !policy.is_empty());
    let policy = policy.map(PolicyName::parse).transpose().map_err(OpError::from)?;
    grants::attach(&console, &posted.visitor.actor, &id, policy).await?;
    Ok(see_other(&format!("{}?told=policy", address(&id))))
}

/// The label typed again, so that nobody revokes the wrong one.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct RevokeForm {
    confirm: String,
}

/// Revokes the grant, for good.
pub(in crate::ui) async fn revoke(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted<RevokeForm>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let id = GrantId::parse(&id).map_err(OpError::from)?;
    let grant = grants::get(&console, &visitor.actor, &id).await?;
    if form.confirm.trim() != grant.label.as_str() {
        let problem = "Nothing was revoked: the label that was typed is another one.".to_owned();
        let said = (None, Some(problem));
        return page(&console, &visitor, &id, said, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    grants::revoke(&console, &visitor.actor, &id).await?;
    Ok(see_other(&format!("{}?told=revoked", address(&id))))
}

//! `/api/v1/grants`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{GrantId, GrantRecord, Label, PolicyName, Token};
use utoipa::ToSchema;

use super::input::{Body, instant, rfc3339};
use super::problem::Refusal;
use super::{Page, servers};
use crate::Console;
use crate::ops::grants::Wanted;
use crate::ops::{Actor, OpError, grants};

/// A grant, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrantView {
    id: String,
    label: String,
    server: String,
    policy: Option<String>,
    expires: Option<String>,
    tags: BTreeMap<String, String>,
    revoked_at: Option<String>,
    owner: Option<String>,
    managed_by_file: bool,
    created_at: String,
}

impl From<GrantRecord> for GrantView {
    fn from(grant: GrantRecord) -> GrantView {
        GrantView {
            id: grant.id.to_string(),
            label: grant.label.to_string(),
            server: grant.server.to_string(),
            policy: grant.policy.map(|p| p.to_string()),
            expires: grant.expires_at.map(rfc3339),
            tags: grant.tags,
            revoked_at: grant.revoked_at.map(rfc3339),
            owner: grant.owner.map(|o| o.to_string()),
            managed_by_file: grant.managed_by_file,
            created_at: rfc3339(grant.created_at),
        }
    }
}

/// A new grant and its token, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedView {
    token: String,
    #[serde(flatten)]
    grant: GrantView,
}

/// A new token, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    token: String,
}

/// A grant as the caller wants it; the names are those of the configuration file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantInput {
    label: String,
    server: String,
    policy: Option<String>,
    /// 16 to 256 visible ASCII characters; without it, one is made.
    token: Option<String>,
    /// RFC 3339.
    expires: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    owner: Option<String>,
}

fn named<T>(result: Result<T, store::NameError>) -> Result<T, Refusal> {
    result.map_err(|e| Refusal::from(OpError::from(e)))
}

pub(super) async fn list(
    State(console): State<Console>,
    actor: Actor,
) -> Result<Json<Page<GrantView>>, Refusal> {
    let found = grants::list(&console, &actor).await?;
    Ok(Json(Page::whole(found.into_iter().map(GrantView::from).collect())))
}

pub(super) async fn show(
    State(console): State<Console>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<GrantView>, Refusal> {
    let id = named(GrantId::parse(&id))?;
    Ok(Json(grants::get(&console, &actor, &id).await?.into()))
}

pub(super) async fn create(
    State(console): State<Console>,
    actor: Actor,
    Body(input): Body<GrantInput>,
) -> Result<(StatusCode, Json<CreatedView>), Refusal> {
    let token = input.token.as_deref().map(Token::parse_configured).transpose();
    let wanted = Wanted {
        label: named(Label::parse(&input.label))?,
        server: servers::slug_of(&input.server)?,
        policy: input
            .policy
            .as_deref()
            .map(PolicyName::parse)
            .transpose()
            .map_err(OpError::from)?,
        token: token.map_err(OpError::from)?,
        expires_at: input.expires.as_deref().map(|t| instant("expires", t)).transpose()?,
        tags: input.tags,
        owner: input
            .owner
            .as_deref()
            .map(store::Actor::parse)
            .transpose()
            .map_err(OpError::from)?,
    };
    let (grant, token) = grants::create(&console, &actor, wanted).await?;
    let view = CreatedView { token: token.expose().to_owned(), grant: grant.into() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// What may change about a grant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantChange {
    /// The policy's name; `null` attaches none, and everything is denied.
    policy: Option<String>,
}

pub(super) async fn change(
    State(console): State<Console>,
    actor: Actor,
    Path(id): Path<String>,
    Body(input): Body<GrantChange>,
) -> Result<Json<GrantView>, Refusal> {
    let id = named(GrantId::parse(&id))?;
    let policy = input.policy.as_deref().map(PolicyName::parse).transpose();
    let policy = policy.map_err(OpError::from)?;
    Ok(Json(grants::attach(&console, &actor, &id, policy).await?.into()))
}

/// How a rotation treats the old token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateInput {
    /// Seconds that the old token still works, 0 (default) to 604800.
    #[serde(default)]
    overlap_seconds: u32,
}

pub(super) async fn rotate(
    State(console): State<Console>,
    actor: Actor,
    Path(id): Path<String>,
    Body(input): Body<RotateInput>,
) -> Result<Json<TokenView>, Refusal> {
    let id = named(GrantId::parse(&id))?;
    let overlap_ms = i64::from(input.overlap_seconds).saturating_mul(1000);
    let token = grants::rotate(&console, &actor, &id, overlap_ms).await?;
    Ok(Json(TokenView { token: token.expose().to_owned() }))
}

/// Nothing to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoInput {}

pub(super) async fn revoke(
    State(console): State<Console>,
    actor: Actor,
    Path(id): Path<String>,
    Body(NoInput {}): Body<NoInput>,
) -> Result<Json<GrantView>, Refusal> {
    let id = named(GrantId::parse(&id))?;
    grants::revoke(&console, &actor, &id).await?;
    Ok(Json(grants::get(&console, &actor, &id).await?.into()))
}

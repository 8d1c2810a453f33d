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
    /// What names it in addresses; it never changes.
    id: String,
    /// What people call it.
    label: String,
    /// The one server that it opens.
    server: String,
    /// The policy that judges its calls; without one, everything is denied.
    policy: Option<String>,
    /// When it ends, RFC 3339; without it, never.
    expires: Option<String>,
    /// What policies can ask for as `grant.tags.…`.
    tags: BTreeMap<String, String>,
    /// When it was revoked, for good.
    revoked_at: Option<String>,
    /// Whose agent it is, such as `user:ada@example.com`: the owner decides none of its held calls.
    owner: Option<String>,
    /// Whether it stands in `portcullis.toml`: it can be revoked here, everything else is changed there.
    managed_by_file: bool,
    /// When it was made, RFC 3339.
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
    /// What the agent sends as `Authorization: Bearer`. It is not kept: this is the only time that it is
    /// shown.
    token: String,
    #[serde(flatten)]
    grant: GrantView,
}

/// A new token, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// What the agent sends from now on. It is not kept: this is the only time that it is shown.
    token: String,
}

/// A grant as the caller wants it; the names are those of the configuration file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantInput {
    /// What people call it, in approvals and in the audit: 1 to 200 bytes.
    label: String,
    /// The server that it opens; it must be there.
    server: String,
    /// The policy that judges its calls; without one, everything is denied.
    policy: Option<String>,
    /// 16 to 256 visible ASCII characters; without it, one is made.
    token: Option<String>,
    /// RFC 3339.
    expires: Option<String>,
    /// What policies can ask for as `grant.tags.…`.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Whose agent it is, such as `user:ada@example.com`: the owner decides none of its held calls.
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

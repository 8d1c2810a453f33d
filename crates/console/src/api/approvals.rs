//! `/api/v1/approvals`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use policy::{ApprovalId, ApprovalRecord, ApprovalState, Kind, UnixMillis};
use serde::{Deserialize, Serialize};
use store::{APPROVALS_PAGE_ROWS_MAX, Answer, ApprovalFilter, FootingTag, state_word};
use utoipa::{IntoParams, ToSchema};

use super::etag::{shown, tagged_with};
use super::input::{Body, Params, rfc3339};
use super::problem::Refusal;
use super::{PAGE_ITEMS_DEFAULT, Page};
use crate::Console;
use crate::ops::{Actor, approvals};

/// A held call and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApprovalView {
    id: String,
    /// `pending`, `approved`, `rejected`, `used` or `expired`.
    state: &'static str,
    /// The grant's id.
    grant: String,
    server: String,
    /// `tool`, `resource` or `prompt`.
    kind: &'static str,
    name: String,
    /// Exactly what the call asks for.
    #[schema(value_type = Object)]
    arguments: Option<serde_json::Value>,
    /// The same as the text that the approval is bound to.
    arguments_text: String,
    /// The digest of the tool's definition.
    definition_pin: Option<String>,
    rules: Vec<AskRuleView>,
    /// Each list must be met by whoever decides.
    approvers: Vec<Vec<String>>,
    created_at: String,
    expires_at: String,
    decided_by: Option<String>,
    decided_at: Option<String>,
    decided_from: Option<String>,
    reason: Option<String>,
    used_at: Option<String>,
}

/// A rule that held the call and that an approval waives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskRuleView {
    rule: String,
    message: String,
}

/// Undecided requests and unused approvals whose time has passed are over.
fn state_at(record: &ApprovalRecord, now: UnixMillis) -> &'static str {
    let over = now >= record.expires_at;
    match record.state {
        ApprovalState::Pending | ApprovalState::Approved if over => "expired",
        ApprovalState::Pending
        | ApprovalState::Approved
        | ApprovalState::Rejected
        | ApprovalState::Used => state_word(record.state),
    }
}

fn view(record: ApprovalRecord, now: UnixMillis) -> ApprovalView {
    ApprovalView {
        state: state_at(&record, now),
        id: record.id.to_string(),
        grant: record.grant,
        server: record.server,
        kind: match record.kind {
            Kind::Tool => "tool",
            Kind::Resource => "resource",
            Kind::Prompt => "prompt",
        },
        name: record.name,
        arguments: serde_json::from_str(&record.arguments).ok(),
        arguments_text: record.arguments,
        definition_pin: record.definition_pin,
        rules: record
            .rules
            .into_iter()
            .map(|r| AskRuleView { rule: r.rule.to_string(), message: r.message })
            .collect(),
        approvers: record
            .approvers
            .into_iter()
            .map(|list| list.iter().map(ToString::to_string).collect())
            .collect(),
        created_at: rfc3339(record.created_at),
        expires_at: rfc3339(record.expires_at),
        decided_by: record.decided_by,
        decided_at: record.decided_at.map(rfc3339),
        decided_from: record.decided_from,
        reason: record.decided_reason,
        used_at: record.used_at.map(rfc3339),
    }
}

/// Which requests are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// `pending`, `approved`, `rejected` or `used`; without it, all.
    state: Option<String>,
    /// A grant's id.
    grant: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Items, at most 500; 100 where not given.
    limit: Option<usize>,
}

fn id_of(text: &str) -> Result<ApprovalId, Refusal> {
    text.parse().map_err(|e: policy::ApprovalIdError| Refusal::invalid(e.to_string()))
}

pub(super) async fn list(
    State(console): State<Console>,
    actor: Actor,
    Params(params): Params<ListParams>,
) -> Result<Json<Page<ApprovalView>>, Refusal> {
    let state = match params.state.as_deref() {
        None => None,
        Some("pending") => Some(ApprovalState::Pending),
        Some("approved") => Some(ApprovalState::Approved),
        Some("rejected") => Some(ApprovalState::Rejected),
        Some("used") => Some(ApprovalState::Used),
        Some(_) => {
            return Err(Refusal::invalid("`state` is pending, approved, rejected or used"));
        }
    };
    let before = params.cursor.as_deref().map(id_of).transpose()?;
    let limit = params.limit.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, APPROVALS_PAGE_ROWS_MAX);
    let filter = ApprovalFilter { state, grant: params.grant, before };
    let found = approvals::list(&console, &actor, filter, limit).await?;
    let next = (found.len() == limit).then(|| found.last().map(|r| r.id.to_string())).flatten();
    let now = (console.clock)();
    Ok(Json(Page { items: found.into_iter().map(|r| view(r, now)).collect(), next }))
}

pub(super) async fn show(
    State(console): State<Console>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let id = id_of(&id)?;
    // First what it stands on: should that change in between, the tag is the older one.
    let footing = approvals::footing(&console, &actor, &id).await?;
    let record = approvals::get(&console, &actor, &id).await?;
    Ok(tagged_with(footing.tag.as_str(), Json(view(record, (console.clock)()))))
}

/// Why somebody decides as they do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionInput {
    /// For the record; after a rejection the agent reads it. At most 1,000 characters.
    reason: Option<String>,
}

async fn decide(
    console: &Console,
    actor: &Actor,
    id: &str,
    answer: (Answer, Option<String>),
    headers: &HeaderMap,
) -> Result<Json<ApprovalView>, Refusal> {
    let shown = shown(headers)?.map(|tag| FootingTag::claimed(&tag));
    let record = approvals::decide_as_shown(console, actor, &id_of(id)?, answer, shown).await?;
    Ok(Json(view(record, (console.clock)())))
}

pub(super) async fn approve(
    State(console): State<Console>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(input): Body<DecisionInput>,
) -> Result<Json<ApprovalView>, Refusal> {
    decide(&console, &actor, &id, (Answer::Approve, input.reason), &headers).await
}

pub(super) async fn reject(
    State(console): State<Console>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(input): Body<DecisionInput>,
) -> Result<Json<ApprovalView>, Refusal> {
    decide(&console, &actor, &id, (Answer::Reject, input.reason), &headers).await
}

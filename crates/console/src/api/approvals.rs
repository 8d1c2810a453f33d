//! `/api/v1/approvals`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use policy::{ApprovalId, ApprovalRecord, ApprovalState, Kind, UnixMillis};
use serde::{Deserialize, Serialize};
use store::{
    APPROVALS_PAGE_ROWS_MAX, Answer, ApprovalFilter, ApprovalOrder, Footing, FootingTag, state_word,
};
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
    /// What names it in addresses, and what the agent was told.
    id: String,
    /// `pending`, `approved`, `rejected`, `used` or `expired`.
    state: &'static str,
    /// The grant's id.
    grant: String,
    /// The server that is called.
    server: String,
    /// `tool`, `resource` or `prompt`.
    kind: &'static str,
    /// The tool's or prompt's name, or the resource's URI.
    name: String,
    /// Exactly what the call asks for.
    #[schema(value_type = Option<Object>)]
    arguments: Option<serde_json::Value>,
    /// The same as the text that the approval is bound to.
    arguments_text: String,
    /// The digest of the tool's definition.
    definition_pin: Option<String>,
    /// The rules that hold it; an approval waives these and no others.
    rules: Vec<AskRuleView>,
    /// Each list must be met by whoever decides.
    approvers: Vec<Vec<String>>,
    /// When the call was held, RFC 3339.
    created_at: String,
    /// When request and approval are over, RFC 3339.
    expires_at: String,
    /// Who decided.
    decided_by: Option<String>,
    /// When it was decided.
    decided_at: Option<String>,
    /// From where: an address, `terminal`.
    decided_from: Option<String>,
    /// Why, in the words of whoever decided; after a rejection the agent read it.
    reason: Option<String>,
    /// When the approved call went through.
    used_at: Option<String>,
    /// What a decision depends on, as it is now.
    stands_on: StandsOnView,
}

/// What a held call stands on at this instant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StandsOnView {
    /// The digest of what a decision depends on: the `ETag` of the call, to be sent back as `If-Match`.
    tag: String,
    /// What people call the grant.
    grant_label: Option<String>,
    /// Whose grant it is.
    owner: Option<String>,
    /// Whether the grant works: not revoked, not over.
    grant_works: bool,
    /// The grant's policy, and its version in force.
    policy: Option<String>,
    /// The version of that policy.
    policy_version: Option<u32>,
    /// Whether the tool's accepted definition is the one that the call was held with.
    definition_same: bool,
    /// `read`, `write`, `execute`, `destructive` or `financial`.
    class: Option<&'static str>,
    /// `low`, `medium`, `high` or `critical`.
    risk: Option<&'static str>,
}

fn stands_on(footing: Footing) -> StandsOnView {
    let (policy, version) =
        footing.policy.map(|policy| (policy.name.to_string(), policy.version)).unzip();
    StandsOnView {
        tag: footing.tag.as_str().to_owned(),
        grant_label: footing.grant,
        owner: footing.owner,
        grant_works: footing.grant_works,
        policy,
        policy_version: version,
        definition_same: footing.definition_same,
        class: footing.class.map(policy::Class::as_str),
        risk: footing.risk.map(policy::Risk::as_str),
    }
}

/// A rule that held the call and that an approval waives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskRuleView {
    /// The rule: its `id`, or its place in the policy.
    rule: String,
    /// What the policy says of it.
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

fn view(record: ApprovalRecord, footing: Footing, now: UnixMillis) -> ApprovalView {
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
        stands_on: stands_on(footing),
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
    /// Items, at most 500; 100 where not given. A page ends earlier where its calls are long.
    limit: Option<usize>,
    /// `newest` (where not given), or `urgent` for what waits: what ends first stands first.
    sort: Option<String>,
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
    let order = match (params.sort.as_deref(), state, &params.grant) {
        (None | Some("newest"), _, _) => ApprovalOrder::NewestFirst,
        (Some("urgent"), Some(ApprovalState::Pending), None) => ApprovalOrder::UrgentFirst,
        (Some("urgent"), _, _) => {
            return Err(Refusal::invalid(
                "`sort=urgent` goes with `state=pending`, and no `grant`",
            ));
        }
        (Some(_), _, _) => return Err(Refusal::invalid("`sort` is newest or urgent")),
    };
    let before = params.cursor.as_deref().map(id_of).transpose()?;
    let limit = params.limit.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, APPROVALS_PAGE_ROWS_MAX);
    let filter = ApprovalFilter { state, grant: params.grant, before };
    let found = approvals::page(&console, &actor, filter, (order, limit)).await?;
    let last = found.calls.last().map(|one| one.record.id.to_string());
    let now = (console.clock)();
    let items = found.calls.into_iter().map(|one| view(one.record, one.footing, now)).collect();
    Ok(Json(Page { items, next: last.filter(|_| found.more) }))
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
    let tag = footing.tag.as_str().to_owned();
    Ok(tagged_with(&tag, Json(view(record, footing, (console.clock)()))))
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
    let (id, shown) = (id_of(id)?, shown(headers)?.map(|tag| FootingTag::claimed(&tag)));
    let record = approvals::decide_as_shown(console, actor, &id, answer, shown).await?;
    let footing = approvals::footing(console, actor, &id).await?;
    Ok(Json(view(record, footing, (console.clock)())))
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

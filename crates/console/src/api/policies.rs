//! `/api/v1/policies`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{PolicyMode, PolicyName, PolicyRecord, PolicyVersion, ServerSlug};
use utoipa::{IntoParams, ToSchema};

use super::input::{Body, Params, rfc3339};
use super::problem::{PlacedError, Refusal};
use super::{Page, etag, servers};
use crate::Console;
use crate::ops::policies::{Draft, Restore};
use crate::ops::{Actor, OpError, policies};

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyView {
    /// What grants call it.
    name: String,
    /// The server whose tools it is written for.
    server: Option<String>,
    /// Counts its versions from 1: the `ETag` of an answer about it.
    version: u32,
    /// What this version does: `draft`, `observe` or `enforce`.
    mode: &'static str,
    /// The version in force: the newest that is no draft; `null` where there is none.
    in_force: Option<u32>,
    /// The author's text, comments included.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The canonical form.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    canonical: Option<serde_json::Value>,
    /// When this version was saved, RFC 3339.
    saved_at: String,
    /// Who saved it.
    saved_by: String,
    /// Why, in the words of whoever saved it.
    note: Option<String>,
    /// Whether it stands in `portcullis.toml`, where it is changed.
    managed_by_file: bool,
}

impl PolicyView {
    fn brief(record: PolicyRecord) -> PolicyView {
        PolicyView {
            name: record.name.to_string(),
            server: record.server.map(|s| s.to_string()),
            version: record.version,
            mode: record.mode.as_str(),
            in_force: record.in_force,
            text: None,
            canonical: None,
            saved_at: rfc3339(record.saved_at),
            saved_by: record.actor.to_string(),
            note: record.note,
            managed_by_file: record.managed_by_file,
        }
    }

    fn whole(record: PolicyRecord) -> PolicyView {
        let text = Some(record.text.clone());
        let canonical = serde_json::from_str(&record.canonical).ok();
        PolicyView { text, canonical, ..PolicyView::brief(record) }
    }
}

/// A warning about a policy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LintView {
    /// A stable name of what the warning is about, such as `L003`.
    code: String,
    #[serde(flatten)]
    place: PlacedError,
}

fn lint_view(lint: policy::Lint) -> LintView {
    LintView {
        code: lint.code.to_owned(),
        place: PlacedError {
            pointer: Some(lint.pointer),
            line: Some(lint.line),
            column: Some(lint.column),
            message: lint.message,
            help: lint.help,
        },
    }
}

/// What checking or saving a policy answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedView {
    /// The version that was saved; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// The canonical form.
    #[schema(value_type = Object)]
    canonical: Option<serde_json::Value>,
    /// What is allowed and probably not meant.
    lints: Vec<LintView>,
}

fn checked_view(version: Option<u32>, checked: policies::Checked) -> CheckedView {
    CheckedView {
        version,
        canonical: serde_json::from_str(checked.document.canonical()).ok(),
        lints: checked.lints.into_iter().map(lint_view).collect(),
    }
}

/// A policy as the caller wants it: its text, or the document itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyInput {
    /// What grants call it; needed to save a new one.
    name: Option<String>,
    /// The server whose tools it is written for; the warnings are about those.
    server: Option<String>,
    /// The author's text, comments allowed.
    text: Option<String>,
    /// The document itself, instead of `text`.
    #[schema(value_type = Option<Object>)]
    document: Option<Box<RawValue>>,
    /// `draft` (the version before stays in force), `observe` (records what it would refuse, and lets
    /// it pass) or `enforce`, the default.
    mode: Option<String>,
    /// Why, for the history.
    note: Option<String>,
}

impl PolicyInput {
    fn text(&self) -> Result<&str, Refusal> {
        match (&self.text, &self.document) {
            (Some(text), None) => Ok(text),
            (None, Some(document)) => Ok(document.get()),
            _ => Err(Refusal::invalid("give the policy as `text` or as `document`")),
        }
    }

    fn mode(&self) -> Result<PolicyMode, Refusal> {
        mode_of(self.mode.as_deref())
    }

    fn server(&self) -> Result<Option<ServerSlug>, Refusal> {
        self.server.as_deref().map(servers::slug_of).transpose()
    }
}

/// The mode of a version; what is not said enforces.
fn mode_of(text: Option<&str>) -> Result<PolicyMode, Refusal> {
    let mode = text.map(str::parse).transpose();
    mode.map(Option::unwrap_or_default).map_err(|e| Refusal::from(OpError::from(e)))
}

pub(super) fn name_of(text: &str) -> Result<PolicyName, Refusal> {
    PolicyName::parse(text).map_err(|e| Refusal::from(OpError::from(e)))
}

pub(super) async fn list(
    State(console): State<Console>,
    actor: Actor,
) -> Result<Json<Page<PolicyView>>, Refusal> {
    let found = policies::list(&console, &actor).await?;
    Ok(Json(Page::whole(found.into_iter().map(PolicyView::brief).collect())))
}

/// Which version is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionParams {
    /// A number from the history; without it, the newest.
    version: Option<u32>,
}

pub(super) async fn show(
    State(console): State<Console>,
    actor: Actor,
    Path(name): Path<String>,
    Params(params): Params<VersionParams>,
) -> Result<Response, Refusal> {
    let record = policies::get(&console, &actor, &name_of(&name)?, params.version).await?;
    Ok(etag::tagged(record.version.into(), Json(PolicyView::whole(record))))
}

pub(super) async fn create(
    State(console): State<Console>,
    actor: Actor,
    Body(input): Body<PolicyInput>,
) -> Result<Response, Refusal> {
    let Some(name) = input.name.as_deref() else {
        return Err(Refusal::invalid("`name` is missing"));
    };
    let (version, checked) = save(&console, &actor, name_of(name)?, (&input, Some(0))).await?;
    let body = (StatusCode::CREATED, Json(checked_view(Some(version), checked)));
    Ok(etag::tagged(version.into(), body))
}

async fn save(
    console: &Console,
    actor: &Actor,
    name: PolicyName,
    (input, expected): (&PolicyInput, Option<u32>),
) -> Result<(u32, policies::Checked), Refusal> {
    let draft = Draft {
        name,
        server: input.server()?,
        text: input.text()?,
        mode: input.mode()?,
        note: input.note.clone(),
    };
    Ok(policies::save(console, actor, draft, expected).await?)
}

pub(super) async fn replace(
    State(console): State<Console>,
    actor: Actor,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(input): Body<PolicyInput>,
) -> Result<Response, Refusal> {
    if input.name.as_deref().is_some_and(|n| n != name) {
        return Err(Refusal::invalid("`name` differs from the address"));
    }
    // A version that does not fit 32 bits is none that was ever given out.
    let expected = etag::expected(&headers)?.map(|v| u32::try_from(v).unwrap_or(u32::MAX));
    let (version, checked) = save(&console, &actor, name_of(&name)?, (&input, expected)).await?;
    Ok(etag::tagged(version.into(), Json(checked_view(Some(version), checked))))
}

pub(super) async fn remove(
    State(console): State<Console>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    policies::remove(&console, &actor, &name_of(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One version in a policy's history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    /// Its number, from 1.
    version: u32,
    /// What it does, or did: `draft`, `observe` or `enforce`.
    mode: &'static str,
    /// When it was saved, RFC 3339.
    saved_at: String,
    /// Who saved it.
    saved_by: String,
    /// Why, in the words of whoever saved it.
    note: Option<String>,
}

impl From<PolicyVersion> for VersionView {
    fn from(version: PolicyVersion) -> VersionView {
        VersionView {
            version: version.version,
            mode: version.mode.as_str(),
            saved_at: rfc3339(version.saved_at),
            saved_by: version.actor.to_string(),
            note: version.note,
        }
    }
}

pub(super) async fn versions(
    State(console): State<Console>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Page<VersionView>>, Refusal> {
    let found = policies::versions(&console, &actor, &name_of(&name)?).await?;
    Ok(Json(Page::whole(found.into_iter().map(VersionView::from).collect())))
}

/// How an old version is restored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreInput {
    /// `draft`, `observe` or `enforce`, the default, whatever the old version did.
    mode: Option<String>,
    /// Why; without it the note names the version.
    note: Option<String>,
}

pub(super) async fn restore(
    State(console): State<Console>,
    actor: Actor,
    Path((name, version)): Path<(String, u32)>,
    headers: HeaderMap,
    Body(input): Body<RestoreInput>,
) -> Result<Response, Refusal> {
    let expected = etag::expected(&headers)?.map(|v| u32::try_from(v).unwrap_or(u32::MAX));
    let wanted =
        Restore { version, mode: mode_of(input.mode.as_deref())?, note: input.note.clone() };
    let name = name_of(&name)?;
    let (version, checked) = policies::restore(&console, &actor, &name, wanted, expected).await?;
    Ok(etag::tagged(version.into(), Json(checked_view(Some(version), checked))))
}

pub(super) async fn validate(
    State(console): State<Console>,
    actor: Actor,
    Body(input): Body<PolicyInput>,
) -> Result<Json<CheckedView>, Refusal> {
    let server = input.server()?;
    let checked = policies::check(&console, &actor, input.text()?, server.as_ref()).await?;
    Ok(Json(checked_view(None, checked)))
}

/// What a stored policy is tested with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestInput {
    /// A draft to test instead of the stored text.
    text: Option<String>,
}

/// How the tests of a policy came out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestView {
    /// Whether all of them pass.
    passed: bool,
    /// Each failure: expected, got, trace.
    failures: Vec<String>,
}

pub(super) async fn test(
    State(console): State<Console>,
    actor: Actor,
    Path(name): Path<String>,
    Body(input): Body<TestInput>,
) -> Result<Json<TestView>, Refusal> {
    let record = policies::get(&console, &actor, &name_of(&name)?, None).await?;
    let text = input.text.unwrap_or(record.text);
    match policies::check(&console, &actor, &text, record.server.as_ref()).await {
        Ok(_checked) => Ok(Json(TestView { passed: true, failures: Vec::new() })),
        Err(OpError::Tests(failures)) => Ok(Json(TestView { passed: false, failures })),
        Err(other) => Err(other.into()),
    }
}

/// A call to explain. No counter is asked and nothing is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainInput {
    /// The name of the tool that is called.
    pub(super) tool: String,
    /// The arguments; without them, none.
    #[schema(value_type = Option<Object>)]
    pub(super) args: Option<Box<RawValue>>,
    /// The grant's label as conditions see it.
    pub(super) grant: Option<String>,
    /// The grant's tags.
    #[serde(default)]
    pub(super) tags: std::collections::BTreeMap<String, String>,
    /// The instant, RFC 3339; without it, now.
    pub(super) at: Option<String>,
}

/// What a policy would decide about a call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExplainView {
    /// `allow`, `hold` or `deny`.
    verdict: &'static str,
    /// Why it is held or denied, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The rule that holds or denies it: its `id`, or its place in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// What the agent would be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What it would be told to try instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The rules of the limits that an allowed call takes of. Their counters are not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Vec<String>>,
    /// Every rule that was looked at, in order, and what came of it.
    #[schema(value_type = Vec<Object>)]
    trace: serde_json::Value,
}

impl From<policies::Explained> for ExplainView {
    fn from(found: policies::Explained) -> ExplainView {
        let allows = found.refusal.is_none();
        let refusal = found.refusal.as_ref();
        ExplainView {
            verdict: found.verdict,
            reason: refusal.map(|refusal| refusal.reason),
            rule: refusal.map(|refusal| refusal.rule.clone()),
            message: refusal.map(|refusal| refusal.message.clone()),
            hint: refusal.and_then(|refusal| refusal.hint.clone()),
            limits: allows.then_some(found.limits),
            trace: found.trace,
        }
    }
}

pub(super) async fn explain(
    State(console): State<Console>,
    actor: Actor,
    Path(name): Path<String>,
    Body(input): Body<ExplainInput>,
) -> Result<Json<ExplainView>, Refusal> {
    let at = input.at.as_deref().map(|t| super::input::instant("at", t)).transpose()?;
    let question = policies::Question {
        tool: input.tool,
        args: input.args.as_deref().map_or("{}", RawValue::get).to_owned(),
        grant: input.grant.unwrap_or_else(|| "test".to_owned()),
        tags: input.tags,
        at,
    };
    Ok(Json(policies::explain(&console, &actor, &name_of(&name)?, question).await?.into()))
}

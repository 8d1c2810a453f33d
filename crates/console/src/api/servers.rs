//! `/api/v1/servers`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use store::{
    FromServer, NewTools, PinRecord, PinState, Revision, Secret, ServerRecord, ServerSlug,
    Timeouts, Transport,
};
use utoipa::ToSchema;

use super::input::{Body, rfc3339};
use super::problem::Refusal;
use super::{Page, etag};
use crate::Console;
use crate::ops::{Actor, OpError, servers};

/// A server, without its secrets.
#[expect(clippy::struct_excessive_bools, reason = "the document's own members")]
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServerView {
    /// Its name, and the end of the address that agents use: `/mcp/<slug>`.
    slug: String,
    /// Where it is reached; of a server that is a program, absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The program and its arguments; of a server at a URL, absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    /// Names only; the values are sealed.
    headers: Vec<String>,
    /// Names only; the values are sealed.
    env: Vec<String>,
    /// Whether it may be at a private, loopback or link-local address.
    allow_private_address: bool,
    /// How long it may take.
    timeouts: TimeoutsView,
    /// Seconds between two listings of its tools.
    refresh_seconds: u32,
    /// What becomes of new and changed tools: `quarantine` until somebody accepts them, or `allow`.
    new_tools: &'static str,
    /// Whether the tools of the first contact are accepted.
    accept_first: bool,
    /// Classes of tools that somebody set, by the name of the tool.
    classes: BTreeMap<String, String>,
    /// Whether it may ask the person at the client.
    elicitation: bool,
    /// Whether it may ask the client's model.
    sampling: bool,
    /// Whether it may ask for the client's folders.
    roots: bool,
    /// Whether it stands in `portcullis.toml`, where its settings are changed.
    managed_by_file: bool,
    /// Counts its changes: the `ETag` of an answer about it.
    revision: u64,
}

/// How long a server may take, in seconds.
#[expect(clippy::struct_field_names, reason = "the names of the configuration file")]
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TimeoutsView {
    /// Until it is connected: 1 to 86,400, 5 where not given.
    connect_seconds: u32,
    /// Until its answer begins: 1 to 86,400, 60 where not given.
    first_byte_seconds: u32,
    /// Until its answer has ended: 1 to 86,400, 300 where not given.
    total_seconds: u32,
}

impl Default for TimeoutsView {
    fn default() -> TimeoutsView {
        TimeoutsView::from(Timeouts::default())
    }
}

impl From<Timeouts> for TimeoutsView {
    fn from(t: Timeouts) -> TimeoutsView {
        TimeoutsView {
            connect_seconds: t.connect_ms / 1000,
            first_byte_seconds: t.first_byte_ms / 1000,
            total_seconds: t.total_ms / 1000,
        }
    }
}

/// Seconds that any time-out of a server may last, at most: a day.
const TIMEOUT_SECONDS_MAX: u32 = 86_400;
/// Seconds between two listings, at most: a day.
const REFRESH_SECONDS_MAX: u32 = 86_400;

impl From<ServerRecord> for ServerView {
    fn from(record: ServerRecord) -> ServerView {
        let (url, command, headers, env) = match record.transport {
            Transport::Http { url, headers } => (Some(url), None, headers, Vec::new()),
            Transport::Stdio { command, env } => (None, Some(command), Vec::new(), env),
        };
        let names =
            |list: Vec<(String, Secret<String>)>| list.into_iter().map(|(n, _)| n).collect();
        ServerView {
            slug: record.slug.to_string(),
            url,
            command,
            headers: names(headers),
            env: names(env),
            allow_private_address: record.allow_private_address,
            timeouts: record.timeouts.into(),
            refresh_seconds: record.refresh_seconds,
            new_tools: match record.new_tools {
                NewTools::Quarantine => "quarantine",
                NewTools::Allow => "allow",
            },
            accept_first: record.accept_first,
            classes: record.classes.into_iter().map(|(t, c)| (t, c.as_str().to_owned())).collect(),
            elicitation: record.from_server.elicitation,
            sampling: record.from_server.sampling,
            roots: record.from_server.roots,
            managed_by_file: record.managed_by_file,
            revision: record.revision.0,
        }
    }
}

/// A server as the caller wants it; the names are those of the configuration file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerInput {
    /// 1 to 63 lower-case letters, digits and `-`; needed to add a server, and that of the address to
    /// replace one.
    slug: Option<String>,
    /// Where it is reached: this, or `command`.
    url: Option<String>,
    /// The program and its arguments, run without a shell: this, or `url`.
    command: Option<Vec<String>>,
    /// Headers that the gateway sends, for a `url`. They are sealed. What is not sent here is taken away.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The program's variables, for a `command`. They are sealed. What is not sent here is taken away.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Whether it may be at a private, loopback or link-local address; no, where not given.
    #[serde(default)]
    allow_private_address: bool,
    /// How long it may take.
    #[serde(default)]
    timeouts: TimeoutsView,
    /// Seconds between two listings of its tools: 1 to 86,400, 60 where not given.
    refresh_seconds: Option<u32>,
    /// `quarantine`, the default, or `allow`.
    new_tools: Option<String>,
    /// Whether the tools of the first contact are accepted; no, where not given.
    #[serde(default)]
    accept_first: bool,
    /// Classes of tools by their names: `read`, `write`, `execute`, `destructive` or `financial`.
    #[serde(default)]
    classes: BTreeMap<String, String>,
    /// Whether it may ask the person at the client; yes, where not given.
    elicitation: Option<bool>,
    /// Whether it may ask the client's model; no, where not given.
    sampling: Option<bool>,
    /// Whether it may ask for the client's folders; no, where not given.
    roots: Option<bool>,
}

/// Seconds between two listings where the caller does not say.
const REFRESH_SECONDS_DEFAULT: u32 = 60;

impl ServerInput {
    fn record(self, slug: ServerSlug) -> Result<ServerRecord, Refusal> {
        let sealed = |map: BTreeMap<String, String>| {
            map.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()
        };
        let transport = match (self.url, self.command) {
            (Some(url), None) => Transport::Http { url, headers: sealed(self.headers) },
            (None, Some(command)) if !command.is_empty() => {
                Transport::Stdio { command, env: sealed(self.env) }
            }
            _ => return Err(Refusal::invalid("a server has either `url` or `command`")),
        };
        let times = [
            self.timeouts.connect_seconds,
            self.timeouts.first_byte_seconds,
            self.timeouts.total_seconds,
        ];
        if times.iter().any(|s| !(1..=TIMEOUT_SECONDS_MAX).contains(s)) {
            return Err(Refusal::invalid("each time-out is 1 to 86400 seconds"));
        }
        let refresh_seconds = self.refresh_seconds.unwrap_or(REFRESH_SECONDS_DEFAULT);
        if !(1..=REFRESH_SECONDS_MAX).contains(&refresh_seconds) {
            return Err(Refusal::invalid("`refresh_seconds` is 1 to 86400"));
        }
        let classes = self.classes.into_iter().map(|(tool, class)| {
            let known = class.parse::<policy::Class>();
            let known = known.map_err(|unknown| Refusal::invalid(unknown.to_string()));
            known.map(|class| (tool, class))
        });
        let normal = FromServer::default();
        Ok(ServerRecord {
            slug,
            transport,
            allow_private_address: self.allow_private_address,
            timeouts: Timeouts {
                connect_ms: self.timeouts.connect_seconds.saturating_mul(1000),
                first_byte_ms: self.timeouts.first_byte_seconds.saturating_mul(1000),
                total_ms: self.timeouts.total_seconds.saturating_mul(1000),
            },
            refresh_seconds,
            new_tools: match self.new_tools.as_deref() {
                None | Some("quarantine") => NewTools::Quarantine,
                Some("allow") => NewTools::Allow,
                Some(_) => {
                    return Err(Refusal::invalid("`new_tools` is \"quarantine\" or \"allow\""));
                }
            },
            accept_first: self.accept_first,
            classes: classes.collect::<Result<_, _>>()?,
            from_server: FromServer {
                elicitation: self.elicitation.unwrap_or(normal.elicitation),
                sampling: self.sampling.unwrap_or(normal.sampling),
                roots: self.roots.unwrap_or(normal.roots),
            },
            managed_by_file: false,
            revision: Revision::default(),
        })
    }
}

pub(super) fn slug_of(text: &str) -> Result<ServerSlug, Refusal> {
    ServerSlug::parse(text).map_err(|e| Refusal::from(OpError::from(e)))
}

pub(super) async fn list(
    State(console): State<Console>,
    actor: Actor,
) -> Result<Json<Page<ServerView>>, Refusal> {
    let found = servers::list(&console, &actor).await?;
    Ok(Json(Page::whole(found.into_iter().map(ServerView::from).collect())))
}

pub(super) async fn show(
    State(console): State<Console>,
    actor: Actor,
    Path(slug): Path<String>,
) -> Result<Response, Refusal> {
    let record = servers::get(&console, &actor, &slug_of(&slug)?).await?;
    Ok(etag::tagged(record.revision.0, Json(ServerView::from(record))))
}

pub(super) async fn create(
    State(console): State<Console>,
    actor: Actor,
    Body(input): Body<ServerInput>,
) -> Result<Response, Refusal> {
    let Some(slug) = input.slug.as_deref() else {
        return Err(Refusal::invalid("`slug` is missing"));
    };
    let slug = slug_of(slug)?;
    let record = input.record(slug.clone())?;
    // Revision 0 was never given out: the save succeeds only where no server of this name is.
    servers::save(&console, &actor, record, Some(Revision(0))).await?;
    let record = servers::get(&console, &actor, &slug).await?;
    let body = (StatusCode::CREATED, Json(ServerView::from(record.clone())));
    Ok(etag::tagged(record.revision.0, body))
}

pub(super) async fn replace(
    State(console): State<Console>,
    actor: Actor,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Body(input): Body<ServerInput>,
) -> Result<Response, Refusal> {
    let slug = slug_of(&slug)?;
    if input.slug.as_deref().is_some_and(|s| s != slug.as_str()) {
        return Err(Refusal::invalid("`slug` differs from the address"));
    }
    let expected = etag::expected(&headers)?.map(Revision);
    servers::replace(&console, &actor, input.record(slug.clone())?, expected).await?;
    let record = servers::get(&console, &actor, &slug).await?;
    Ok(etag::tagged(record.revision.0, Json(ServerView::from(record))))
}

pub(super) async fn remove(
    State(console): State<Console>,
    actor: Actor,
    Path(slug): Path<String>,
) -> Result<StatusCode, Refusal> {
    servers::remove(&console, &actor, &slug_of(&slug)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A tool as it is pinned.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ToolView {
    /// Its name, as the server lists it.
    name: String,
    /// `accepted` or `quarantined`.
    state: &'static str,
    /// The digest of the definition seen last.
    digest: String,
    /// The digest of the accepted definition.
    accepted_digest: Option<String>,
    /// The definition seen last, as the server sent it.
    #[schema(value_type = Option<Object>)]
    definition: Option<serde_json::Value>,
    /// The accepted definition where it differs.
    #[schema(value_type = Option<Object>)]
    accepted_definition: Option<serde_json::Value>,
    /// `read`, `write`, `execute`, `destructive` or `financial`; absent where nobody said.
    class: Option<&'static str>,
    /// `low`, `medium`, `high` or `critical`; absent where nobody said.
    risk: Option<&'static str>,
    /// When the definition was seen last, RFC 3339.
    seen_at: String,
    /// When the accepted definition was accepted.
    accepted_at: Option<String>,
    /// Who accepted it.
    accepted_by: Option<String>,
}

impl From<PinRecord> for ToolView {
    fn from(pin: PinRecord) -> ToolView {
        let differs = pin.accepted_digest.as_deref() != Some(pin.digest.as_str());
        let accepted = pin.accepted_definition.filter(|_| differs);
        ToolView {
            name: pin.tool,
            state: match pin.state {
                PinState::Accepted => "accepted",
                PinState::Quarantined => "quarantined",
            },
            digest: pin.digest,
            accepted_digest: pin.accepted_digest,
            definition: serde_json::from_str(&pin.definition).ok(),
            accepted_definition: accepted.and_then(|d| serde_json::from_str(&d).ok()),
            class: pin.class.map(policy::Class::as_str),
            risk: pin.risk.map(policy::Risk::as_str),
            seen_at: rfc3339(pin.seen_at),
            accepted_at: pin.accepted_at.map(rfc3339),
            accepted_by: pin.accepted_by.map(|a| a.to_string()),
        }
    }
}

pub(super) async fn tools(
    State(console): State<Console>,
    actor: Actor,
    Path(slug): Path<String>,
) -> Result<Json<Page<ToolView>>, Refusal> {
    let found = servers::tools(&console, &actor, &slug_of(&slug)?).await?;
    Ok(Json(Page::whole(found.into_iter().map(ToolView::from).collect())))
}

/// What a look at a live server found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InspectionView {
    /// Whether the server answered.
    reachable: bool,
    /// What went wrong, for people.
    problem: Option<String>,
    /// How many tools it listed.
    tools: usize,
    /// How many of them wait for somebody to accept their definition.
    quarantined: usize,
}

pub(super) async fn inspect(
    State(console): State<Console>,
    actor: Actor,
    Path(slug): Path<String>,
) -> Result<Json<InspectionView>, Refusal> {
    let found = servers::inspect(&console, &actor, &slug_of(&slug)?).await?;
    Ok(Json(InspectionView {
        reachable: found.reachable,
        problem: found.problem,
        tools: found.tools,
        quarantined: found.quarantined,
    }))
}

/// Which definition is accepted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptInput {
    /// The digest of the definition that somebody looked at; without it, the one seen last.
    digest: Option<String>,
}

/// That a definition was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AcceptedView {
    /// When, RFC 3339.
    accepted_at: String,
}

pub(super) async fn accept(
    State(console): State<Console>,
    actor: Actor,
    Path((slug, name)): Path<(String, String)>,
    Body(input): Body<AcceptInput>,
) -> Result<Json<AcceptedView>, Refusal> {
    let slug = slug_of(&slug)?;
    let pin = (&slug, name.as_str());
    let at = servers::accept(&console, &actor, pin, input.digest.as_deref()).await?;
    Ok(Json(AcceptedView { accepted_at: rfc3339(at) }))
}

//! One server.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use policy::UnixMillis;
use serde::Deserialize;
use store::{
    NewTools, PinLine, PinState, Revision, Secret, ServerRecord, ServerSlug, Timeouts, Transport,
};

use super::{RiskCount, by_risk, reached, risk_badge, state, troubles};
use crate::Console;
use crate::ops::{OpError, Permission, servers};
use crate::plane::{LogLine, ServerState, ServerStateKind};
use crate::ui::address::{Path, Query};
use crate::ui::form::Posted;
use crate::ui::look::{Badge, When, filters};
use crate::ui::page::{Frame, Place, Trouble, answer, encoded, see_other};
use crate::ui::sign_in::refused;
use crate::ui::visitor::Visitor;

/// Tools of one page.
const PAGE_TOOLS: usize = 100;
/// Seconds that any time-out of a server may last, at most: a day.
const TIMEOUT_SECONDS_MAX: u32 = 86_400;

/// Which tools are asked for.
#[derive(Debug, Default, Deserialize)]
pub(in crate::ui) struct Asked {
    /// A part of the name.
    #[serde(default)]
    q: String,
    /// A risk, or `unknown`.
    #[serde(default)]
    risk: String,
    /// `accepted` or `quarantined`.
    #[serde(default)]
    state: String,
    /// The last tool of the page before.
    after: Option<String>,
    /// What the page before has done.
    told: Option<String>,
}

impl Asked {
    fn is_filtered(&self) -> bool {
        !(self.q.is_empty() && self.risk.is_empty() && self.state.is_empty())
    }

    fn takes(&self, line: &PinLine) -> bool {
        let risk = line.risk.map_or("unknown", policy::Risk::as_str);
        let needle = self.q.to_lowercase();
        (self.risk.is_empty() || self.risk == risk)
            && (self.state.is_empty() || self.state == line.state.as_str())
            && (needle.is_empty() || line.tool.to_lowercase().contains(&needle))
    }
}

/// One tool of the table.
#[derive(Debug)]
struct ToolLine {
    name: String,
    class: Badge,
    risk: Badge,
    state: Badge,
    calls: String,
}

/// Something said above the page.
#[derive(Debug)]
struct Notice {
    kind: &'static str,
    text: String,
}

#[derive(Debug, Template)]
#[template(path = "server.html")]
struct Server {
    frame: Frame,
    notice: Option<Notice>,
    slug: String,
    address: String,
    record: ServerRecord,
    reached: String,
    is_http: bool,
    state: Badge,
    /// Why the gateway does not reach it.
    trouble: Option<String>,
    risks: Vec<RiskCount>,
    tools: Vec<ToolLine>,
    all: usize,
    found: usize,
    waiting: usize,
    asked: Asked,
    next: Option<String>,
    secrets: Vec<String>,
    may_change: bool,
    /// How it was since the process started, the newest first.
    states: Vec<StateLine>,
    /// What its program said, the newest first.
    log: Vec<LogRow>,
    /// Lines that are not kept any more.
    dropped: u64,
}

/// How the server was.
#[derive(Debug)]
struct StateLine {
    badge: Badge,
    what: String,
    since: When,
    last: Option<When>,
}

/// A line of the program's error output.
#[derive(Debug)]
struct LogRow {
    at: When,
    text: String,
    left_out: u64,
}

impl Server {
    fn times(&self) -> [(&'static str, &'static str, u32); 3] {
        let times = self.record.timeouts;
        [
            ("connect_seconds", "To connect", times.connect_ms / 1_000),
            ("first_byte_seconds", "To the first byte", times.first_byte_ms / 1_000),
            ("total_seconds", "For a whole call", times.total_ms / 1_000),
        ]
    }

    fn risks_asked(&self) -> Vec<(&'static str, &'static str, bool)> {
        let all = [
            ("critical", "Critical"),
            ("high", "High"),
            ("medium", "Medium"),
            ("low", "Low"),
            ("unknown", "Unknown"),
        ];
        all.into_iter().map(|(word, name)| (word, name, self.asked.risk == word)).collect()
    }

    fn classes() -> [(&'static str, &'static str); 6] {
        [
            ("read", "Read"),
            ("write", "Write"),
            ("execute", "Execute"),
            ("destructive", "Destructive"),
            ("financial", "Financial"),
            ("", "As the catalogue says"),
        ]
    }

    fn allows_new(&self) -> bool {
        self.record.new_tools == NewTools::Allow
    }
}

fn slug_of(text: &str) -> Result<ServerSlug, OpError> {
    ServerSlug::parse(text).map_err(OpError::from)
}

fn address(slug: &ServerSlug) -> String {
    format!("/servers/{}", encoded(slug.as_str()))
}

/// The page.
pub(in crate::ui) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let told = match asked.told.as_deref() {
        Some("saved") => Some("The settings are saved."),
        Some("secret") => Some("The secret is replaced. It goes with the next request."),
        Some("class") => Some("The class is set. It goes with the next listing of the tools."),
        Some("accepted") => Some("The tools are accepted. Policies decide who may call them."),
        _ => None,
    };
    let notice = told.map(|text| Notice { kind: "ok", text: text.to_owned() });
    let slug = ServerSlug::parse(&slug).map_err(|_no_slug| Trouble::no_page())?;
    page(&console, &visitor, &slug, (asked, notice), StatusCode::OK).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    slug: &ServerSlug,
    (asked, notice): (Asked, Option<Notice>),
    status: StatusCode,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    let record = servers::get(console, &visitor.actor, slug).await?;
    let diary = servers::diary(console, &visitor.actor, slug).await?;
    let lines = servers::lines(console, &visitor.actor, Some(slug)).await?;
    let waiting = lines.iter().filter(|line| line.state == PinState::Quarantined).count();
    let taken: Vec<&PinLine> = lines.iter().filter(|line| asked.takes(line)).collect();
    let after = asked.after.as_deref();
    let rest = taken.iter().filter(|line| after.is_none_or(|after| line.tool.as_str() > after));
    let mut shown: Vec<&PinLine> = rest.copied().take(PAGE_TOOLS.saturating_add(1)).collect();
    let is_more = shown.len() > PAGE_TOOLS;
    shown.truncate(PAGE_TOOLS);
    let address = address(slug);
    let next = shown.last().filter(|_| is_more).map(|last| {
        let (q, risk, state) = (encoded(&asked.q), encoded(&asked.risk), encoded(&asked.state));
        format!("{address}?q={q}&risk={risk}&state={state}&after={}", encoded(&last.tool))
    });
    let frame = Frame::of(console, visitor, Place::Servers, slug.as_str()).await?;
    let (is_http, held) = match &record.transport {
        Transport::Http { headers, .. } => (true, headers),
        Transport::Stdio { env, .. } => (false, env),
    };
    let page = Server {
        may_change: frame.may(Permission::Administer) && !record.managed_by_file,
        frame,
        notice,
        slug: slug.to_string(),
        reached: reached(&record),
        is_http,
        state: state(lines.len(), waiting),
        trouble: troubles(console).remove(slug.as_str()),
        risks: by_risk(&lines),
        tools: shown.into_iter().map(|line| tool_line(slug, line)).collect(),
        all: lines.len(),
        found: taken.len(),
        waiting,
        asked,
        next,
        secrets: held.iter().map(|(name, _)| name.clone()).collect(),
        states: diary.states.iter().rev().map(|state| state_line(state, now)).collect(),
        log: diary.lines.into_iter().rev().map(|line| log_row(line, now)).collect(),
        dropped: diary.dropped,
        address,
        record,
    };
    Ok(answer(status, &page))
}

fn state_line(state: &ServerState, now: UnixMillis) -> StateLine {
    let (badge, what) = match &state.kind {
        ServerStateKind::Up(tools) => (Badge::state("ok", "Up"), format!("listed {tools} tools")),
        ServerStateKind::Failing(why) => (Badge::state("bad", "Failing"), why.clone()),
        ServerStateKind::Ended(status) => {
            (Badge::state("warn", "Ended"), format!("its program ended: {status}"))
        }
    };
    let last = (state.last > state.since).then(|| When::new(state.last, now));
    StateLine { badge, what, since: When::new(state.since, now), last }
}

fn log_row(line: LogLine, now: UnixMillis) -> LogRow {
    LogRow { at: When::new(line.at, now), text: line.text, left_out: line.left_out }
}

fn tool_line(slug: &ServerSlug, line: &PinLine) -> ToolLine {
    ToolLine {
        name: line.tool.clone(),
        class: Badge::class(line.class.map_or("unknown", policy::Class::as_str)),
        risk: risk_badge(line.risk),
        state: match (line.state, line.is_new) {
            (PinState::Accepted, _) => Badge::state("ok", "Accepted"),
            (PinState::Quarantined, true) => Badge::state("warn", "New, kept out"),
            (PinState::Quarantined, false) => Badge::state("warn", "Changed, kept out"),
        },
        calls: format!("/activity?server={}&tool={}", encoded(slug.as_str()), encoded(&line.tool)),
    }
}

/// Nothing but the secret of the session.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct Nothing {}

/// Looks at the live server now.
pub(in crate::ui) async fn test(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let slug = slug_of(&slug)?;
    let found = servers::inspect(&console, &posted.visitor.actor, &slug).await?;
    let notice = if found.reachable {
        let text = format!(
            "It answers, and lists {} tools; {} of them wait for somebody to accept them.",
            found.tools, found.quarantined
        );
        Notice { kind: "ok", text }
    } else {
        let why = found.problem.unwrap_or_else(|| "it does not answer".to_owned());
        Notice { kind: "bad", text: format!("No connection: {why}") }
    };
    let asked = (Asked::default(), Some(notice));
    page(&console, &posted.visitor, &slug, asked, StatusCode::OK).await
}

/// What the form of settings says; boxes that are not ticked do not come.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct SettingsForm {
    revision: u64,
    connect_seconds: u32,
    first_byte_seconds: u32,
    total_seconds: u32,
    refresh_seconds: u32,
    new_tools: String,
    allow_private_address: Option<String>,
    accept_first: Option<String>,
    elicitation: Option<String>,
    sampling: Option<String>,
    roots: Option<String>,
}

impl SettingsForm {
    fn change(&self, record: &mut ServerRecord) -> Result<(), OpError> {
        let times = [
            self.connect_seconds,
            self.first_byte_seconds,
            self.total_seconds,
            self.refresh_seconds,
        ];
        if times.iter().any(|seconds| !(1..=TIMEOUT_SECONDS_MAX).contains(seconds)) {
            return Err(OpError::Invalid("each time is 1 to 86400 seconds".to_owned()));
        }
        record.timeouts = Timeouts {
            connect_ms: self.connect_seconds.saturating_mul(1_000),
            first_byte_ms: self.first_byte_seconds.saturating_mul(1_000),
            total_ms: self.total_seconds.saturating_mul(1_000),
        };
        record.refresh_seconds = self.refresh_seconds;
        record.new_tools = match self.new_tools.as_str() {
            "allow" => NewTools::Allow,
            _ => NewTools::Quarantine,
        };
        record.allow_private_address = self.allow_private_address.is_some();
        record.accept_first = self.accept_first.is_some();
        record.from_server.elicitation = self.elicitation.is_some();
        record.from_server.sampling = self.sampling.is_some();
        record.from_server.roots = self.roots.is_some();
        Ok(())
    }
}

/// Saves the settings, if nobody else did meanwhile.
pub(in crate::ui) async fn settings(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<SettingsForm>,
) -> Result<Response, Trouble> {
    let actor = &posted.visitor.actor;
    actor.may(Permission::Administer).map_err(OpError::from)?;
    let slug = slug_of(&slug)?;
    let mut record = servers::get(&console, actor, &slug).await?;
    let saved = match posted.form.change(&mut record) {
        Ok(()) => {
            let expected = Some(Revision(posted.form.revision));
            servers::save(&console, actor, record, expected).await.map(drop)
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(()) => Ok(see_other(&format!("{}?told=saved", address(&slug)))),
        Err(OpError::Invalid(text)) => {
            let asked = (Asked::default(), Some(Notice { kind: "bad", text }));
            page(&console, &posted.visitor, &slug, asked, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => Err(error.into()),
    }
}

/// A secret to be put in the place of another.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct SecretForm {
    name: String,
    value: String,
}

/// Replaces a secret; takes a fresh proof.
pub(in crate::ui) async fn credentials(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<SecretForm>,
) -> Response {
    let Posted { visitor, form, .. } = posted;
    let slug = match slug_of(&slug) {
        Ok(slug) => slug,
        Err(error) => return Trouble::from(error).into_response(),
    };
    let secret = (form.name.trim().to_owned(), Secret::new(form.value));
    match servers::put_secret(&console, &visitor.actor, &slug, secret).await {
        Ok(_revision) => see_other(&format!("{}?told=secret", address(&slug))),
        Err(error) => refused(error, &address(&slug)),
    }
}

/// A tool and its class; an empty one is the catalogue's.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct ClassForm {
    tool: String,
    class: String,
}

/// Gives a tool another class.
pub(in crate::ui) async fn class(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<ClassForm>,
) -> Result<Response, Trouble> {
    let actor = &posted.visitor.actor;
    actor.may(Permission::Administer).map_err(OpError::from)?;
    let slug = slug_of(&slug)?;
    let class = Some(posted.form.class.as_str()).filter(|class| !class.is_empty());
    let class = class
        .map(str::parse::<policy::Class>)
        .transpose()
        .map_err(|unknown| OpError::Invalid(unknown.to_string()))?;
    servers::set_class(&console, actor, &slug, (&posted.form.tool, class)).await?;
    Ok(see_other(&format!("{}?told=class", address(&slug))))
}

/// The name typed again, so that nobody removes the wrong one.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct RemoveForm {
    confirm: String,
}

/// Removes the server with its pins and grants.
pub(in crate::ui) async fn remove(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<RemoveForm>,
) -> Result<Response, Trouble> {
    posted.visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let slug = slug_of(&slug)?;
    if posted.form.confirm.trim() != slug.as_str() {
        let text = "Nothing was removed: the name that was typed is another one.".to_owned();
        let asked = (Asked::default(), Some(Notice { kind: "bad", text }));
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return page(&console, &posted.visitor, &slug, asked, status).await;
    }
    servers::remove(&console, &posted.visitor.actor, &slug).await?;
    Ok(see_other("/servers?told=removed"))
}

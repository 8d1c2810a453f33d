//! What the gateway changes in a server's answer, and nothing else: lists are filtered by policy,
//! forbidden capabilities are taken out, tasks get their owner, and requests for input that the
//! server's settings forbid are refused. Everything else stays byte for byte.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::HeaderValue;
use mcp::{
    BadReply, CacheRewrite, Capability, CapabilitySite, Era, Filtered, ListItem, ListKind, Method,
    Outcome, Response, code, filter_list, list_items, reply, set_capability, strip_capabilities,
};
use policy::{DefaultAction, Section, Target};

use super::facts;
use super::refusal::TASKS_EXTENSION;
use super::visit::Visit;
use crate::listing;
use crate::sessions::{Opening, Session};
use crate::tools::{Listed, Seen, ToolTable};
use crate::upstream::UpstreamSession;

/// The longest `initialize` request that is kept to open a session again, in bytes.
const OPENING_BYTES_MAX: usize = 64 * 1024;

/// What the answer to a request is.
#[derive(Debug)]
pub(crate) enum Expect {
    /// Something that passes as it is.
    Raw,
    /// The answer to a judged call.
    Call,
    /// A list that is filtered.
    List(ListKind),
    /// The answer to `server/discover`.
    Discover(OwnTasks),
    /// The answer about a task of the server that stands behind the gateway's task of this
    /// identifier.
    Task(Box<str>),
    /// The answer to `initialize`.
    Initialize(Box<Handshake>),
}

/// Whether the gateway makes tasks of this client's held calls, and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnTasks {
    Served,
    /// Its policy holds nothing, or the client does not take tasks.
    None,
}

/// A legacy handshake.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    pub(crate) request: Bytes,
    pub(crate) client_name: Option<Box<str>>,
    pub(crate) client_version: Option<Box<str>>,
    pub(crate) takes_links: bool,
    pub(crate) session: Option<Arc<Session>>,
}

/// Opens the agent's session for one that the server opened.
pub(crate) fn open_session(
    visit: &Visit,
    handshake: &mut Handshake,
    upstream: UpstreamSession,
) -> Option<HeaderValue> {
    // Copied: what was read is a piece of the connection's buffer, and keeps some KiB of it.
    let kept = Some(&handshake.request).filter(|request| request.len() <= OPENING_BYTES_MAX);
    let (name, version) = (handshake.client_name.take(), handshake.client_version.take());
    let opening = Opening {
        client: facts::client(name.as_deref(), version.as_deref()).map(String::into_boxed_str),
        request: kept.map_or_else(Bytes::new, |request| Bytes::copy_from_slice(request)),
        client_name: name,
        client_version: version,
        takes_links: handshake.takes_links,
    };
    let record = &visit.grant.record;
    let plane = &visit.plane;
    let (session, evicted) = plane.sessions.open(
        (record.id.clone(), record.server.clone()),
        opening,
        upstream,
        (plane.config.randomness, visit.now),
    );
    if let Some(evicted) = evicted
        && let Some(server) = visit.snapshot.servers.get(evicted.server()).cloned()
    {
        plane.tracker.spawn(super::end_upstream_session(server, evicted));
    }
    let id = HeaderValue::from_str(session.id()).ok();
    // What changed before the session was opened is in the first list that it reads.
    session.wins_announcement(*visit.grant.live.changes.borrow());
    handshake.session = Some(session);
    id
}

/// The answer as the agent gets it.
pub(crate) async fn answer(visit: &Visit, expect: &Expect, era: Era, response: Response) -> Bytes {
    let failed = matches!(response.outcome(), Outcome::Error(_));
    match expect {
        Expect::Raw => response.body().clone(),
        Expect::Call => call(visit, era, &response),
        Expect::List(_) | Expect::Discover(_) if failed => response.body().clone(),
        Expect::List(kind) => Box::pin(list(visit, *kind, era, &response)).await,
        Expect::Discover(own) => with_tasks(*own, discovered(visit, &response)),
        Expect::Task(id) => {
            let body = call(visit, era, &response);
            let id = reply::json_string(id);
            mcp::replace_values(&body, &[(&["result", "taskId"], &id)]).unwrap_or(body)
        }
        Expect::Initialize(handshake) if failed => {
            if let Some(session) = &handshake.session {
                visit.plane.sessions.end(session);
            }
            response.body().clone()
        }
        Expect::Initialize(handshake) => {
            if let Some(session) = &handshake.session {
                let result = response.payload();
                let version = result.get("protocolVersion").and_then(mcp::Node::as_str);
                let tools = result.at_path(&["capabilities", "tools"]);
                let announces = tools.is_some_and(|tools| announces_changes(tools.raw()));
                session.answered(version.as_deref().unwrap_or_default(), announces);
            }
            discovered(visit, &response)
        }
    }
}

/// Whether a `tools` capability says that changes of the list are announced.
fn announces_changes(tools: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Tools {
        #[serde(rename = "listChanged", default)]
        list_changed: bool,
    }
    serde_json::from_slice::<Tools>(tools).is_ok_and(|tools| tools.list_changed)
}

/// Takes out what the grant can never use, so that clients do not ask for it.
fn discovered(visit: &Visit, response: &Response) -> Bytes {
    let mut forbid = Vec::new();
    for (section, name) in [(Section::Resources, "resources"), (Section::Prompts, "prompts")] {
        if sees_nothing(visit, section) {
            forbid.push(Capability::new(&[name]));
        }
    }
    if forbid.is_empty() {
        return response.body().clone();
    }
    strip_capabilities(response.body(), CapabilitySite::Server, &forbid)
        .unwrap_or_else(|_unreadable| response.body().clone())
}

/// Says that the gateway serves tasks, where the server does not say so of itself.
fn with_tasks(own: OwnTasks, body: Bytes) -> Bytes {
    let says = |body: &Bytes| {
        #[derive(serde::Deserialize)]
        struct Declared<'a> {
            #[serde(borrow, default)]
            extensions: BTreeMap<Cow<'a, str>, &'a serde_json::value::RawValue>,
        }
        #[derive(serde::Deserialize)]
        struct Server<'a> {
            #[serde(borrow)]
            capabilities: Declared<'a>,
        }
        #[derive(serde::Deserialize)]
        struct Whole<'a> {
            #[serde(borrow)]
            result: Server<'a>,
        }
        serde_json::from_slice::<Whole<'_>>(body)
            .map(|whole| whole.result.capabilities.extensions.contains_key(TASKS_EXTENSION))
    };
    match (own, says(&body)) {
        (OwnTasks::Served, Ok(false)) => {
            let tasks = Capability::extension(TASKS_EXTENSION);
            set_capability(&body, CapabilitySite::Server, &tasks, "{}").unwrap_or(body)
        }
        (OwnTasks::Served | OwnTasks::None, _) => body,
    }
}

/// Whether a section of the policy shows nothing, whatever the server offers.
fn sees_nothing(visit: &Visit, section: Section) -> bool {
    let policy = &visit.grant.policy;
    policy.nothing
        || policy.shown().default_action() == DefaultAction::Deny
            && !policy.shown().has_selectors(section)
}

/// The client's capabilities that the server's settings forbid, taken out of `initialize`.
pub(crate) fn offered(visit: &Visit, body: &Bytes) -> Bytes {
    let from = visit.server.record.from_server;
    let all =
        [(from.sampling, "sampling"), (from.elicitation, "elicitation"), (from.roots, "roots")];
    let forbid: Vec<Capability> = all
        .iter()
        .filter(|(allowed, _)| !allowed)
        .map(|(_, name)| Capability::new(&[name]))
        .collect();
    strip_capabilities(body, CapabilitySite::Client, &forbid)
        .unwrap_or_else(|_unreadable| body.clone())
}

/// The answer to a judged call: a task gets its owner, and forbidden requests for input end it.
fn call(visit: &Visit, era: Era, response: &Response) -> Bytes {
    let result = response.payload();
    let task = result.at_path(&["task", "taskId"]).or_else(|| result.get("taskId"));
    if let Some(task) = task.and_then(mcp::Node::as_str) {
        let record = &visit.grant.record;
        visit.plane.task_owners.created(&record.server, &task, &record.id);
    }
    let asks = response.result_type().as_deref() == Some("input_required")
        || result.get("inputRequests").is_some();
    if era == Era::Modern
        && asks
        && let Some(method) = forbidden_input(visit, response.body())
    {
        let data = format!("{{\"method\":{}}}", reply::json_string(&method));
        let message = "the server asks for what its settings do not allow";
        return reply::error(response.id(), code::DENIED, message, Some(&data));
    }
    response.body().clone()
}

/// The first request for input that the server may not make (MCP 2026-07-28, `inputRequests`).
fn forbidden_input(visit: &Visit, body: &Bytes) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Asking<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
    }
    #[derive(serde::Deserialize)]
    struct Required<'a> {
        #[serde(rename = "inputRequests", borrow, default)]
        requests: BTreeMap<Cow<'a, str>, Asking<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        result: Required<'a>,
    }
    match serde_json::from_slice::<Whole<'_>>(body) {
        Ok(whole) => whole
            .result
            .requests
            .into_values()
            .map(|asking| asking.method)
            .find(|method| !may_ask(visit, &Method::from_name(method)))
            .map(Cow::into_owned),
        // What cannot be read cannot be allowed.
        Err(_unreadable) => Some("unknown".to_owned()),
    }
}

/// Whether the server may make this request (GATEWAY.md section 4).
pub(crate) fn may_ask(visit: &Visit, method: &Method) -> bool {
    let from = visit.server.record.from_server;
    if *method == Method::SamplingCreateMessage {
        from.sampling
    } else if *method == Method::ElicitationCreate {
        from.elicitation
    } else if *method == Method::RootsList {
        from.roots
    } else {
        *method == Method::Ping
    }
}

/// Whether the grant may know of a resource.
pub(crate) fn sees_resource(visit: &Visit, uri: &str) -> bool {
    visit.grant.policy.shown().lists(&Target::Resource { uri })
}

/// Whether the grant may know of a prompt.
pub(crate) fn sees_prompt(visit: &Visit, name: &str) -> bool {
    visit.grant.policy.shown().lists(&Target::Prompt { name })
}

/// Whether the grant created the task.
pub(crate) fn owns_task(visit: &Visit, task: &str) -> bool {
    let record = &visit.grant.record;
    visit.plane.task_owners.owns(&record.server, task, &record.id)
}

/// A list with what the grant may see. One that cannot be filtered with certainty is refused.
async fn list(visit: &Visit, kind: ListKind, era: Era, response: &Response) -> Bytes {
    let cache = match era {
        Era::Legacy => CacheRewrite::Keep,
        Era::Modern => CacheRewrite::Private,
    };
    let filtered = match kind {
        ListKind::Tools => tools(visit, era, cache, response).await,
        ListKind::Prompts | ListKind::Resources | ListKind::Templates | ListKind::Tasks => {
            filter_list(response.body(), kind, cache, |item| shows(visit, kind, item))
        }
    };
    match filtered {
        Ok(filtered) => filtered.body,
        Err(error) => {
            tracing::info!(%error, "a list of a server cannot be filtered");
            reply::error(response.id(), code::BAD_UPSTREAM_ANSWER, "bad upstream answer", None)
        }
    }
}

/// The list of tools that the server sent before in the very same bytes, as it was filtered then; `None`
/// where it has to be read.
pub(crate) fn tools_again(visit: &Visit, era: Era, body: &[u8], id: &mcp::RawId) -> Option<Bytes> {
    let policy = (&visit.grant.policy, era);
    visit.server.shelf.with_table(|table| table.filtered.again(policy, body, id))
}

/// The list of tools: in one pass where it shows nothing but what is pinned, as it nearly always does.
async fn tools(
    visit: &Visit,
    era: Era,
    cache: CacheRewrite,
    response: &Response,
) -> Result<Filtered, BadReply> {
    let table = visit.server.shelf.table();
    if table.listed == Listed::Yes {
        let mut pinned = Pinned { visit, table: &table, names: HashSet::default(), news: false };
        let filtered =
            filter_list(response.body(), ListKind::Tools, cache, |item| pinned.shows(item))?;
        if !pinned.news {
            table.filtered.keep((&visit.grant.policy, era), response, &filtered.body);
            return Ok(filtered);
        }
        note_news(visit, response).await;
    }
    filter_list(response.body(), ListKind::Tools, cache, |item| shows(visit, ListKind::Tools, item))
}

/// A pass over a list of tools that is given up when it meets what is not pinned, or a name that stands
/// twice.
struct Pinned<'a> {
    visit: &'a Visit,
    table: &'a ToolTable,
    /// Hashes of the names so far. Two names of one hash only cost the other way.
    names: HashSet<u64, RandomState>,
    news: bool,
}

impl Pinned<'_> {
    fn shows(&mut self, item: &ListItem<'_>) -> bool {
        let hash = self.names.hasher().hash_one(&*item.key);
        self.news |= !self.names.insert(hash);
        let policy = self.visit.grant.policy.shown();
        let tool = self.table.get(&item.key).filter(|tool| tool.is_defined_by(item.raw));
        self.news |= tool.is_none();
        tool.is_some_and(|tool| !tool.is_quarantined() && tool.is_listed_by(policy))
    }
}

/// Whether a list shows this item.
fn shows(visit: &Visit, kind: ListKind, item: &ListItem<'_>) -> bool {
    match kind {
        ListKind::Tools => shows_tool(visit, item),
        ListKind::Prompts => sees_prompt(visit, &item.key),
        ListKind::Resources | ListKind::Templates => sees_resource(visit, &item.key),
        ListKind::Tasks => owns_task(visit, &item.key),
    }
}

/// Whether a list shows this tool: not hidden, listed or default-allowed, pinned as it stands, and
/// not quarantined.
fn shows_tool(visit: &Visit, item: &ListItem<'_>) -> bool {
    let Ok(raw) = std::str::from_utf8(item.raw) else { return false };
    let Some(tool) = visit.server.shelf.shows(&Seen { name: &item.key, raw }) else { return false };
    tool.is_listed_by(visit.grant.policy.shown())
}

/// Pins what a list on its way to the agent shows for the first time.
async fn note_news(visit: &Visit, response: &Response) {
    let shelf = &visit.server.shelf;
    let body = response.body();
    let Ok(page) = list_items(body, ListKind::Tools) else { return };
    let seen: Vec<Seen<'_>> = page
        .items
        .iter()
        .filter_map(|(name, range)| {
            let raw = std::str::from_utf8(body.get(range.clone())?).ok()?;
            Some(Seen { name, raw })
        })
        .collect();
    let news = !page.duplicates.is_empty() || seen.iter().any(|seen| shelf.is_news(seen));
    if news && let Err(error) = listing::note_page(&visit.plane, &visit.server, &seen).await {
        tracing::error!(%error, "the tools of a list could not be pinned");
    }
}

/// An empty list, for a grant that may see nothing: the server is not asked.
pub(crate) fn empty_list(id: &mcp::RawId, era: Era, kind: ListKind) -> Bytes {
    let cache = match era {
        Era::Legacy => "",
        Era::Modern => ",\"ttlMs\":0,\"cacheScope\":\"private\"",
    };
    reply::result(id, era, &format!("\"{}\":[]{cache}", kind.member()))
}

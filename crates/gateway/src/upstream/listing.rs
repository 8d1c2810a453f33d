//! Listing a server's tools on the gateway's own behalf: one introduction, kept; cursors followed within bounds.
//! Never here: what is done with a definition, when a list is taken.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use mcp::{
    Era, ListKind, Method, Node, Outcome, ProtocolVersion, Response, ServerMessage, list_items,
    read_message, reply,
};

use super::message::{Outgoing, Reply, SendError, Sent, UpstreamSession, Verb};
use super::stdio::{own_client, own_id};
use super::{Client, Event};

/// How many pages of one list are followed.
pub const LIST_PAGES_MAX: usize = 1000;
/// How many tools of one server are listed.
pub const LIST_TOOLS_MAX: usize = 50_000;
/// How large all pages of one list may be together, in bytes.
pub const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// The tools of a server as it listed them.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The raw definitions in the order of the server, those without a readable name left out.
    pub tools: Vec<Bytes>,
    /// Their names.
    pub names: Vec<String>,
}

/// Why the tools of a server could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A message got no reply.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A reply is not a list of tools.
    #[error("the answer is not a list of tools")]
    BadList,
    /// More pages, tools or bytes than the bounds, or a cursor that comes again.
    #[error("the list of tools does not end within its bounds")]
    Endless,
    /// The server answered with an error of its own.
    #[error("the server refused to list its tools: {0}")]
    Refused(String),
}

/// How the gateway itself stands with a server: the revision, and the session of a legacy server. Kept from list to list, so that
/// regular listing does not pile up sessions.
#[derive(Debug, Clone)]
struct Standing {
    version: ProtocolVersion,
    session: Option<UpstreamSession>,
}

/// Lists the tools of one server.
#[derive(Debug, Default)]
pub(super) struct Lister(Mutex<Option<Standing>>);

impl Lister {
    /// Lists all tools. A standing that the server no longer accepts is renewed once.
    pub(super) async fn list(&self, client: &Client) -> Result<Listing, ListError> {
        if let Client::Stdio(child) = client {
            // A child was introduced when it was started.
            let version = match child.era().await? {
                Era::Legacy => ProtocolVersion::NEWEST_LEGACY,
                Era::Modern => ProtocolVersion::NEWEST_MODERN,
            };
            return pages(client, &Standing { version, session: None }).await;
        }
        let kept = self.lock().clone();
        if let Some(standing) = kept {
            match pages(client, &standing).await {
                Err(ListError::Refused(_) | ListError::Send(SendError::SessionGone(_))) => {}
                other => return other,
            }
        }
        let standing = introduce(client).await?;
        *self.lock() = Some(standing.clone());
        pages(client, &standing).await
    }

    /// The message that ends the gateway's own session.
    pub(super) fn farewell(&self) -> Option<Outgoing> {
        let standing = self.lock().take()?;
        let session = Some(standing.session.clone()?);
        let out = Outgoing { session, verb: Verb::Delete, ..Outgoing::post(Bytes::new()) };
        Some(with_version(out, standing.version))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds out what a server speaks: `server/discover`, and after anything but a modern answer `initialize`.
async fn introduce(client: &Client) -> Result<Standing, ListError> {
    let version = ProtocolVersion::NEWEST_MODERN;
    let discover =
        reply::request(&own_id(), version, &Method::ServerDiscover, "", own_client("{}"));
    let out = modern(Outgoing::post(discover), &Method::ServerDiscover);
    match answer(client, out).await {
        Ok((response, _)) if discovers(&response) => {
            return Ok(Standing { version, session: None });
        }
        Ok(_)
        | Err(
            ListError::Refused(_) | ListError::BadList | ListError::Send(SendError::BadAnswer(_)),
        ) => {}
        Err(error) => return Err(error),
    }
    let request = reply::initialize(&own_id(), ProtocolVersion::NEWEST_LEGACY, own_client("{}"));
    let (response, session) = answer(client, Outgoing::post(request)).await?;
    let version = response.payload().get("protocolVersion").and_then(Node::as_str);
    let version =
        version.and_then(|version| ProtocolVersion::parse(&version)).ok_or(ListError::BadList)?;
    let standing = Standing { version, session };
    let ready = Outgoing::post(reply::notification(Method::NotifyInitialized.as_str(), None));
    client.dispatch(in_session(ready, &standing)).await?;
    Ok(standing)
}

fn discovers(response: &Response) -> bool {
    let versions = response.payload().get("supportedVersions");
    let newest = ProtocolVersion::NEWEST_MODERN.as_str();
    versions
        .is_some_and(|versions| versions.elements().any(|v| v.as_str().as_deref() == Some(newest)))
}

async fn pages(client: &Client, standing: &Standing) -> Result<Listing, ListError> {
    let (mut tools, mut names) = (Vec::new(), Vec::new());
    let mut cursors = HashSet::new();
    let mut cursor: Option<String> = None;
    let mut bytes = 0_usize;
    for _ in 0..LIST_PAGES_MAX {
        let (version, method) = (standing.version, Method::ToolsList);
        let page =
            reply::list_request(&own_id(), version, &method, cursor.as_deref(), own_client("{}"));
        let out = match version.era() {
            Era::Legacy => in_session(Outgoing::post(page), standing),
            Era::Modern => modern(Outgoing::post(page), &method),
        };
        let (response, _) = answer(client, out).await?;
        let body = response.body();
        bytes = bytes.saturating_add(body.len());
        let page = list_items(body, ListKind::Tools).map_err(|_no_list| ListError::BadList)?;
        if bytes > LIST_BYTES_MAX || tools.len().saturating_add(page.items.len()) > LIST_TOOLS_MAX {
            return Err(ListError::Endless);
        }
        for (name, range) in page.items {
            tools.push(body.slice(range));
            names.push(name);
        }
        match page.next_cursor {
            None => return Ok(Listing { tools, names }),
            Some(next) if cursors.insert(next.clone()) => cursor = Some(next),
            Some(_) => return Err(ListError::Endless),
        }
    }
    Err(ListError::Endless)
}

fn in_session(mut out: Outgoing, standing: &Standing) -> Outgoing {
    out.session.clone_from(&standing.session);
    with_version(out, standing.version)
}

/// Older revisions do not know the header; a server may refuse what it does not know (2025-03-26 has no such header).
fn with_version(mut out: Outgoing, version: ProtocolVersion) -> Outgoing {
    if version >= ProtocolVersion::V2025_06_18 {
        out.headers.push((VERSION, HeaderValue::from_static(version.as_str())));
    }
    out
}

fn modern(out: Outgoing, method: &Method) -> Outgoing {
    let mut out = with_version(out, ProtocolVersion::NEWEST_MODERN);
    if let Ok(name) = HeaderValue::from_str(method.as_str()) {
        out.headers.push((METHOD, name));
    }
    out
}

/// Sends a request of the gateway's own and waits for its result, as JSON or at the end of a stream.
async fn answer(
    client: &Client,
    out: Outgoing,
) -> Result<(Response, Option<UpstreamSession>), ListError> {
    let (body, session) = match client.dispatch_own(out).await? {
        Reply::Json { body, session } => (read_message(body), session),
        Reply::Sse { mut events, session } => loop {
            let event = events.next().await.ok_or(SendError::Broken(Sent::Maybe))??;
            let Event { data: Some(data), .. } = event else { continue };
            match read_message(data) {
                Ok(ServerMessage::Notification(_) | ServerMessage::Request(_)) => {}
                last => break (last, session),
            }
        },
        Reply::Empty { .. } => return Err(ListError::BadList),
        Reply::Refused(refused) => return Err(ListError::Refused(refused.status.to_string())),
    };
    match body {
        Ok(ServerMessage::Response(response)) if response.outcome() == Outcome::Result => {
            Ok((response, session))
        }
        Ok(ServerMessage::Response(response)) => {
            let why = response.error_message().unwrap_or_default();
            Err(ListError::Refused(why.chars().take(ERROR_CHARS_MAX).collect()))
        }
        Ok(ServerMessage::Notification(_) | ServerMessage::Request(_)) | Err(_) => {
            Err(ListError::BadList)
        }
    }
}

/// How much of a server's own error message is repeated.
const ERROR_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests;

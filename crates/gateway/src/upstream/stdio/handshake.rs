//! Finding out what a child speaks: `server/discover` first, `initialize` if it does not know that.
//! Never here: how a child is started.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp::reply::{self, OwnClient};
use mcp::{
    Era, IdKey, Method, Node, Outcome, ProtocolVersion, RawId, Response, ServerMessage, code,
    read_message,
};
use tokio::time::{Instant, timeout_at};

use super::child::Child;
use super::mux::Owner;
use crate::upstream::message::{SendError, Unreachable};
use crate::upstream::spec::{Allowed, FromServer};

/// The name that the gateway gives itself towards servers.
const CLIENT_NAME: &str = "portcullis";

/// What a child turned out to speak.
#[derive(Debug, Clone)]
pub(super) enum Spoken {
    /// It answered `server/discover`.
    Modern(Versions),
    /// It answered `initialize`.
    Legacy(Hello),
}

/// The revisions that a modern child lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    /// Only stateless ones.
    ModernOnly,
    /// Handshake revisions as well.
    Both,
}

/// A child's answer to the one `initialize` that it gets.
#[derive(Debug, Clone)]
pub(super) struct Hello {
    /// The whole response.
    pub(super) body: Bytes,
    /// The revision that it chose, if it is one that the gateway knows.
    pub(super) version: Option<ProtocolVersion>,
}

/// What the gateway calls itself towards servers. `capabilities` is JSON text.
pub(crate) fn own_client(capabilities: &str) -> OwnClient<'_> {
    OwnClient { name: CLIENT_NAME, version: env!("CARGO_PKG_VERSION"), capabilities }
}

/// What the gateway declares to a child: only what agents may be asked for.
fn declared(from_server: FromServer) -> String {
    let all = [
        ("sampling", from_server.sampling),
        ("elicitation", from_server.elicitation),
        ("roots", from_server.roots),
    ];
    let allowed = all.iter().filter(|(_, allowed)| *allowed == Allowed::Yes);
    let members: Vec<String> = allowed.map(|(name, _)| format!("\"{name}\":{{}}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Asks a child what it speaks. It gets `probe` to answer `server/discover`; after that, or after any answer but a modern one,
/// `initialize` follows, and either of the two answers decides. `None`: it ended, which some programs do on a first message that
/// they do not know; start it again and call `initialize`.
pub(super) async fn probe(
    child: &Arc<Child>,
    from_server: FromServer,
    probe: Duration,
    by: Instant,
) -> Result<Option<Spoken>, SendError> {
    let (version, client) = (ProtocolVersion::NEWEST_MODERN, own_client("{}"));
    let discover = reply::request(&own_id(), version, &Method::ServerDiscover, "", client);
    let mut asked = child.request(discover, Owner::Gateway).await?;
    let soon = by.min(Instant::now() + probe);
    match timeout_at(soon, asked.answer()).await {
        Ok(None) => return Ok(None),
        Ok(Some(body)) => match modern(&body) {
            Some(versions) => return Ok(Some(Spoken::Modern(versions))),
            None => return legacy(child, from_server, by).await.map(Some),
        },
        Err(_slow) => {}
    }
    tokio::select! {
        biased;
        Some(versions) = async { asked.answer().await.and_then(|body| modern(&body)) } => Ok(Some(Spoken::Modern(versions))),
        spoken = legacy(child, from_server, by) => spoken.map(Some),
    }
}

/// Initialises a child that must speak the handshake era, since it knows no other.
async fn legacy(
    child: &Arc<Child>,
    from_server: FromServer,
    by: Instant,
) -> Result<Spoken, SendError> {
    let hello = initialize(child, from_server, by).await?;
    hello.map(Spoken::Legacy).ok_or(SendError::Unreachable(Unreachable::Handshake))
}

/// Initialises a child. `None`: it answered with an error, or ended instead, which says that it does not speak the handshake era.
pub(super) async fn initialize(
    child: &Arc<Child>,
    from_server: FromServer,
    by: Instant,
) -> Result<Option<Hello>, SendError> {
    let failed = || SendError::Unreachable(Unreachable::Handshake);
    let declared = declared(from_server);
    let version = ProtocolVersion::NEWEST_LEGACY;
    let request = reply::initialize(&own_id(), version, own_client(&declared));
    let mut asked = child.request(request, Owner::Gateway).await?;
    let answer = timeout_at(by, asked.answer()).await.map_err(|_elapsed| failed())?;
    let Some(answer) = answer else { return Ok(None) };
    let response = response(&answer).filter(|response| response.outcome() == Outcome::Result);
    let Some(response) = response else { return Ok(None) };
    let version = response.payload().get("protocolVersion").and_then(Node::as_str);
    let version = version.and_then(|version| ProtocolVersion::parse(&version));
    child.write(&reply::notification("notifications/initialized", None)).await?;
    Ok(Some(Hello { body: answer, version }))
}

/// The revisions behind an answer to `server/discover`, if it is one of a modern server: a result, or an error that only modern
/// servers give.
fn modern(body: &Bytes) -> Option<Versions> {
    let response = response(body)?;
    match response.outcome() {
        Outcome::Result => {
            let versions = response.payload().get("supportedVersions")?;
            let legacy = versions
                .elements()
                .filter_map(Node::as_str)
                .filter_map(|version| ProtocolVersion::parse(&version))
                .any(|version| version.era() == Era::Legacy);
            Some(if legacy { Versions::Both } else { Versions::ModernOnly })
        }
        Outcome::Error(Some(
            code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION,
        )) => Some(Versions::ModernOnly),
        Outcome::Error(_) => None,
    }
}

/// The id of the gateway's own requests, which the multiplexer replaces like any other.
pub(crate) fn own_id() -> RawId {
    RawId::from_key(IdKey::Integer(0))
}

fn response(body: &Bytes) -> Option<Response> {
    match read_message(body.clone()) {
        Ok(ServerMessage::Response(response)) => Some(response),
        Ok(ServerMessage::Request(_) | ServerMessage::Notification(_)) | Err(_) => None,
    }
}

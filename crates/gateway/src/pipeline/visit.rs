//! One authenticated HTTP request on its way through the pipeline: who comes, to which server,
//! under which snapshot, with which headers. Messages stand beside it, never in it.

use std::sync::Arc;

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue};
use policy::UnixMillis;
use store::TokenHash;
use tokio::time::Instant;

use crate::admission;
use crate::answer::{MCP_SESSION_ID, Refused};
use crate::desk::Desk;
use crate::entry;
use crate::observer::trace_parent;
use crate::plane::Plane;
use crate::seats::Seat;
use crate::sessions::Session;
use crate::snapshot::{GrantEntry, ServerEntry, Snapshot};
use crate::upstream::MirroredHeaders;

/// How many mirrored headers are taken along; a request with more is refused.
const MIRRORED_HEADERS_MAX: usize = 64;

const PARAM_PREFIX: &str = "mcp-param-";

/// Where the caller's trace goes on (W3C Trace Context, section 3.2).
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whether a held call may be kept waiting on an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The client takes event streams.
    Possible,
    /// It does not say so, or the call is one of a batch.
    No,
    /// The client left: nobody is asked anything for it any more.
    Nobody,
}

/// Whether the agent's user was sent to the page of the approval with this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkShown {
    No,
    Yes,
}

/// What the request says of its session.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// Nothing.
    None,
    /// One that belongs to this grant and server.
    Own(Arc<Session>),
    /// One that does not.
    Unknown,
}

/// One authenticated request.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) plane: Arc<Plane>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) token: TokenHash,
    pub(crate) grant: Arc<GrantEntry>,
    pub(crate) server: Arc<ServerEntry>,
    pub(crate) request_id: Box<str>,
    pub(crate) now: UnixMillis,
    pub(crate) started: Instant,
    pub(crate) claim: Claim,
    pub(crate) mirrored: MirroredHeaders,
    pub(crate) waiting: Waiting,
    pub(crate) link_shown: LinkShown,
    /// Held for as long as the request or its stream is open.
    pub(crate) seat: Seat,
    /// The header `traceparent`; read only for an observer.
    pub(crate) trace_parent: Option<Box<str>>,
}

impl Visit {
    pub(crate) fn new(
        plane: &Arc<Plane>,
        seen: (Arc<Snapshot>, TokenHash),
        grant: Arc<GrantEntry>,
        server: Arc<ServerEntry>,
        now: UnixMillis,
    ) -> Box<Self> {
        // One allocation, so that the many steps hand on a pointer instead of the whole.
        Box::new(Self {
            plane: Arc::clone(plane),
            snapshot: seen.0,
            token: seen.1,
            grant,
            server,
            request_id: plane.request_id(),
            now,
            started: Instant::now(),
            claim: Claim::None,
            mirrored: MirroredHeaders::new(),
            waiting: Waiting::No,
            link_shown: LinkShown::No,
            seat: Seat::default(),
            trace_parent: None,
        })
    }

    /// Takes the session and the mirrored headers from the request.
    ///
    /// # Errors
    /// When a session header stands twice, or there are too many mirrored headers.
    pub(crate) fn read_headers(&mut self, headers: &HeaderMap) -> Result<(), Refused> {
        for (name, value) in headers {
            if is_mirrored(name) {
                if self.mirrored.len() >= MIRRORED_HEADERS_MAX {
                    return Err(Refused::Header);
                }
                self.mirrored.push((name.clone(), value.clone()));
            }
        }
        // Only the stateless revision compares arguments with headers: elsewhere nothing vouches for
        // what they say, and another hop could act on it.
        if self.mirrored.iter().any(|(name, _)| is_param(name)) && !entry::is_modern(headers) {
            self.mirrored.retain(|(name, _)| !is_param(name));
        }
        self.claim = match admission::only(headers, &MCP_SESSION_ID) {
            Ok(None) => Claim::None,
            Ok(Some(id)) => self.find_session(id),
            Err(admission::Twice) => return Err(Refused::Header),
        };
        let takes_events = headers
            .get_all(http::header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/event-stream") || value.contains("*/*"));
        self.waiting = if takes_events { Waiting::Possible } else { Waiting::No };
        if self.plane.config.observer.is_some() {
            self.trace_parent = admission::only(headers, &TRACE_PARENT)
                .ok()
                .flatten()
                .and_then(|value| trace_parent(value.to_str().ok()?));
        }
        Ok(())
    }

    fn find_session(&self, id: &HeaderValue) -> Claim {
        let record = &self.grant.record;
        id.to_str()
            .ok()
            .and_then(|id| self.plane.sessions.find(id, &record.id, &record.server, self.now))
            .map_or(Claim::Unknown, Claim::Own)
    }

    /// The session, if the request belongs to one.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        match &self.claim {
            Claim::Own(session) => Some(session),
            Claim::None | Claim::Unknown => None,
        }
    }

    /// Where the requests of this session, or of the grant without one, are noted.
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        self.session().map_or(&self.grant.live.desk, |session| &session.desk)
    }

    /// The `Mcp-Param-*` headers.
    pub(crate) fn param_headers(&self) -> Vec<(&str, &[u8])> {
        self.mirrored
            .iter()
            .filter(|(name, _)| is_param(name))
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect()
    }

    /// Takes the time and the snapshot that are in force now; `None` when the grant or the server is
    /// gone. Costs next to nothing while nothing changed.
    pub(crate) fn renew(&mut self) -> Option<()> {
        if !Arc::ptr_eq(&self.plane.snapshot.load(), &self.snapshot) {
            *self = *self.again()?;
            return Some(());
        }
        self.now = self.plane.now();
        self.snapshot.authenticate(&self.token, self.now)?;
        Some(())
    }

    /// Whether grant, policy and server are still those that this visit began with.
    pub(crate) fn stands(&self) -> bool {
        let snapshot = self.plane.snapshot.load();
        let grant = snapshot.authenticate(&self.token, self.plane.now());
        grant.is_some_and(|grant| {
            let server = snapshot.servers.get(&grant.record.server);
            grant.record.id == self.grant.record.id
                && Arc::ptr_eq(&grant.policy, &self.grant.policy)
                && server.is_some_and(|server| Arc::ptr_eq(server, &self.server))
        })
    }

    /// The same visit at a later time, under the snapshot that is in force then; `None` when the
    /// grant or the server is gone. The seat goes with it.
    pub(crate) fn again(&mut self) -> Option<Box<Self>> {
        let snapshot = self.plane.snapshot.load_full();
        let now = self.plane.now();
        let grant = Arc::clone(snapshot.authenticate(&self.token, now)?);
        let server = Arc::clone(snapshot.servers.get(&grant.record.server)?);
        if grant.record.id != self.grant.record.id || server.record.slug != self.server.record.slug
        {
            return None;
        }
        let seat = std::mem::take(&mut self.seat);
        Some(Box::new(Self { snapshot, grant, server, now, seat, ..self.clone() }))
    }
}

/// Headers that are mirrored to the server (MCP 2026-07-28, and the version of 2025-06-18).
fn is_mirrored(name: &HeaderName) -> bool {
    let Some(own) = name.as_str().strip_prefix("mcp-") else { return false };
    matches!(own, "protocol-version" | "method" | "name") || is_param(name)
}

fn is_param(name: &HeaderName) -> bool {
    name.as_str().starts_with(PARAM_PREFIX)
}

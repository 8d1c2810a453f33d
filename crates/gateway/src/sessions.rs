//! Legacy sessions (MCP 2025-11-25 and older): the identifier that an agent holds, what it is bound
//! to, and the session of the server behind it. A session identifier is no authentication: it only
//! works with the grant and the server that it was made for. Sessions live in memory; after a
//! restart an agent gets 404 and opens a new one, as the specification asks.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use foldhash::fast::RandomState;
use policy::UnixMillis;
use store::{GrantId, ServerSlug};
use tokio_util::sync::CancellationToken;

use crate::config::Randomness;
use crate::desk::Desk;
use crate::upstream::UpstreamSession;

/// How many sessions the gateway keeps; beyond it the one that was idle longest ends.
pub(crate) const SESSIONS_MAX: usize = 65_536;

/// How many sessions one grant may have; beyond it its own session that was idle longest ends.
pub(crate) const SESSIONS_PER_GRANT_MAX: usize = 16_384;

/// A session that nobody used for so many seconds ends.
pub(crate) const SESSION_IDLE_SECONDS_MAX: i64 = 4 * 60 * 60;

/// What a client said of itself when it opened the session.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The `initialize` request as it was sent to the server, to open the server's session again;
    /// empty when it was too long to keep.
    pub(crate) request: Bytes,
    /// `clientInfo.name`.
    pub(crate) client_name: Option<Box<str>>,
    /// `clientInfo.version`.
    pub(crate) client_version: Option<Box<str>>,
    /// Both as an audit record names the client.
    pub(crate) client: Option<Box<str>>,
    /// Whether it declared `elicitation.url`.
    pub(crate) takes_links: bool,
}

/// What the server answered to `initialize`.
#[derive(Debug)]
struct Agreement {
    protocol_version: Box<str>,
    announces_tools: bool,
}

/// One legacy session.
#[derive(Debug)]
pub(crate) struct Session {
    id: Box<str>,
    grant: GrantId,
    server: ServerSlug,
    pub(crate) opening: Opening,
    agreement: OnceLock<Agreement>,
    pub(crate) desk: Arc<Desk>,
    upstream: Mutex<UpstreamSession>,
    /// Held while the server's session is opened again, so that it happens once.
    pub(crate) reopening: tokio::sync::Mutex<()>,
    used_at: AtomicI64,
    /// The newest change of the tool list that one of the session's streams announced.
    announced: AtomicU64,
    /// Cancelled when the session ends: its listening streams end with it.
    pub(crate) over: CancellationToken,
}

impl Session {
    /// The identifier that the agent holds.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The server's own session.
    pub(crate) fn upstream(&self) -> UpstreamSession {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a newly opened session of the server in the place of a dead one.
    pub(crate) fn replace_upstream(&self, session: UpstreamSession) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = session.kept();
    }

    /// Notes that the session is in use.
    pub(crate) fn touch(&self, now: UnixMillis) {
        self.used_at.store(now.0, Ordering::Relaxed);
    }

    /// Whether the session may send batches: only 2025-03-26 had them.
    pub(crate) fn batches(&self) -> bool {
        self.protocol_version() == Some("2025-03-26")
    }

    /// Notes what the server answered to `initialize`.
    pub(crate) fn answered(&self, protocol_version: &str, announces_tools: bool) {
        let agreement = Agreement { protocol_version: protocol_version.into(), announces_tools };
        // A handshake is answered once; what a second answer would say does not count.
        self.agreement.get_or_init(|| agreement);
    }

    /// The protocol version that the server chose.
    pub(crate) fn protocol_version(&self) -> Option<&str> {
        self.agreement.get().map(|agreement| &*agreement.protocol_version)
    }

    /// Whether the server said that it announces changes of its tool list.
    pub(crate) fn announces_tools(&self) -> bool {
        self.agreement.get().is_some_and(|agreement| agreement.announces_tools)
    }

    /// Whether this stream is the one that announces change number `epoch`: a message goes to one
    /// stream of a session only.
    pub(crate) fn wins_announcement(&self, epoch: u64) -> bool {
        self.announced.fetch_max(epoch, Ordering::Relaxed) < epoch
    }

    /// Whether change number `epoch` was announced on none of the session's streams yet.
    pub(crate) fn missed(&self, epoch: u64) -> bool {
        self.announced.load(Ordering::Relaxed) < epoch
    }

    /// Whether the session was ended.
    pub(crate) fn ended(&self) -> bool {
        self.over.is_cancelled()
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    table: RwLock<HashMap<Box<str>, Arc<Session>, RandomState>>,
}

impl Sessions {
    /// Makes a session for an agent. Returned with it is a session that had to go for it.
    pub(crate) fn open(
        &self,
        owner: (GrantId, ServerSlug),
        opening: Opening,
        upstream: UpstreamSession,
        edge: (Randomness, UnixMillis),
    ) -> (Arc<Session>, Option<Arc<Session>>) {
        let (randomness, now) = edge;
        let id = hex(&randomness.bytes::<24>());
        let session = Arc::new(Session {
            id: id.clone(),
            grant: owner.0,
            server: owner.1,
            opening,
            agreement: OnceLock::new(),
            desk: Arc::new(Desk::default()),
            upstream: Mutex::new(upstream.kept()),
            reopening: tokio::sync::Mutex::new(()),
            used_at: AtomicI64::new(now.0),
            announced: AtomicU64::new(0),
            over: CancellationToken::new(),
        });
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let evicted = make_room(&mut table, &session.grant);
        table.insert(id, Arc::clone(&session));
        (session, evicted)
    }

    /// The session with this identifier, if it belongs to this grant and server.
    pub(crate) fn find(
        &self,
        id: &str,
        grant: &GrantId,
        server: &ServerSlug,
        now: UnixMillis,
    ) -> Option<Arc<Session>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let session = table.get(id)?;
        (session.grant == *grant && session.server == *server).then(|| {
            session.touch(now);
            Arc::clone(session)
        })
    }

    /// Ends a session.
    pub(crate) fn end(&self, session: &Session) {
        session.over.cancel();
        self.table.write().unwrap_or_else(PoisonError::into_inner).remove(session.id());
    }

    /// Ends and returns the sessions that were idle too long, and those for which `gone` says that
    /// their grant is no more.
    pub(crate) fn sweep(
        &self,
        now: UnixMillis,
        gone: impl Fn(&GrantId) -> bool,
    ) -> Vec<Arc<Session>> {
        let idle_since = now.0.saturating_sub(SESSION_IDLE_SECONDS_MAX.saturating_mul(1000));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut swept = Vec::new();
        table.retain(|_, session| {
            let stays =
                session.used_at.load(Ordering::Relaxed) > idle_since && !gone(&session.grant);
            if !stays {
                session.over.cancel();
                swept.push(Arc::clone(session));
            }
            stays
        });
        swept
    }

    /// The desks of all sessions.
    pub(crate) fn desks(&self) -> Vec<Arc<Desk>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.values().map(|session| Arc::clone(&session.desk)).collect()
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Session {
    /// The server that the session belongs to.
    pub(crate) fn server(&self) -> &ServerSlug {
        &self.server
    }
}

fn make_room(
    table: &mut HashMap<Box<str>, Arc<Session>, RandomState>,
    grant: &GrantId,
) -> Option<Arc<Session>> {
    if table.len() < SESSIONS_PER_GRANT_MAX {
        return None;
    }
    let own = table.values().filter(|session| session.grant == *grant);
    let oldest = if own.clone().count() >= SESSIONS_PER_GRANT_MAX {
        own.min_by_key(|session| session.used_at.load(Ordering::Relaxed)).cloned()
    } else if table.len() >= SESSIONS_MAX {
        table.values().min_by_key(|session| session.used_at.load(Ordering::Relaxed)).cloned()
    } else {
        None
    };
    if let Some(session) = &oldest {
        session.over.cancel();
        table.remove(session.id());
    }
    oldest
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing into a string cannot fail.
        let _written: Result<(), std::fmt::Error> = write!(text, "{byte:02x}");
    }
    text.into_boxed_str()
}

#[cfg(test)]
mod tests;

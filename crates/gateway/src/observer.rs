//! What somebody who watches hears of each call once it is over. The facts are those of the audit
//! record that hold only words of the gateway, of the administrator and of the server's list of
//! tools. Never here: arguments, answers, headers, tokens, sessions, or any text that an agent made
//! up, except where it says that its own trace goes on. What becomes of the facts is the watcher's.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use policy::UnixMillis;
use store::Revision;
use tokio::time::Instant;

/// The longest `traceparent` that is handed on, in bytes. One of version 00 has 55 (W3C Trace
/// Context, section 3.2); later versions may be longer.
pub const TRACE_PARENT_BYTES_MAX: usize = 128;

/// The longest name of a tool and the longest place in a policy that are handed on, in characters;
/// what is longer is cut. Servers list names of any length.
pub const NAME_CHARS_MAX: usize = 256;

/// What stands in place of a method that the revision does not define: its name would be the
/// agent's invention.
pub const OTHER_METHOD: &str = "_OTHER";

/// A call that policy decided and that is over: it was refused, it was held and nobody decided in
/// time, or it went to the server and its outcome is known. Calls that are turned away before any
/// decision are none. One value per request of an agent, also where a held call was approved while
/// it waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedCall {
    /// The identifier of the audit record.
    pub request_id: Box<str>,
    /// The label of the grant.
    pub grant: Box<str>,
    /// The slug of the server.
    pub server: Box<str>,
    /// The method, or [`OTHER_METHOD`].
    pub method: Box<str>,
    /// The tool of a `tools/call`, if the server listed it; another name would be the agent's
    /// invention. At most [`NAME_CHARS_MAX`] characters.
    pub tool: Option<Box<str>>,
    /// The revision of MCP that the request names.
    pub protocol_version: Option<&'static str>,
    /// The name of the policy; `None` when the grant has none.
    pub policy: Option<Box<str>>,
    /// The version of that policy, if it has versions.
    pub policy_version: Option<u32>,
    /// The store's revision under which the call was decided.
    pub revision: Revision,
    /// `allow`, `deny` or `hold`, as in the audit record.
    pub verdict: &'static str,
    /// The reason of a deny or hold (POLICY.md section 8).
    pub reason: Option<&'static str>,
    /// The place in the policy that decided so, at most [`NAME_CHARS_MAX`] characters; `None` when
    /// no rule did.
    pub rule: Option<Box<str>>,
    /// How it ended.
    pub end: CallEnd,
    /// When it ended.
    pub ended_at: UnixMillis,
    /// From the authentication of the request to the end of the call.
    pub latency: Duration,
    /// `params._meta.traceparent` (MCP 2026-07-28, SEP-414) as it came, at most
    /// [`TRACE_PARENT_BYTES_MAX`] bytes; nobody looked whether it is one.
    pub message_parent: Option<Box<str>>,
    /// The header `traceparent` of the request, likewise.
    pub request_parent: Option<Box<str>>,
}

/// How an allowed call ended; all `None` for one that did not leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallEnd {
    /// The word of the audit record: `ok`, `is_error`, `error`, `not_sent`, `timeout`, `broken` or
    /// `cancelled`.
    pub outcome: Option<&'static str>,
    /// The HTTP status of the server, if it gave one.
    pub upstream_status: Option<u16>,
    /// The JSON-RPC error code of the server's answer, if it is an error.
    pub error_code: Option<i64>,
}

/// The function behind a [`CallObserver`].
type Observe = dyn Fn(FinishedCall) + Send + Sync;

/// Hears of every [`FinishedCall`]. It is called on the way of the call, so it must neither wait
/// nor block.
#[derive(Clone)]
pub struct CallObserver(Arc<Observe>);

impl CallObserver {
    /// Wraps the function that is told.
    pub fn new(observe: impl Fn(FinishedCall) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Tells the function. One that panics changes nothing about the call.
    fn tell(&self, call: FinishedCall) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(call))).is_err() {
            tracing::error!("the observer of calls failed");
        }
    }
}

impl fmt::Debug for CallObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallObserver")
    }
}

/// A call of which an observer will hear. Dropping it tells nobody: a held call that is judged
/// anew is told of once.
#[derive(Debug)]
pub(crate) struct Watched {
    observer: CallObserver,
    started: Instant,
    call: FinishedCall,
}

impl Watched {
    /// `call` as it is known once it is decided, of a request that began at `started`; its end
    /// and latency are filled in by [`Watched::ended`].
    pub(crate) fn new(observer: &CallObserver, started: Instant, call: FinishedCall) -> Box<Self> {
        Box::new(Self { observer: observer.clone(), started, call })
    }

    /// Tells the observer that the call is over at `now`.
    pub(crate) fn ended(self, end: CallEnd, now: UnixMillis) {
        let latency = self.started.elapsed();
        self.observer.tell(FinishedCall { end, ended_at: now, latency, ..self.call });
    }
}

/// A `traceparent` that may be handed on.
pub(crate) fn trace_parent(text: &str) -> Option<Box<str>> {
    (text.len() <= TRACE_PARENT_BYTES_MAX && text.is_ascii()).then(|| text.into())
}

/// A name within its bound.
pub(crate) fn cut(name: &str) -> Box<str> {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        None => name.into(),
        Some((end, _)) => name.get(..end).unwrap_or_default().into(),
    }
}

//! Clients to MCP servers: Streamable HTTP and child processes on stdio, behind one `Upstream`.
//! Never here: decisions, the agent's side of a connection, what a message means beyond its envelope.

mod events;
mod http;
mod listing;
mod message;
#[cfg(test)]
mod peer;
mod room;
mod spec;
mod stdio;

use std::time::Duration;

use futures_util::future::Either;
use tokio::sync::watch;

pub use mcp::sse::Event;

pub use self::events::EventStream;
pub use self::http::post::{Post, PostError, PostTarget};
use self::http::{HttpClient, Resolve, system_resolver};
use self::listing::Lister;
pub use self::listing::{LIST_BYTES_MAX, LIST_PAGES_MAX, LIST_TOOLS_MAX, ListError, Listing};
pub(crate) use self::message::kept;
pub use self::message::{
    BadAnswer, Media, MirroredHeaders, Outgoing, Patience, Refused, Reply, SESSION_ID_BYTES_MAX,
    SendError, Sent, Unreachable, UpstreamSession, Verb,
};
pub use self::room::Room;
use self::spec::Transport;
pub use self::spec::{
    ANSWER_BYTES_MAX, Allowed, CONNECTIONS_MAX, EVENT_BYTES_MAX, FromServer, ServerSpec, SpecError,
    Timeouts,
};
use self::stdio::StdioClient;
use crate::permit::Permit;

/// How long the end of the gateway's own session with a server may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The client to one server. Share it behind an `Arc`; it holds the pooled connections or the child.
#[derive(Debug)]
pub struct Upstream {
    client: Client,
    lister: Lister,
    list_time_max: Duration,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
enum Client {
    Http(Box<HttpClient>),
    Stdio(Box<StdioClient>),
}

impl Client {
    fn dispatch(&self, out: Outgoing) -> impl Future<Output = Result<Reply, SendError>> + Send {
        match self {
            Self::Http(client) => Either::Left(client.send(out)),
            // Kept out of the room that a call over HTTP takes.
            Self::Stdio(client) => Either::Right(Box::pin(client.send(out))),
        }
    }

    /// As `dispatch`, for messages of the gateway itself.
    async fn dispatch_own(&self, out: Outgoing) -> Result<Reply, SendError> {
        match self {
            Self::Http(client) => client.send(out).await,
            Self::Stdio(client) => client.send_own(out).await,
        }
    }
}

impl Upstream {
    /// Sets up the client. Nothing is connected or started yet: that happens with the first message.
    pub fn open(spec: &ServerSpec) -> Result<Self, SpecError> {
        Self::open_with(spec, system_resolver())
    }

    fn open_with(spec: &ServerSpec, resolve: Resolve) -> Result<Self, SpecError> {
        let changes = watch::Sender::new(0);
        let client = match &spec.transport {
            Transport::Http(target) => {
                Client::Http(Box::new(HttpClient::new(target, spec, resolve)?))
            }
            Transport::Stdio(program) => {
                Client::Stdio(Box::new(StdioClient::new(spec, program, changes.clone())))
            }
        };
        let list_time_max = spec.timeouts.total;
        Ok(Self { client, lister: Lister::default(), list_time_max, changes })
    }

    /// Sends one message and waits for the head of its reply. Dropping the future ends the exchange with the server. Nothing is
    /// ever sent twice.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the permit is the right to be here, and is used up by having been moved in"
    )]
    pub fn send(
        &self,
        permit: Permit,
        out: Outgoing,
    ) -> impl Future<Output = Result<Reply, SendError>> + Send {
        let Permit { .. } = permit;
        self.client.dispatch(out)
    }

    /// Lists all tools of the server under one permit, following its cursors within bounds and within the server's total time-out.
    pub async fn list_tools(&self, permit: Permit) -> Result<Listing, ListError> {
        let Permit { .. } = permit;
        let listing = self.lister.list(&self.client);
        let late = |_elapsed| ListError::Send(SendError::TimedOut(Sent::Maybe));
        tokio::time::timeout(self.list_time_max, listing).await.map_err(late)?
    }

    /// Counts up when a child on stdio says that its tools changed; notices that come faster than they are read become one.
    /// Notices of an HTTP server travel on the streams that agents hold open, where the pipeline sees them.
    pub fn tool_changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Ends idle connections, or the child and everything it started: SIGTERM, a bounded wait, SIGKILL. Messages sent later are
    /// refused as unreachable.
    pub async fn stop(&self) {
        match &self.client {
            Client::Http(client) => {
                if let Some(farewell) = self.lister.farewell() {
                    let sent = tokio::time::timeout(FAREWELL_MAX, client.send(farewell)).await;
                    tracing::debug!(?sent, "the gateway's own session is ended");
                }
                client.stop();
            }
            Client::Stdio(client) => client.stop().await,
        }
    }
}

//! Clients to MCP servers: Streamable HTTP and child processes on stdio, behind one `Upstream`.
//! Never here: decisions, the agent's side of a connection, what a message means beyond its envelope.

mod events;
mod http;
mod message;
#[cfg(test)]
mod peer;
mod spec;

use tokio::sync::watch;

pub use mcp::sse::Event;

pub use self::events::EventStream;
use self::http::{HttpClient, Resolve, system_resolver};
pub use self::message::{
    BadAnswer, Media, MirroredHeaders, Outgoing, Patience, Refused, Reply, SESSION_ID_BYTES_MAX,
    SendError, Sent, Unreachable, UpstreamSession, Verb,
};
use self::spec::Transport;
pub use self::spec::{
    ANSWER_BYTES_MAX, Allowed, EVENT_BYTES_MAX, FromServer, ServerSpec, SpecError, Timeouts,
};
use crate::permit::Permit;

/// The client to one server. Share it behind an `Arc`; it holds the pooled connections or the child.
#[derive(Debug)]
pub struct Upstream {
    client: Client,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
enum Client {
    Http(HttpClient),
    Stdio,
}

/// The tools of a server as it listed them.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The raw definitions in the order of the server.
    pub tools: Vec<bytes::Bytes>,
}

/// Why the tools of a server could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A message got no reply.
    #[error("listing the tools failed")]
    Send(#[from] SendError),
    /// A reply is not a list of tools.
    #[error("the answer is not a list of tools")]
    BadList,
    /// More pages or tools than the bounds, or a cursor that comes again.
    #[error("the list of tools does not end")]
    Endless,
    /// The server answered with an error of its own.
    #[error("the server refused to list its tools")]
    Refused,
}

impl Upstream {
    /// Sets up the client. Nothing is connected or started yet: that happens with the first message.
    pub fn open(spec: ServerSpec) -> Result<Self, SpecError> {
        Self::open_with(spec, system_resolver())
    }

    fn open_with(spec: ServerSpec, resolve: Resolve) -> Result<Self, SpecError> {
        let client = match &spec.transport {
            Transport::Http(target) => Client::Http(HttpClient::new(
                target,
                spec.timeouts,
                spec.answer_bytes_max,
                resolve,
            )?),
            Transport::Stdio(_) => Client::Stdio,
        };
        Ok(Self { client, changes: watch::Sender::new(0) })
    }

    /// Sends one message and waits for the head of its reply. Dropping the future ends the exchange with the server. Nothing is
    /// ever sent twice.
    pub async fn send(&self, permit: Permit, out: Outgoing) -> Result<Reply, SendError> {
        // The permit is the right to be here, and is used up.
        drop(permit);
        self.dispatch(out).await
    }

    async fn dispatch(&self, out: Outgoing) -> Result<Reply, SendError> {
        match &self.client {
            Client::Http(client) => client.send(out).await,
            Client::Stdio => Err(SendError::Unreachable(Unreachable::NotRunning)),
        }
    }

    /// Lists all tools of the server under one permit, following its cursors within bounds.
    pub async fn list_tools(&self, permit: Permit) -> Result<Listing, ListError> {
        drop(permit);
        Err(ListError::BadList)
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
            Client::Http(client) => client.stop(),
            Client::Stdio => {}
        }
    }
}

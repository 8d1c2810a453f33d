//! The gateway as the binary sees it: build it, load the store's state, serve a listener, ask how
//! it is. The data plane itself stands in the modules beside this one.

use std::sync::Arc;

use futures_util::future::join_all;
use store::{GrantId, Revision, ServerSlug, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::arrival::Arrival;
use crate::config::GatewayConfig;
use crate::diary::DiaryPage;
use crate::listing::{self, Inspection, ListingError};
use crate::plane::{Bounds, Plane};
use crate::snapshot::{self, Snapshot};
use crate::tools::{Changed, Listed, ToolTable};

/// The data plane of one process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(crate) plane: Arc<Plane>,
    /// Held while a snapshot is built, so that an older one never follows a newer one.
    building: Arc<tokio::sync::Mutex<()>>,
}

/// Why the gateway stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener has no address.
    #[error("the listener has no address")]
    Listener(#[source] std::io::Error),
}

/// How one server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Which server.
    pub slug: ServerSlug,
    /// Whether its tools were listed since the process started.
    pub listed: bool,
    /// How many tools are known.
    pub tools: usize,
    /// How many of them are quarantined.
    pub quarantined: usize,
    /// Why there is no client to it, or why its tools could not be listed the last time.
    pub problem: Option<String>,
}

/// How the data plane is, for `/readyz?verbose` and the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The store's revision that is in force.
    pub revision: Revision,
    /// Every server.
    pub servers: Vec<ServerStatus>,
    /// How many grants are in force.
    pub grants: usize,
    /// How many legacy sessions are open.
    pub sessions: usize,
    /// The gateway is shutting down.
    pub closing: bool,
}

impl Gateway {
    /// A gateway that knows no server and no grant yet: call [`Gateway::reload`] before
    /// [`Gateway::serve`]. `store` must have been opened to serve.
    pub fn new(config: GatewayConfig, store: Store) -> Self {
        Self::bounded(config, store, Bounds::default())
    }

    pub(crate) fn bounded(config: GatewayConfig, store: Store, bounds: Bounds) -> Self {
        Self { plane: Arc::new(Plane::new(config, store, bounds)), building: Arc::default() }
    }

    /// Reads servers, policies, grants and pins from the store and puts them in force as a whole.
    /// [`Gateway::serve`] does so itself whenever the store's revision moves.
    ///
    /// # Errors
    /// When the store cannot be read; the state before stays in force.
    pub async fn reload(&self) -> Result<Revision, store::ReadError> {
        let _building = self.building.lock().await;
        let plane = &self.plane;
        let rows = plane.store.configuration().await?;
        let before = plane.snapshot.load_full();
        let (next, stopped) = snapshot::build(rows, &before, plane.now());
        let revision = next.revision;
        let next = Arc::new(next);
        plane.snapshot.store(Arc::clone(&next));
        for upstream in stopped {
            plane.tracker.spawn(async move { upstream.stop().await });
        }
        let mut known = Vec::with_capacity(next.servers.len());
        for (slug, server) in &next.servers {
            match before.servers.get(slug).filter(|old| server.continues(old)) {
                Some(old) => {
                    listing::announce(plane, slug, &server.shelf.changed_since(&old.shelf));
                    known.push((slug, server));
                }
                None => {
                    plane.tracker.spawn(listing::keep_listed(Arc::clone(plane), slug.clone()));
                }
            }
        }
        // Pins may have been written since the rows were read: what counts is what the store has.
        for (slug, server) in known {
            let changed = server.shelf.reload(&server.record, &plane.store).await?;
            listing::announce(plane, slug, &changed);
        }
        Ok(revision)
    }

    /// Serves agents on `listener` until `shutdown` is cancelled, then finishes the calls that run
    /// for at most `drain_seconds`, closes all streams and returns.
    ///
    /// # Errors
    /// When the listener has no address. A connection that cannot be accepted is logged and does
    /// not end serving.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        crate::serve::serve(self, listener, shutdown).await
    }

    /// What is known of one server since the process started; `None` where there is none.
    pub fn diary(&self, slug: &ServerSlug) -> Option<DiaryPage> {
        self.plane.snapshot.load().servers.get(slug).map(|server| server.diary.page())
    }

    /// How far the agent of a grant in force came before any call, since the process started.
    pub fn arrival(&self, grant: &GrantId) -> Option<Arrival> {
        self.plane.snapshot.load().grant(grant)?.live.arrivals.seen()
    }

    /// Lists the tools of one server now and pins what is new.
    ///
    /// # Errors
    /// When there is no such server, it does not list its tools, or the store does not take them.
    pub async fn inspect(&self, slug: &ServerSlug) -> Result<Inspection, ListingError> {
        let server = self.plane.snapshot.load().servers.get(slug).cloned();
        let server = server.ok_or_else(|| ListingError::NoServer(slug.clone()))?;
        let changed = match listing::list_in_turn(&self.plane, &server, || false).await? {
            Changed::Yes(_) | Changed::First => true,
            Changed::No => false,
        };
        let (tools, quarantined) = server.shelf.with_table(ToolTable::counts);
        Ok(Inspection { tools, quarantined, changed })
    }

    /// Lists the tools of one server now and pins what is new, for a command that works on the
    /// store of another process: no other server is contacted, and the client to this one is ended
    /// before the answer comes. Not for a gateway that serves.
    ///
    /// # Errors
    /// As [`Gateway::inspect`], and when the store cannot be read.
    pub async fn inspect_alone(&self, slug: &ServerSlug) -> Result<Inspection, ListingError> {
        let rows = self.plane.store.configuration().await;
        let mut rows = rows.map_err(store::WriteError::from)?;
        rows.servers.retain(|server| server.slug == *slug);
        let (only, _none_before) = snapshot::build(rows, &Snapshot::default(), self.plane.now());
        self.plane.snapshot.store(Arc::new(only));
        let found = self.inspect(slug).await;
        self.stop_servers().await;
        found
    }

    /// Ends the clients to all servers, and with them the programs that were started; what
    /// [`Gateway::serve`] does last.
    pub async fn stop_servers(&self) {
        let snapshot = self.plane.snapshot.load_full();
        let clients = snapshot.servers.values().filter_map(|server| server.upstream.as_ref().ok());
        join_all(clients.map(|upstream| upstream.stop())).await;
    }

    /// How the data plane is.
    pub fn status(&self) -> Status {
        let snapshot = self.plane.snapshot.load();
        let mut servers: Vec<ServerStatus> = snapshot
            .servers
            .values()
            .map(|server| {
                let (tools, quarantined) = server.shelf.with_table(ToolTable::counts);
                ServerStatus {
                    slug: server.record.slug.clone(),
                    listed: server.shelf.with_table(|table| table.listed) == Listed::Yes,
                    tools,
                    quarantined,
                    problem: match &server.upstream {
                        Err(why) => Some((**why).to_owned()),
                        Ok(_) => server.diary.failing_now(),
                    },
                }
            })
            .collect();
        servers.sort_by(|a, b| a.slug.as_str().cmp(b.slug.as_str()));
        Status {
            revision: snapshot.revision,
            servers,
            grants: snapshot.grants().count(),
            sessions: self.plane.sessions.len(),
            closing: self.plane.closing.is_cancelled(),
        }
    }

    /// The data plane's metrics in the OpenMetrics text format.
    pub fn encode_metrics(&self) -> String {
        let sessions = i64::try_from(self.plane.sessions.len()).unwrap_or(i64::MAX);
        self.plane.metrics.sessions.set(sessions);
        self.plane.metrics.encode()
    }
}

#[cfg(test)]
mod tests;

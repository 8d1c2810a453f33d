//! Keeping the tools of each server known: listing them at start, when the server says that they
//! changed, on demand and at intervals, and telling the streams of agents when lists read
//! differently. What a definition is worth is decided in `tools`.

use std::sync::Arc;
use std::time::Duration;

use store::ServerSlug;
use tokio::time::{sleep, timeout};

use crate::pipeline;
use crate::plane::Plane;
use crate::snapshot::ServerEntry;
use crate::tools::{Changed, DEFINITIONS_BYTES_MAX, Listed, Observing, Seen, ToolTable, Whole};
use crate::upstream::ListError;

/// A call before the first list of its server waits so many seconds for it.
pub(crate) const FIRST_LIST_SECONDS_MAX: u64 = 15;

/// While one list is under way nobody begins another, for so many seconds: one that takes longer may hang at a server that
/// answers by now.
const TURN_SECONDS_MAX: u64 = 2;

/// Notices of change that come within so many milliseconds become one list.
pub(crate) const CHANGE_COALESCE_MILLIS: u64 = 200;

/// The first wait after a failed list, in milliseconds; it doubles up to the refresh interval.
const RETRY_MILLIS_MIN: u64 = 500;

/// Why the tools of a server are not known.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// There is no such server.
    #[error("there is no server {0}")]
    NoServer(ServerSlug),
    /// The server cannot be set up.
    #[error("the server cannot be set up: {0}")]
    NotSetUp(Arc<str>),
    /// The server did not list its tools.
    #[error("the server did not list its tools")]
    Server(#[from] ListError),
    /// The pins could not be written.
    #[error("the tools could not be pinned")]
    Store(#[from] store::WriteError),
    /// It took too long.
    #[error("the server did not list its tools within {FIRST_LIST_SECONDS_MAX} s")]
    TooSlow,
}

/// What `inspect` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// How many tools the server is known to have.
    pub tools: usize,
    /// How many of them are quarantined.
    pub quarantined: usize,
    /// Whether what agents see changed by this inspection.
    pub changed: bool,
}

/// Lists the tools of a server now and pins what is new.
async fn list_now(plane: &Plane, server: &ServerEntry) -> Result<Changed, ListingError> {
    let upstream = match &server.upstream {
        Ok(upstream) => upstream,
        Err(why) => return Err(ListingError::NotSetUp(Arc::clone(why))),
    };
    let listing = upstream.list_tools(pipeline::housekeeping()).await?;
    let mut seen = Vec::with_capacity(listing.tools.len());
    for (raw, name) in listing.tools.iter().zip(&listing.names) {
        if let Ok(raw) = std::str::from_utf8(raw) {
            seen.push(Seen { name, raw });
        }
    }
    let changed = server.shelf.observe(&seen, Whole::Yes, &observing(plane, server)).await?;
    announce(plane, &server.record.slug, &changed);
    Ok(changed)
}

/// A list and what the server's diary says of it.
async fn list_noted(plane: &Plane, server: &ServerEntry) -> Result<Changed, ListingError> {
    let listed = list_now(plane, server).await;
    match &listed {
        Ok(_changed) => server.diary.up(server.shelf.with_table(ToolTable::counts).0),
        Err(error) => server.diary.failing(&reasons(error)),
    }
    listed
}

/// An error with what caused it, as one line.
fn reasons(error: &ListingError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat the one that caused them.
        if !text.ends_with(&more) {
            text.extend([": ", &more]);
        }
        cause = error.source();
    }
    text
}

/// As [`list_now`], one after the other: whoever comes while a list is under way begins after it, or after
/// [`TURN_SECONDS_MAX`]. `unless` is asked when the turn has come, and says whether there is nothing to do any more.
pub(crate) async fn list_in_turn(
    plane: &Plane,
    server: &ServerEntry,
    unless: impl FnOnce() -> bool,
) -> Result<Changed, ListingError> {
    let turn = server.shelf.listing.lock().await;
    if unless() {
        return Ok(Changed::No);
    }
    let mut listing = std::pin::pin!(list_noted(plane, server));
    if let Ok(listed) = timeout(Duration::from_secs(TURN_SECONDS_MAX), listing.as_mut()).await {
        return listed;
    }
    drop(turn);
    listing.await
}

/// Pins what a list on its way to an agent shows.
pub(crate) async fn note_page(
    plane: &Plane,
    server: &ServerEntry,
    seen: &[Seen<'_>],
) -> Result<(), store::WriteError> {
    let changed = server.shelf.observe(seen, Whole::No, &observing(plane, server)).await?;
    announce(plane, &server.record.slug, &changed);
    Ok(())
}

fn observing<'a>(plane: &'a Plane, server: &'a ServerEntry) -> Observing<'a> {
    Observing {
        server: &server.record,
        store: &plane.store,
        classifier: &plane.config.classifier,
        now: plane.now(),
        bytes_max: DEFINITIONS_BYTES_MAX,
    }
}

/// Wakes the streams of the grants of a server whose lists read differently.
pub(crate) fn announce(plane: &Plane, server: &ServerSlug, changed: &Changed) {
    let changes = match changed {
        Changed::No | Changed::First => return,
        Changed::Yes(changes) => changes,
    };
    for grant in plane.snapshot.load().grants() {
        let policy = grant.policy.shown();
        if grant.record.server == *server && changes.iter().any(|change| change.alters(policy)) {
            grant.live.announce();
        }
    }
}

/// Waits until the server was listed once; whoever comes first lists it.
pub(crate) async fn ensure_listed(plane: &Plane, server: &ServerEntry) -> Result<(), ListingError> {
    if server.shelf.with_table(|table| table.listed) == Listed::Yes {
        return Ok(());
    }
    let known = || server.shelf.with_table(|table| table.listed) == Listed::Yes;
    let first = list_in_turn(plane, server, known);
    match timeout(Duration::from_secs(FIRST_LIST_SECONDS_MAX), first).await {
        Ok(outcome) => outcome.map(|_changed| ()),
        Err(_elapsed) => Err(ListingError::TooSlow),
    }
}

/// Lists a server again and again until it is removed or the gateway shuts down.
pub(crate) async fn keep_listed(plane: Arc<Plane>, slug: ServerSlug) {
    let Some(first) = plane.snapshot.load().servers.get(&slug).cloned() else { return };
    let mut notices = first.upstream.as_ref().ok().map(|upstream| upstream.tool_changes());
    let ended = first.ended.clone();
    let refresh = Duration::from_secs(u64::from(first.record.refresh_seconds.max(1)));
    let poke = Arc::clone(&first.poke);
    drop(first);
    let mut wait = Duration::ZERO;
    let mut retry = Duration::from_millis(RETRY_MILLIS_MIN);
    loop {
        tokio::select! {
            () = plane.closing.cancelled() => return,
            () = ended.cancelled() => return,
            () = sleep(wait) => {}
            () = poke.notified() => sleep(Duration::from_millis(CHANGE_COALESCE_MILLIS)).await,
            () = changed(&mut notices) => sleep(Duration::from_millis(CHANGE_COALESCE_MILLIS)).await,
        }
        let Some(server) = plane.snapshot.load().servers.get(&slug).cloned() else { return };
        wait = match list_in_turn(&plane, &server, || false).await {
            Ok(_changed) => {
                retry = Duration::from_millis(RETRY_MILLIS_MIN);
                refresh
            }
            Err(error) => {
                tracing::warn!(server = slug.as_str(), %error, "listing the tools failed");
                retry = retry.saturating_mul(2).min(refresh);
                retry
            }
        };
    }
}

/// The next notice of a child on stdio; never, where there are none.
async fn changed(notices: &mut Option<tokio::sync::watch::Receiver<u64>>) {
    match notices {
        Some(receiver) => {
            if receiver.changed().await.is_err() {
                *notices = None;
            }
        }
        None => std::future::pending().await,
    }
}

//! Listening: connections, their bounds and time limits, the tasks that keep the data plane
//! current, and the orderly end. What a request means is decided elsewhere.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::HeaderValue;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use policy::UnixMillis;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::OwnNames;
use crate::answer::{self, Answer, Refused};
use crate::body::AnswerBody;
use crate::entry;
use crate::gateway::{Gateway, ServeError};
use crate::listener;
use crate::pipeline;
use crate::plane::Plane;
use crate::rarely::Rarely;
use crate::slow_reader::{Impatient, Terms};

/// How many connections are open at a time; further ones wait in the system's queue.
pub(crate) const CONNECTIONS_MAX: usize = 20_000;

/// The head of a request must be complete within so many seconds; also how long a connection may
/// stand idle between two requests.
pub(crate) const HEAD_SECONDS_MAX: u64 = 75;

/// How often ended sessions and grants whose time is over are looked for, in seconds.
const SWEEP_SECONDS: u64 = 30;

/// No request waits longer than this for its answer on a resumed stream: no time-out of a server
/// is longer than 2^32 milliseconds.
const AWAITED_MAX: Duration = Duration::from_hours(24 * 50);

/// What one listener knows of itself.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) names: OwnNames,
    /// The absolute URL of the protected-resource metadata, without a server.
    pub(crate) metadata_url: String,
    /// The challenge where no server can be named.
    pub(crate) challenge: HeaderValue,
}

impl Door {
    fn new(plane: &Plane, listener: &TcpListener) -> Result<Self, ServeError> {
        let bound = listener.local_addr().map_err(ServeError::Listener)?;
        let config = &plane.config;
        let public_url = config.public_url.trim_end_matches('/');
        let metadata_url = format!("{public_url}/.well-known/oauth-protected-resource");
        Ok(Self {
            names: OwnNames::new(bound, public_url, &config.host_names, &config.origins),
            challenge: entry::challenge(&metadata_url, None),
            metadata_url,
        })
    }
}

/// Serves until `shutdown`, then drains.
pub(crate) async fn serve(
    gateway: &Gateway,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let plane = &gateway.plane;
    let door = Arc::new(Door::new(plane, &listener)?);
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let keeper = connections.spawn(keep_current(gateway.clone()));
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            stream = accept(&listener, &places) => stream,
        };
        let Some((stream, place)) = stream else { continue };
        let plane = Arc::clone(plane);
        let door = Arc::clone(&door);
        connections.spawn(async move {
            plane.metrics.connections.inc();
            connection(&plane, &door, stream).await;
            plane.metrics.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    keeper.abort();
    drain(plane, &connections).await;
    gateway.stop_servers().await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    listener::accept(listener).await.map(|(stream, _peer)| (stream, place))
}

/// Speaks HTTP/1.1 on one connection until it ends.
async fn connection(plane: &Arc<Plane>, door: &Arc<Door>, stream: TcpStream) {
    let (terms, broken) = Terms::new();
    let service = service_fn(|request: Request<Incoming>| {
        let plane = Arc::clone(plane);
        let door = Arc::clone(door);
        let terms = &terms;
        async move {
            let answer = guarded(plane, door, request).await;
            if let AnswerBody::Live(stream) = answer.body() {
                terms.begin(stream.term());
            }
            Ok::<Answer, Infallible>(answer)
        }
    });
    let server = listener::protocol(Duration::from_secs(HEAD_SECONDS_MAX));
    let stream = Impatient::new(stream, plane.bounds.stall);
    let mut broken = pin!(broken.wait(stream.blocked()));
    let serving = server.serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let first = {
        let mut end = pin!(async {
            tokio::select! {
                () = broken.as_mut() => End::Broken,
                () = plane.closing.cancelled() => End::Closing,
            }
        });
        // Requests run this task many times for each time that one of these comes.
        let end = Rarely::new(end.as_mut());
        tokio::select! {
            biased;
            end = end => Err(end),
            outcome = serving.as_mut() => Ok(outcome),
        }
    };
    let outcome = match first {
        Ok(outcome) => outcome,
        Err(End::Broken) => Ok(()),
        Err(End::Closing) => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = serving.as_mut() => outcome,
                () = broken.as_mut() => Ok(()),
                () = plane.over.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = outcome
        && error.is_parse()
    {
        entry::note_unreadable(plane).await;
    }
}

/// Why a connection ends that would go on.
enum End {
    /// A stream was not taken in its time.
    Broken,
    /// The gateway begins to shut down.
    Closing,
}

/// Answers one request; a panic on the way is answered with 500 and counted, and allows nothing.
async fn guarded(plane: Arc<Plane>, door: Arc<Door>, request: Request<Incoming>) -> Answer {
    let answering = entry::answer(Arc::clone(&plane), door, request);
    match AssertUnwindSafe(answering).catch_unwind().await {
        Ok(answer) => answer,
        Err(_panic) => {
            plane.metrics.panics.inc();
            tracing::error!("a request failed inside the gateway and was refused");
            answer::refused(Refused::Panicked)
        }
    }
}

/// Follows the store and sweeps what is over.
async fn keep_current(gateway: Gateway) {
    let plane = Arc::clone(&gateway.plane);
    let mut revisions = plane.store.revision();
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rested: u64 = 0;
    let mut looked_at = plane.now();
    loop {
        tokio::select! {
            moved = revisions.changed() => {
                if moved.is_err() {
                    return;
                }
                // What is built goes by this time, which no look of a second may have seen.
                looked_at = looked_at.max(plane.now());
                if let Err(error) = gateway.reload().await {
                    tracing::error!(%error, "the store could not be read; the last state stays");
                    revisions.mark_changed();
                    sleep(Duration::from_secs(1)).await;
                }
            }
            _tick = ticks.tick() => {
                let now = plane.now();
                if now < looked_at {
                    // The clock was set back: a grant that was left out as over may be in force.
                    revisions.mark_changed();
                }
                looked_at = now;
                end_expired(&plane, now);
                rested = rested.saturating_add(1);
                if rested >= SWEEP_SECONDS {
                    rested = 0;
                    sweep(&plane);
                }
            }
        }
    }
}

/// Ends the streams of grants whose time is over.
fn end_expired(plane: &Plane, now: UnixMillis) {
    for grant in plane.snapshot.load().grants() {
        if grant.record.expires_at.is_some_and(|until| until <= now) {
            grant.live.ended.cancel();
        }
    }
}

/// Ends sessions that were idle too long or whose grant is no more, and gives up requests whose
/// answer did not come on a resumed stream in time.
fn sweep(plane: &Arc<Plane>) {
    let snapshot = plane.snapshot.load_full();
    let swept = plane.sessions.sweep(plane.now(), |grant| !snapshot.has_grant(grant));
    for session in swept {
        if let Some(server) = snapshot.servers.get(session.server()).cloned() {
            let end = pipeline::end_upstream_session(server, session);
            plane.tracker.spawn(end);
        }
    }
    plane.held_tasks.sweep(plane.now(), |grant| !snapshot.has_grant(grant));
    give_up_overdue(plane, Instant::now());
}

/// Closes the records of requests that wait for an answer on a resumed stream, where the time for
/// it is over at `now`.
fn give_up_overdue(plane: &Plane, now: Instant) {
    let snapshot = plane.snapshot.load();
    let of_grants = snapshot.grants().map(|grant| Arc::clone(&grant.live.desk));
    for desk in plane.sessions.desks().into_iter().chain(of_grants) {
        for awaited in desk.overdue(now) {
            awaited.give_up();
        }
    }
}

/// The orderly end: listening streams are closed at once, calls may finish until the time is over.
async fn drain(plane: &Arc<Plane>, connections: &TaskTracker) {
    plane.closing.cancel();
    connections.close();
    let patience = Duration::from_secs(u64::from(plane.config.drain_seconds));
    let all_done = async {
        connections.wait().await;
        plane.tracker.close();
        plane.tracker.wait().await;
    };
    if timeout(patience, all_done).await.is_err() {
        tracing::warn!("calls were still running when the time to finish them was over");
    }
    plane.over.cancel();
    plane.tracker.close();
    // Nobody can resume a stream any more.
    give_up_overdue(plane, Instant::now() + AWAITED_MAX);
    let rest = async {
        connections.wait().await;
        plane.tracker.wait().await;
    };
    // What was cut off still writes its outcome; that takes no longer than a moment.
    if timeout(Duration::from_secs(1), rest).await.is_err() {
        tracing::warn!("some tasks did not end");
    }
}

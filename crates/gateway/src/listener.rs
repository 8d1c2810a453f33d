//! What every listener of the process does before anybody is known: it accepts, bounds the head of a
//! request and what is buffered, and gives up an answer that is not taken. The door for agents is
//! built on it in `serve`; the binary opens another one with [`serve`] for what is not the
//! gateway's. What a request means is never decided here.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::alarm::Alarm;
use crate::slow_reader::Impatient;

/// The most headers of a request.
const HEADERS_MAX: usize = 100;

/// The most bytes that a connection buffers, which also bounds the head of a request.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// After an accept error the listener rests so many milliseconds (the process may be out of file
/// descriptors).
const ACCEPT_REST_MILLIS: u64 = 50;

/// That connections are turned away is logged at most once in so many seconds.
const REPORT_SECONDS: u64 = 60;

/// The bounds of a listener that [`serve`] serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many connections are open at a time; a further one is closed at once.
    pub connections_max: usize,
    /// The head of a request must be complete within this time; also how long a connection may
    /// stand idle between two requests.
    pub head_max: Duration,
    /// Somebody who takes not one byte of an answer for this long has gone.
    pub stall_max: Duration,
}

/// Serves HTTP/1.1 on `listener` until `stop`, then until the requests that are under way have their
/// answers. Dropping the future cuts them off.
pub async fn serve<A, F, B>(
    listener: TcpListener,
    bounds: Bounds,
    answer: A,
    stop: CancellationToken,
) where
    A: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let mut connections = JoinSet::new();
    let mut reported: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener) => accepted,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Some((stream, peer)) = accepted else { continue };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let answer = answer.clone();
                let answer = move |request| answer(peer, request);
                connections.spawn(connection((stream, place), bounds, answer, stop.clone()));
            }
            Err(_all_taken) => {
                let rests = Duration::from_secs(REPORT_SECONDS);
                if reported.is_none_or(|before| before.elapsed() >= rests) {
                    reported = Some(Instant::now());
                    let open = bounds.connections_max;
                    tracing::warn!(open, "too many connections are open: further ones are closed");
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Speaks HTTP/1.1 on one connection until it ends.
async fn connection<A, F, B>(
    (stream, place): (TcpStream, OwnedSemaphorePermit),
    bounds: Bounds,
    answer: A,
    stop: CancellationToken,
) where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = service_fn(|request| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let stream = TokioIo::new(Impatient::new(stream, bounds.stall_max));
    let serving = protocol(bounds.head_max).serve_connection(stream, service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(place);
}

/// The next connection; `None` after an error, and after a rest.
pub(crate) async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            Some((stream, peer))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            sleep(Duration::from_millis(ACCEPT_REST_MILLIS)).await;
            None
        }
    }
}

/// HTTP/1.1 on one connection, with the bounds that every listener has; a head takes at most `head_max`.
pub(crate) fn protocol(head_max: Duration) -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(HeadTimer::default())
        .header_read_timeout(head_max)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    server
}

/// The one timer of a connection, which waits for one head after the other.
#[derive(Clone, Debug, Default)]
struct HeadTimer(Arc<Mutex<Alarm>>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until { by: Instant::from_std(deadline), timer: self.clone() })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// One wait on the timer of a connection.
struct Until {
    by: Instant,
    timer: HeadTimer,
}

impl Sleep for Until {}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // An alarm is whole even when a thread died while it held the lock.
        self.timer.0.lock().unwrap_or_else(PoisonError::into_inner).poll(self.by, context)
    }
}

#[cfg(test)]
mod tests;

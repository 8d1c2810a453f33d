//! What ends an answer that its agent does not take. A stream that is written to a connection is not
//! read from its server while the connection takes nothing, and neither are the time-outs that the
//! reading has; so the connection itself watches over both. What an answer says is decided elsewhere.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// An agent that takes not one byte of its answer for so many seconds has gone.
pub(crate) const STALL_SECONDS_MAX: u64 = 60;

/// A stream that is to end has so long to do so in order before its connection is cut.
const GRACE: Duration = Duration::from_secs(1);

/// Whether a write to a connection waits, as others than the writer see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocked(Arc<AtomicBool>);

impl Blocked {
    fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, blocked: bool) {
        self.0.store(blocked, Ordering::Relaxed);
    }
}

/// A connection whose writes fail when the other side has taken nothing for too long.
pub(crate) struct Impatient<S> {
    stream: S,
    stall: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    blocked: Blocked,
}

impl<S> Impatient<S> {
    pub(crate) fn new(stream: S, stall: Duration) -> Self {
        Self { stream, stall, waiting: None, blocked: Blocked::default() }
    }

    pub(crate) fn blocked(&self) -> Blocked {
        self.blocked.clone()
    }

    fn wrote<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if self.waiting.take().is_some() {
                self.blocked.set(false);
            }
            return outcome;
        }
        self.blocked.set(true);
        let stall = self.stall;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(stall)));
        if waiting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.wrote(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// When a stream must have ended: at an instant, and when one of two tokens is cancelled.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    by: Option<Instant>,
    ends: [CancellationToken; 2],
    /// Cancelled when the stream has ended.
    done: CancellationToken,
    /// Set when the instant came before that.
    late: Arc<AtomicBool>,
}

impl Term {
    pub(crate) fn new(by: Option<Instant>, ends: [CancellationToken; 2]) -> Self {
        Self { by, ends, done: CancellationToken::new(), late: Arc::default() }
    }

    /// The stream has ended.
    pub(crate) fn end(&self) {
        self.done.cancel();
    }

    /// Whether the stream was cut because its time was over.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Waits until the stream has ended, or has not ended although it should have. One that ended then, but behind bytes that
    /// nobody takes, has not.
    async fn kept(&self, blocked: &Blocked) -> Kept {
        let [first, second] = &self.ends;
        let time = async {
            match self.by {
                Some(by) => sleep_until(by).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // In its own time, unless it was told to at the same moment.
            () = self.done.cancelled() => {
                if !first.is_cancelled() && !second.is_cancelled() {
                    return Kept::Yes;
                }
            }
            () = first.cancelled() => {}
            () = second.cancelled() => {}
            () = time => self.late.store(true, Ordering::Relaxed),
        }
        let mut grace = pin!(sleep(GRACE));
        tokio::select! {
            biased;
            () = self.done.cancelled() => {}
            () = grace.as_mut() => return Kept::No,
        }
        if blocked.is_so() {
            grace.await;
        }
        if blocked.is_so() { Kept::No } else { Kept::Yes }
    }
}

/// Whether a stream ended when it should.
enum Kept {
    Yes,
    No,
}

/// Tells a connection of the streams that it carries, one after the other.
#[derive(Debug)]
pub(crate) struct Terms(watch::Sender<Option<Term>>);

impl Terms {
    /// With what the connection waits on.
    pub(crate) fn new() -> (Self, Broken) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Broken(receiver))
    }

    /// The connection carries this stream from now on.
    pub(crate) fn begin(&self, term: &Term) {
        self.0.send_replace(Some(term.clone()));
    }
}

/// The other end of [`Terms`].
#[derive(Debug)]
pub(crate) struct Broken(watch::Receiver<Option<Term>>);

impl Broken {
    /// Waits until a stream has not ended when it should: its reader is too slow.
    pub(crate) async fn wait(mut self, blocked: Blocked) {
        while self.0.changed().await.is_ok() {
            let term = self.0.borrow_and_update().clone();
            if let Some(term) = term
                && matches!(term.kept(&blocked).await, Kept::No)
            {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;

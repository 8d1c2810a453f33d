//! The body of an answer to an agent: nothing, one piece of bytes, or a live event stream with its
//! heartbeat. What stands in the bytes is decided elsewhere.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::StreamExt as _;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use crate::slow_reader::Term;

/// A comment goes out on a stream that was silent for so many seconds (GATEWAY.md section 2).
pub(crate) const HEARTBEAT_SECONDS: u64 = 15;

/// The comment that opens a stream and keeps it alive; clients ignore it (WHATWG HTML, server-sent
/// events).
const COMMENT: &[u8] = b":\n\n";

/// Pieces of an event stream, each of whole events.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// No body.
    Empty,
    /// The whole body.
    Full(Bytes),
    /// A live event stream.
    Live(Box<LiveStream>),
}

/// What happens to the rest of a stream whose client has gone.
pub(crate) enum OnLeave {
    /// It is dropped, which ends the exchange with the server (listening streams).
    Drop,
    /// It is dropped (modern era), unless it was cut because the time for the call was over: then
    /// it is read as far as it still goes, so that the record says so.
    Cancel(Finisher),
    /// It is read to its end by a tracked task, so that the call is finished and recorded (legacy
    /// era: closing a connection cancels nothing).
    Finish(Finisher),
}

/// What reads a stream to its end for nobody.
pub(crate) struct Finisher {
    tracker: TaskTracker,
    over: CancellationToken,
}

impl Finisher {
    /// Reads in tasks of `tracker`, until `over` is cancelled.
    pub(crate) const fn new(tracker: TaskTracker, over: CancellationToken) -> Self {
        Self { tracker, over }
    }

    fn finish(&self, mut pieces: Pieces) {
        let over = self.over.clone();
        self.tracker.spawn(async move {
            let reading = async { while pieces.next().await.is_some() {} };
            tokio::select! {
                () = over.cancelled() => {}
                () = reading => {}
            }
        });
    }
}

/// An event stream on its way to an agent.
pub(crate) struct LiveStream {
    pieces: Option<Pieces>,
    opened: bool,
    heartbeat: Pin<Box<Sleep>>,
    ends: [Pin<Box<WaitForCancellationFutureOwned>>; 2],
    term: Term,
    on_leave: OnLeave,
}

impl LiveStream {
    /// A stream of `pieces` that ends early when one of `ends` is cancelled (the grant was revoked,
    /// the gateway shuts down). Its connection is cut when it has not ended soon after that, or
    /// after `by`: by then it would have ended by itself, did the agent take it.
    pub(crate) fn new(
        pieces: Pieces,
        ends: [CancellationToken; 2],
        by: Option<Instant>,
        on_leave: OnLeave,
    ) -> Self {
        Self {
            pieces: Some(pieces),
            opened: false,
            heartbeat: Box::pin(sleep(Duration::from_secs(HEARTBEAT_SECONDS))),
            term: Term::new(by, ends.clone()),
            ends: ends.map(|end| Box::pin(end.cancelled_owned())),
            on_leave,
        }
    }

    /// When the stream must have ended.
    pub(crate) const fn term(&self) -> &Term {
        &self.term
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.opened {
            self.opened = true;
            return Poll::Ready(Some(Bytes::from_static(COMMENT)));
        }
        if self.ends.iter_mut().any(|end| end.as_mut().poll(context).is_ready()) {
            self.leave();
            return Poll::Ready(None);
        }
        let Some(pieces) = self.pieces.as_mut() else { return Poll::Ready(None) };
        match pieces.as_mut().poll_next(context) {
            Poll::Ready(Some(piece)) => {
                self.rest();
                Poll::Ready(Some(piece))
            }
            Poll::Ready(None) => {
                self.pieces = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                if self.heartbeat.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.rest();
                // The timer was just set anew and must be polled once to wake this task again.
                if self.heartbeat.as_mut().poll(context).is_ready() {
                    context.waker().wake_by_ref();
                }
                Poll::Ready(Some(Bytes::from_static(COMMENT)))
            }
        }
    }

    fn rest(&mut self) {
        let next = Instant::now() + Duration::from_secs(HEARTBEAT_SECONDS);
        self.heartbeat.as_mut().reset(next);
    }

    /// Hands what is left to the tracked tasks, or drops it.
    fn leave(&mut self) {
        let Some(pieces) = self.pieces.take() else { return };
        match &self.on_leave {
            OnLeave::Finish(finisher) => finisher.finish(pieces),
            OnLeave::Cancel(finisher) if self.term.is_late() => finisher.finish(pieces),
            OnLeave::Cancel(_) | OnLeave::Drop => drop(pieces),
        }
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.term.end();
        self.leave();
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Live(stream) => {
                stream.poll_piece(context).map(|piece| piece.map(|p| Ok(Frame::data(p))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Live(stream) => stream.pieces.is_none() && stream.opened,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Full(_) => "Full",
            Self::Live(_) => "Live",
        })
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;

//! One running child: the tasks around its streams, its end, and how a message is written to it.
//! Never here: whose message is whose (`mux`), when a child is started again (`mod`).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use mcp::{ServerMessage, read_message, reply, single_line};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::mux::{Closed, Item, Mux, Owner, Taken};
use super::process::{Line, Lines, Process, STDERR_LINE_BYTES_MAX};
use crate::upstream::message::{SendError, Sent, Unreachable};

/// How many messages wait to be written to a child that does not read.
const WRITES_WAITING_MAX: usize = 256;
/// How long the output of a child that has ended is still read.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// A child as its callers see it.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) mux: Mux,
    writes: mpsc::Sender<Bytes>,
    /// Set when the child is to end, and when it has ended.
    pub(super) ending: CancellationToken,
    /// Distinguishes the sessions of this child from those of every other.
    pub(super) nonce: String,
}

impl Child {
    /// A child and what its tasks read from.
    pub(super) fn new(
        mux: Mux,
        nonce: String,
        ending: CancellationToken,
    ) -> (Arc<Self>, mpsc::Receiver<Bytes>) {
        let (writes, waiting) = mpsc::channel(WRITES_WAITING_MAX);
        (Arc::new(Self { mux, writes, ending, nonce }), waiting)
    }

    /// Hands a message to the child. The message must have been admitted, so that it fits on one line.
    pub(super) async fn write(&self, body: &Bytes) -> Result<(), SendError> {
        let gone = SendError::Unreachable(Unreachable::NotRunning);
        self.writes.send(single_line(body)).await.map_err(|_closed| gone)
    }

    /// Sends a request. The guard withdraws it when it is dropped before the answer.
    pub(super) async fn request(
        self: &Arc<Self>,
        body: Bytes,
        owner: Owner,
    ) -> Result<Pending, SendError> {
        let Ok(ServerMessage::Request(request)) = read_message(body) else {
            return Err(SendError::Unreachable(Unreachable::NotRunning));
        };
        let Taken { number, body, messages } =
            self.mux.open(&request, owner).map_err(|closed| match closed {
                Closed::Gone | Closed::Full => SendError::Unreachable(Unreachable::NotRunning),
            })?;
        let mut pending = Pending { child: Arc::clone(self), number, messages, written: Sent::No };
        self.write(&body).await?;
        pending.written = Sent::Maybe;
        Ok(pending)
    }

    fn withdraw(&self, number: i64) {
        let notice = reply::cancelled(&number.to_string(), None);
        if self.writes.try_send(notice).is_err() {
            tracing::debug!("a cancellation does not reach the child");
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Pending {
    child: Arc<Child>,
    number: i64,
    messages: mpsc::Receiver<Item>,
    written: Sent,
}

impl Pending {
    /// The next message; `None` if the child ended first.
    pub(super) async fn next(&mut self) -> Option<Item> {
        self.messages.recv().await
    }

    /// As `next`, for a caller that polls.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Item>> {
        self.messages.poll_recv(cx)
    }

    /// The answer alone; what comes before it is dropped.
    pub(super) async fn answer(&mut self) -> Option<Bytes> {
        loop {
            match self.next().await? {
                Item::Last(body) => return Some(body),
                Item::Between(_) => {}
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.child.mux.close(self.number) && self.written == Sent::Maybe {
            self.child.withdraw(self.number);
        }
    }
}

/// Runs a child until it ends or is told to. Everything that it started is gone afterwards.
pub(super) async fn supervise(
    child: Arc<Child>,
    process: Process,
    writes: mpsc::Receiver<Bytes>,
    limits: Limits,
) {
    let Process { child: mut process, mut group, stdin, stdout, stderr } = process;
    let mut reading = std::pin::pin!(read(&child, stdout, limits.line_bytes_max));
    let mut writing = std::pin::pin!(write_all(stdin, writes));
    let mut logging = std::pin::pin!(log_stderr(stderr, limits.server));
    let mut logged = false;
    let mut written = false;
    loop {
        tokio::select! {
            () = child.ending.cancelled() => break,
            () = &mut reading => break,
            status = process.wait() => {
                tracing::warn!(status = status.ok().map(tracing::field::display), "the child has ended");
                // What it started holds its streams open; without them the rest of its output can be read to the end.
                group.kill();
                if tokio::time::timeout(DRAIN_MAX, &mut reading).await.is_err() {
                    tracing::debug!("the output of the child has no end");
                }
                break;
            }
            () = &mut writing, if !written => written = true,
            () = &mut logging, if !logged => logged = true,
        }
    }
    // From here on nothing is sent to it, and nobody waits for it.
    child.ending.cancel();
    child.mux.end();
    group.end(&mut process).await;
}

/// What a supervisor must know.
pub(super) struct Limits {
    pub(super) server: Arc<str>,
    pub(super) line_bytes_max: usize,
}

/// Reads until the output ends or breaks its bounds.
async fn read(child: &Child, stdout: ChildStdout, line_bytes_max: usize) {
    let mut lines = Lines::new(stdout, line_bytes_max);
    loop {
        match lines.next().await {
            Ok(Line::Whole(line)) => {
                if let Some(answer) = child.mux.route(line)
                    && child.writes.try_send(answer).is_err()
                {
                    tracing::warn!("the child does not read what it asked for");
                }
            }
            Ok(Line::TooLong(_)) => {
                tracing::error!(
                    line_bytes_max,
                    "the child writes a line beyond the bound and is ended"
                );
                return;
            }
            Ok(Line::End) => return,
            Err(error) => {
                tracing::warn!(%error, "the output of the child cannot be read");
                return;
            }
        }
    }
}

/// Writes until the child no longer reads.
async fn write_all(mut stdin: ChildStdin, mut writes: mpsc::Receiver<Bytes>) {
    while let Some(message) = writes.recv().await {
        let mut line = message.chain(&b"\n"[..]);
        if let Err(error) = stdin.write_all_buf(&mut line).await {
            tracing::warn!(%error, "the child does not read any more");
            return;
        }
    }
}

/// Logs what the child says beside the protocol, escaped and line by line.
async fn log_stderr(stderr: ChildStderr, server: Arc<str>) {
    let mut lines = Lines::new(stderr, STDERR_LINE_BYTES_MAX);
    let mut within_long = false;
    while let Ok(line) = lines.next().await {
        let (text, cut) = match line {
            Line::Whole(text) => (text, false),
            Line::TooLong(text) => (text, true),
            Line::End => return,
        };
        if !within_long {
            let shown = text.get(..STDERR_LINE_BYTES_MAX).unwrap_or(&text).escape_ascii();
            tracing::info!(server.slug = &*server, "stderr: {shown}");
        }
        within_long = cut;
    }
}

//! One running child: the threads at its streams, its end, and how a message is written to it.
//! Never here: whose message is whose (`mux`), when a child is started again (`mod`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp::{ServerMessage, read_message, reply, single_line};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::mux::{Closed, Item, Mux, Owner, Taken};
use super::noise::Noise;
use super::pipes::{Leash, ReadEnd, Threads, WriteEnd};
use super::process::{Group, Line, Lines, Pipes, Process, STDERR_LINE_BYTES_MAX};
use crate::diary::{Blots, Cut, Diary};
use crate::upstream::message::{SendError, Sent, Unreachable};

/// How many messages wait to be written to a child that does not read.
const WRITES_WAITING_MAX: usize = 256;
/// How long the output of a child that has ended is still read.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// A child as its callers see it.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) mux: Mux,
    writes: mpsc::Sender<Write>,
    /// Set when the child is to end, and when it has ended.
    pub(super) ending: CancellationToken,
    /// Distinguishes the sessions of this child from those of every other.
    pub(super) nonce: String,
}

/// What the thread at a child's input is told.
#[derive(Debug)]
pub(super) enum Write {
    /// Write this message.
    Line(Bytes),
    /// Nothing follows: close the input.
    End,
}

impl Child {
    /// A child and what is to be written to it.
    pub(super) fn new(
        mux: Mux,
        nonce: String,
        ending: CancellationToken,
    ) -> (Arc<Self>, mpsc::Receiver<Write>) {
        let (writes, waiting) = mpsc::channel(WRITES_WAITING_MAX);
        (Arc::new(Self { mux, writes, ending, nonce }), waiting)
    }

    /// Hands a message to the child. The message must have been admitted, so that it fits on one line.
    pub(super) async fn write(&self, body: &Bytes) -> Result<(), SendError> {
        let gone = SendError::Unreachable(Unreachable::NotRunning);
        self.writes.send(Write::Line(single_line(body))).await.map_err(|_closed| gone)
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
        if self.writes.try_send(Write::Line(notice)).is_err() {
            tracing::debug!("a cancellation does not reach the child");
        }
    }

    /// From here on nothing is sent to the child, and nobody waits for it.
    fn close(&self) {
        self.ending.cancel();
        self.mux.end();
        // A writer with a full queue finds the end by itself, at the next message that it takes.
        if self.writes.try_send(Write::End).is_err() {
            tracing::debug!("the input of the child is behind or closed");
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

/// A child whose streams are served.
pub(super) struct Served {
    process: tokio::process::Child,
    group: Group,
    attached: Attached,
    read: oneshot::Receiver<()>,
    diary: Arc<Diary>,
}

/// The hold on the threads of a child. Dropped, they end, whoever still has the other ends of the pipes.
struct Attached {
    child: Arc<Child>,
    _leash: Leash,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.child.close();
    }
}

/// What the threads of a child must know.
pub(super) struct Limits {
    pub(super) server: Arc<str>,
    pub(super) line_bytes_max: usize,
    /// Where its errors are kept.
    pub(super) diary: Arc<Diary>,
    /// The values of its environment, which are kept nowhere.
    pub(super) blots: Arc<Blots>,
}

/// Starts the threads of a child. One that cannot have them is killed.
pub(super) fn serve(
    child: Arc<Child>,
    process: Process,
    mut writes: mpsc::Receiver<Write>,
    limits: Limits,
    threads: &Threads,
) -> io::Result<Served> {
    let Process { child: process, group, leash, pipes } = process;
    let Pipes { mut stdin, stdout, stderr } = pipes;
    let Limits { server, line_bytes_max, diary, blots } = limits;
    let attached = Attached { child: Arc::clone(&child), _leash: leash };
    let (reader, writer, kept) = (Arc::clone(&child), child, Arc::clone(&diary));
    let logged = Arc::clone(&server);
    let read =
        threads.start(format!("out:{server}"), move || read(&reader, stdout, line_bytes_max))?;
    threads.start(format!("in:{server}"), move || write(&writer, &mut stdin, &mut writes))?;
    threads.start(format!("err:{server}"), move || {
        log_stderr(stderr, &logged, (&kept, &blots));
    })?;
    Ok(Served { process, group, attached, read, diary })
}

/// Waits until a child ends or is told to. Everything that it started is gone afterwards.
pub(super) async fn supervise(served: Served) {
    let Served { mut process, mut group, attached, mut read, diary } = served;
    tokio::select! {
        () = attached.child.ending.cancelled() => {}
        _ended = &mut read => {}
        status = process.wait() => {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::warn!(status, "the child has ended");
            diary.ended(status);
            // What it started holds its streams open; without them the rest of its output can be read to the end.
            group.kill();
            if tokio::time::timeout(DRAIN_MAX, &mut read).await.is_err() {
                tracing::debug!("the output of the child has no end");
            }
        }
    }
    attached.child.close();
    // Its output is taken until the last, so that it can say why it ends.
    group.end(&mut process).await;
}

/// Reads until the output ends or breaks its bounds.
fn read(child: &Child, stdout: ReadEnd, line_bytes_max: usize) {
    let mut lines = Lines::new(stdout, line_bytes_max);
    loop {
        match lines.next() {
            Ok(Line::Whole(line)) => {
                if let Some(answer) = child.mux.route(line)
                    && child.writes.try_send(Write::Line(answer)).is_err()
                    && let Some(left_out) = child.mux.complains()
                {
                    tracing::warn!(left_out, "the child does not read what it asked for");
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

/// Writes until the child is to end or no longer reads.
fn write(child: &Child, stdin: &mut WriteEnd, writes: &mut mpsc::Receiver<Write>) {
    while let Some(Write::Line(message)) = writes.blocking_recv() {
        if child.ending.is_cancelled() {
            return;
        }
        if let Err(error) = stdin.write_line(message) {
            tracing::warn!(%error, "the child does not read any more");
            return;
        }
    }
}

/// Logs what the child says beside the protocol, line by line and without the values of its environment; in the program's
/// own log it is escaped.
fn log_stderr(stderr: ReadEnd, server: &str, (diary, blots): (&Diary, &Blots)) {
    let mut lines = Lines::new(stderr, STDERR_LINE_BYTES_MAX);
    let mut within_long = false;
    let mut noise = Noise::new(Instant::now());
    while let Ok(line) = lines.next() {
        let (text, cut) = match line {
            Line::Whole(text) => (text, false),
            Line::TooLong(text) => (text, true),
            Line::End => return,
        };
        if !within_long && let Some(left_out) = noise.admits(Instant::now()) {
            let bytes = text.get(..STDERR_LINE_BYTES_MAX).unwrap_or(&text);
            let is_cut = if cut { Cut::Yes } else { Cut::No };
            let shown = blots.put_out(&String::from_utf8_lossy(bytes), is_cut);
            let escaped = shown.as_bytes().escape_ascii();
            tracing::info!(server.slug = server, left_out, "stderr: {escaped}");
            diary.line(shown, left_out);
        }
        within_long = cut;
    }
}

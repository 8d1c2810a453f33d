//! The gateway's ends of a child's pipes, and the threads that read and write them.
//!
//! A child can make any call on its pipe block in the kernel, also one in non-blocking mode: while it splices between the pipe and
//! something that does not move, the kernel holds the pipe's lock, and reading, writing and closing wait for it without regard to
//! any signal. Therefore nothing here may run on a thread of the runtime: each pipe belongs to one thread of its own, which alone
//! touches it and closes it. Never here: what is read or written.

use std::io::{self, IoSlice, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// Ends the waits of every pipe that was made with it when it is dropped.
#[derive(Debug)]
pub(super) struct Leash {
    _held: PipeWriter,
    tether: Tether,
}

/// The other end of a leash.
#[derive(Debug, Clone)]
struct Tether(Arc<PipeReader>);

/// What a wait found.
#[derive(PartialEq, Eq)]
enum Woken {
    /// The pipe can be read or written.
    Ready,
    /// The leash was dropped.
    Released,
}

impl Leash {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, held) = io::pipe()?;
        Ok(Self { _held: held, tether: Tether(Arc::new(reader)) })
    }

    /// A pipe that the child writes.
    pub(super) fn reading(&self) -> io::Result<(ReadEnd, PipeWriter)> {
        let (pipe, theirs) = io::pipe()?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok((ReadEnd { pipe, tether: self.tether.clone() }, theirs))
    }

    /// A pipe that the child reads.
    pub(super) fn writing(&self) -> io::Result<(WriteEnd, PipeReader)> {
        let (theirs, pipe) = io::pipe()?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok((WriteEnd { pipe, tether: self.tether.clone() }, theirs))
    }
}

impl Tether {
    fn wait(&self, pipe: BorrowedFd<'_>, events: PollFlags) -> io::Result<Woken> {
        let mut both =
            [PollFd::from_borrowed_fd(pipe, events), PollFd::new(&*self.0, PollFlags::IN)];
        loop {
            match poll(&mut both, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let [_, tether] = both;
        Ok(if tether.revents().is_empty() { Woken::Ready } else { Woken::Released })
    }
}

/// The reading end of a pipe, at its end when nobody can write any more or the leash is dropped.
#[derive(Debug)]
pub(super) struct ReadEnd {
    pipe: PipeReader,
    tether: Tether,
}

impl Read for ReadEnd {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.tether.wait(self.pipe.as_fd(), PollFlags::IN)? == Woken::Released {
                return Ok(0);
            }
            match self.pipe.read(into) {
                Err(error) if is_passing(&error) => {}
                done => return done,
            }
        }
    }
}

/// The writing end of a pipe.
#[derive(Debug)]
pub(super) struct WriteEnd {
    pipe: PipeWriter,
    tether: Tether,
}

impl WriteEnd {
    /// Writes one line, waiting for the reader as long as the leash is held.
    pub(super) fn write_line(&mut self, text: Bytes) -> io::Result<()> {
        let mut line = text.chain(&b"\n"[..]);
        while line.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = line.chunks_vectored(&mut slices);
            match self.pipe.write_vectored(slices.get(..filled).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => line.advance(written),
                Err(error) if is_passing(&error) => {
                    let woken = self.tether.wait(self.pipe.as_fd(), PollFlags::OUT)?;
                    if woken == Woken::Released {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Counts the threads of one server, those included that a pipe still holds after their child has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Threads(Arc<()>);

impl Threads {
    /// How many run.
    pub(super) fn running(&self) -> usize {
        Arc::strong_count(&self.0).saturating_sub(1)
    }

    /// Runs something that owns a pipe on a thread of its own. What comes back ends when the thread does. The system shows the
    /// first 15 bytes of a name.
    pub(super) fn start(
        &self,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<oneshot::Receiver<()>> {
        let (ended, ending) = oneshot::channel::<()>();
        let counted = self.clone();
        std::thread::Builder::new().name(name).spawn(move || {
            run();
            drop(counted);
            drop(ended);
        })?;
        Ok(ending)
    }
}

#[cfg(test)]
mod tests;

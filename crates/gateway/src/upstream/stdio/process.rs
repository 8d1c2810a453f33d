//! A child process: how it is started, read line by line, and ended with everything that it started itself.
//! Never here: what a line means, when a child is started again.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::pipes::{Leash, ReadEnd, WriteEnd};
use crate::upstream::spec::Program;
use crate::variable::is_own_search_path;

/// How long a child may take to end after SIGTERM before its group gets SIGKILL.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(5);
/// The longest line of stderr that is logged; the rest of a longer line is dropped.
pub(super) const STDERR_LINE_BYTES_MAX: usize = 4096;
/// Characters of a program's name that an error says, at most.
const NAME_SHOWN_CHARS_MAX: usize = 100;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// A child that runs, and its streams.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) group: Group,
    pub(super) leash: Leash,
    pub(super) pipes: Pipes,
}

/// The streams of a child.
pub(super) struct Pipes {
    pub(super) stdin: WriteEnd,
    pub(super) stdout: ReadEnd,
    pub(super) stderr: ReadEnd,
}

/// Starts a program without a shell, in a process group of its own, with an environment of nothing but the declared names.
/// The program itself is looked up on the gateway's own search path, since the child has none unless `PATH` is declared; declared as
/// `env:PATH` it is the gateway's own, or none where the gateway has none.
pub(super) fn spawn(program: &Program, search_path: Option<&OsStr>) -> io::Result<Process> {
    let (name, arguments) = program.command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let leash = Leash::new()?;
    let (stdin, their_stdin) = leash.writing()?;
    let (stdout, their_stdout) = leash.reading()?;
    let (stderr, their_stderr) = leash.reading()?;
    let child = Command::new(find(name, search_path)?)
        .args(arguments)
        .env_clear()
        .envs(program.env.iter().filter_map(|(name, value)| {
            let own = is_own_search_path(name, value);
            Some((name, if own { search_path? } else { OsStr::new(value) }))
        }))
        .stdin(Stdio::from(their_stdin))
        .stdout(Stdio::from(their_stdout))
        .stderr(Stdio::from(their_stderr))
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok(Process { child, group: Group(id), leash, pipes: Pipes { stdin, stdout, stderr } })
}

/// The program as an absolute path, unless it is given with a directory.
fn find(name: &str, search_path: Option<&OsStr>) -> io::Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let path = search_path.map(OsString::from).unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| {
            let shown: String = name.chars().take(NAME_SHOWN_CHARS_MAX).collect();
            let text = format!("the gateway finds no program \"{}\"", shown.escape_debug());
            io::Error::new(io::ErrorKind::NotFound, text)
        })
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The process group of a child. Dropped before the child was reaped in order, it kills the group.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// Signals every process of the group; one that is already gone is no error.
    fn signal(&self, signal: Signal) {
        if let Some(Err(error)) = self.0.map(|group| kill_process_group(group, signal)) {
            tracing::debug!(%error, "the process group cannot be signalled");
        }
    }

    /// Kills what is left of the group.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.0 = None;
    }

    /// Ends the group: SIGTERM, a bounded wait for the child, SIGKILL for whatever is left.
    pub(super) async fn end(&mut self, child: &mut Child) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(STOP_GRACE, child.wait()).await.is_err() {
            tracing::warn!("the child did not end in time and is killed");
        }
        self.kill();
        if let Err(error) = child.wait().await {
            tracing::warn!(%error, "the child cannot be waited for");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads lines of bounded length.
pub(super) struct Lines<R> {
    reader: R,
    read: Box<[u8]>,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    bytes_max: usize,
}

/// What stands next on a stream.
pub(super) enum Line {
    /// A line without its end, never empty.
    Whole(Bytes),
    /// The first bytes of a line beyond the bound.
    TooLong(Bytes),
    /// The stream is at its end.
    End,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R, bytes_max: usize) -> Self {
        let read = vec![0; READ_BYTES].into_boxed_slice();
        Self { reader, read, buffer: BytesMut::new(), scanned: 0, bytes_max }
    }

    /// The next line. After `TooLong` the rest of that line comes as further pieces. A last line without its end counts as one.
    pub(super) fn next(&mut self) -> io::Result<Line> {
        loop {
            let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let length = self.scanned.saturating_add(at);
                let line = self.cut(length);
                // The line end itself.
                drop(self.cut(1));
                match trimmed(&line) {
                    line if line.is_empty() => continue,
                    line => return Ok(Line::Whole(line)),
                }
            }
            self.scanned = self.buffer.len();
            if self.scanned > self.bytes_max {
                let length = self.scanned;
                return Ok(Line::TooLong(self.cut(length)));
            }
            let count = self.reader.read(&mut self.read)?;
            self.buffer.extend_from_slice(self.read.get(..count).unwrap_or_default());
            if count == 0 {
                let length = self.buffer.len();
                let rest = trimmed(&self.cut(length));
                return Ok(if rest.is_empty() { Line::End } else { Line::Whole(rest) });
            }
        }
    }

    fn cut(&mut self, length: usize) -> Bytes {
        self.scanned = 0;
        self.buffer.split_to(length).freeze()
    }
}

/// Without the white space around: programs on other systems end lines with CR LF.
fn trimmed(line: &Bytes) -> Bytes {
    line.slice_ref(line.trim_ascii())
}

//! Reading this process's stdin line by line, on a thread of its own, since a read of stdin cannot
//! be given up. What a line means is the caller's affair.

use std::io::{self, BufRead};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Lines that wait for their reader, at most.
const LINES_WAITING_MAX: usize = 16;

/// What stands on stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line without its end; never only white space.
    Whole(Bytes),
    /// A line of more bytes than the bound, dropped.
    TooLong,
}

/// The lines of stdin, each of at most `line_bytes_max` bytes; the channel closes at its end.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn lines(line_bytes_max: usize) -> io::Result<mpsc::Receiver<Line>> {
    let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let stdin = io::stdin().lock();
        if let Err(error) = read(stdin, line_bytes_max, |line| sender.blocking_send(line).is_ok()) {
            tracing::warn!(%error, "stdin cannot be read");
        }
    })?;
    Ok(lines)
}

/// Reads lines until the end, or until `take` does not want any more.
fn read(
    mut from: impl BufRead,
    line_bytes_max: usize,
    mut take: impl FnMut(Line) -> bool,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let piece = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            piece => piece?,
        };
        let at_end = piece.is_empty();
        let end = piece.iter().position(|byte| *byte == b'\n');
        let used = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
        too_long = too_long || line.len().saturating_add(used.len()) > line_bytes_max;
        if !too_long {
            line.extend_from_slice(used);
        }
        let taken = end.map_or(piece.len(), |end| end.saturating_add(1));
        from.consume(taken);
        if end.is_none() && !at_end {
            continue;
        }
        let whole = std::mem::take(&mut line);
        let found = if std::mem::take(&mut too_long) {
            Some(Line::TooLong)
        } else {
            trimmed(whole).map(Line::Whole)
        };
        if found.is_some_and(|found| !take(found)) || at_end {
            return Ok(());
        }
    }
}

/// A line without white space around it; `None` when nothing is left.
fn trimmed(line: Vec<u8>) -> Option<Bytes> {
    let line = Bytes::from(line);
    let rest = line.slice_ref(line.trim_ascii());
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests;

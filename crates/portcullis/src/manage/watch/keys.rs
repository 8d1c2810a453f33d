//! The terminal: single keys without echo for as long as it is held so, and its size.

use std::io::{self, Read as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use crate::output;

/// Keys that wait for their reader, at most.
const KEYS_WAITING_MAX: usize = 64;
/// Columns and rows of a terminal that does not say.
const SIZE: (usize, usize) = (80, 24);

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Up,
    Down,
    Enter,
    Escape,
    Backspace,
    /// Ctrl-C or Ctrl-D.
    End,
}

/// A terminal that hands on every key; dropping it gives it back as it was.
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Raw> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        // The other screen, without a cursor.
        output::raw("\x1b[?1049h\x1b[?25l");
        Ok(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        output::raw("\x1b[?25h\x1b[?1049l");
        if tcsetattr(io::stdin(), OptionalActions::Now, &self.before).is_err() {
            output::note("the terminal could not be given back; `reset` does it");
        }
    }
}

/// Columns and rows.
pub(super) fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        Ok(_) | Err(_) => SIZE,
    }
}

/// The keys, read on a thread of its own; the channel closes at the end of stdin.
pub(super) fn read() -> io::Result<mpsc::Receiver<Key>> {
    let (sender, keys) = mpsc::channel(KEYS_WAITING_MAX);
    std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
        let mut bytes = [0; 256];
        let mut stdin = io::stdin().lock();
        while let Ok(read) = stdin.read(&mut bytes) {
            let typed = bytes.get(..read).unwrap_or_default();
            if typed.is_empty() || keys_in(typed).any(|key| sender.blocking_send(key).is_err()) {
                return;
            }
        }
    })?;
    Ok(keys)
}

/// The keys in what a terminal sent at once. Sequences that mean nothing here are left out.
pub(super) fn keys_in(bytes: &[u8]) -> impl Iterator<Item = Key> {
    let mut keys = Vec::new();
    match bytes {
        b"\x1b" => keys.push(Key::Escape),
        b"\x1b[A" | b"\x1bOA" => keys.push(Key::Up),
        b"\x1b[B" | b"\x1bOB" => keys.push(Key::Down),
        [0x1b, ..] => {}
        plain => {
            keys.extend(String::from_utf8_lossy(plain).chars().filter_map(|c| match c {
                '\r' | '\n' => Some(Key::Enter),
                '\u{8}' | '\u{7f}' => Some(Key::Backspace),
                '\u{3}' | '\u{4}' => Some(Key::End),
                c if c.is_control() => None,
                c => Some(Key::Char(c)),
            }));
        }
    }
    keys.into_iter()
}

//! What is known of one server since the process started: how it was, and what its program said beside the protocol.
//! Kept in memory and bounded, for the people who ask why it does not work. Never here: calls, and the values of the
//! server's secrets, which are put out of every line before it is kept.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use policy::UnixMillis;
use tokio::time::Instant;

/// Lines of a program that are kept, at most.
pub const DIARY_LINES_MAX: usize = 500;
/// Bytes of all kept lines together, at most.
pub const DIARY_BYTES_MAX: usize = 256 * 1024;
/// States that are kept, at most.
pub const DIARY_STATES_MAX: usize = 100;
/// Characters of why a server fails, at most.
const WHY_CHARS_MAX: usize = 500;

/// A line that a program wrote to its error output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiaryLine {
    /// When it was read.
    pub at: UnixMillis,
    /// The line, with the names of secrets in the places of their values. Whoever shows it must know that it is text of
    /// somebody else.
    pub text: String,
    /// How many lines before it were left out because they came too fast.
    pub left_out: u64,
}

/// How a server was from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiaryState {
    /// Since when.
    pub since: UnixMillis,
    /// When that was seen last.
    pub last: UnixMillis,
    /// What it was.
    pub kind: DiaryKind,
}

/// What a server was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiaryKind {
    /// It lists its tools: so many.
    Up {
        /// How many.
        tools: usize,
    },
    /// It does not list its tools.
    Failing {
        /// Why.
        why: String,
    },
    /// Its program ended.
    Ended {
        /// With which status, as the system says it.
        status: String,
    },
}

/// The diary of one server as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiaryPage {
    /// The kept lines, oldest first.
    pub lines: Vec<DiaryLine>,
    /// How many lines were there before them.
    pub dropped: u64,
    /// The kept states, oldest first.
    pub states: Vec<DiaryState>,
}

impl DiaryPage {
    /// Since when and why the server fails now, if it does.
    pub fn failing(&self) -> Option<(UnixMillis, &str)> {
        failing(self.states.iter().rev())
    }
}

/// Since when and why a server fails that was so, the newest first. That its program ended says nothing: it may be
/// started again.
fn failing<'s>(
    newest_first: impl Iterator<Item = &'s DiaryState>,
) -> Option<(UnixMillis, &'s str)> {
    let mut asked = newest_first.filter_map(|state| match &state.kind {
        DiaryKind::Up { .. } => Some(None),
        DiaryKind::Failing { why } => Some(Some((state.since, why.as_str()))),
        DiaryKind::Ended { .. } => None,
    });
    asked.next().flatten()
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<DiaryLine>,
    bytes: usize,
    dropped: u64,
    states: VecDeque<DiaryState>,
}

/// The diary of one server.
#[derive(Debug)]
pub(crate) struct Diary {
    began: (UnixMillis, Instant),
    kept: Mutex<Kept>,
}

impl Diary {
    /// A diary that begins at `now`; its times go on from there at the pace of the machine.
    pub(crate) fn new(now: UnixMillis) -> Self {
        Self { began: (now, Instant::now()), kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> UnixMillis {
        let (began, instant) = self.began;
        let passed = i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
        UnixMillis(began.0.saturating_add(passed))
    }

    /// Keeps a line; `left_out` were not kept before it.
    pub(crate) fn line(&self, text: String, left_out: u64) {
        let at = self.now();
        let mut kept = self.kept();
        kept.bytes = kept.bytes.saturating_add(text.len());
        kept.lines.push_back(DiaryLine { at, text, left_out });
        while kept.lines.len() > DIARY_LINES_MAX || kept.bytes > DIARY_BYTES_MAX {
            let Some(gone) = kept.lines.pop_front() else { return };
            kept.bytes = kept.bytes.saturating_sub(gone.text.len());
            kept.dropped = kept.dropped.saturating_add(gone.left_out).saturating_add(1);
        }
    }

    /// The server listed so many tools.
    pub(crate) fn up(&self, tools: usize) {
        self.state(DiaryKind::Up { tools });
    }

    /// The server did not list its tools.
    pub(crate) fn failing(&self, why: &str) {
        self.state(DiaryKind::Failing { why: why.chars().take(WHY_CHARS_MAX).collect() });
    }

    /// The server's program ended.
    pub(crate) fn ended(&self, status: String) {
        self.state(DiaryKind::Ended { status });
    }

    /// One state goes on for as long as it is seen again.
    fn state(&self, kind: DiaryKind) {
        let now = self.now();
        let mut kept = self.kept();
        match kept.states.back_mut() {
            Some(last) if last.kind == kind && !matches!(kind, DiaryKind::Ended { .. }) => {
                last.last = now;
            }
            Some(_) | None => {
                kept.states.push_back(DiaryState { since: now, last: now, kind });
                if kept.states.len() > DIARY_STATES_MAX {
                    kept.states.pop_front();
                }
            }
        }
    }

    /// Why the server fails now, if it does.
    pub(crate) fn failing_now(&self) -> Option<String> {
        failing(self.kept().states.iter().rev()).map(|(_, why)| why.to_owned())
    }

    /// What it says now.
    pub(crate) fn page(&self) -> DiaryPage {
        let kept = self.kept();
        DiaryPage {
            lines: kept.lines.iter().cloned().collect(),
            dropped: kept.dropped,
            states: kept.states.iter().cloned().collect(),
        }
    }
}

/// Values that are put out of text, with the names that stand in their places.
#[derive(Clone, Default)]
pub(crate) struct Blots(Vec<(String, String)>);

impl std::fmt::Debug for Blots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blots").field("values", &self.0.len()).finish()
    }
}

/// Characters of a value that is put out, at least: a shorter one is no secret, and stands in any text.
const BLOT_CHARS_MIN: usize = 6;
/// Bytes of the beginning of a value that is put out at a cut end, at least.
const CUT_BYTES_MIN: usize = 3;
/// Variables whose values say where things are and no secret.
const PLAIN_VARIABLES: [&str; 7] = ["PATH", "HOME", "LANG", "TZ", "USER", "NODE_ENV", "TMPDIR"];

impl Blots {
    /// The values of a program's variables; one of several lines is put out line by line.
    pub(crate) fn of(env: &[(String, String)]) -> Self {
        let named = env.iter().filter(|(name, _)| !PLAIN_VARIABLES.contains(&name.as_str()));
        let lines = named.flat_map(|(name, value)| {
            let lines = value.lines().map(str::trim);
            lines.map(|line| (line.to_owned(), format!("[{name}]"))).collect::<Vec<_>>()
        });
        let mut values: Vec<(String, String)> =
            lines.filter(|(line, _)| line.chars().count() >= BLOT_CHARS_MIN).collect();
        // A value that holds another one goes first.
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// The text without the values. Of text that was `cut`, the beginning of a value at its end goes as well.
    pub(crate) fn put_out(&self, text: &str, cut: Cut) -> String {
        let mut text = text.to_owned();
        for (value, name) in &self.0 {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), name);
            }
            if cut == Cut::Yes {
                let ends = value.char_indices().map(|(end, _)| end).rev();
                let mut begun =
                    ends.filter_map(|end| value.get(..end).filter(|v| v.len() >= CUT_BYTES_MIN));
                if let Some(start) = begun.find(|start| text.ends_with(start)) {
                    text.truncate(text.len().saturating_sub(start.len()));
                    text.push_str(name);
                }
            }
        }
        text
    }
}

/// Whether a text goes on behind its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does.
    Yes,
    /// It does not.
    No,
}

#[cfg(test)]
mod tests;

//! Errors and warnings with the places that a browser underlines.

use policy::{Lint, Problem};
use serde::Serialize;

/// Errors or warnings that are shown at once, at most.
pub(super) const MARKS_MAX: usize = 200;

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// `L002` and so on; errors have none.
    pub code: Option<&'static str>,
    /// JSON Pointer of the place.
    pub pointer: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Where it begins, in UTF-16 code units.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// UTF-16 code units of a piece of text.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

pub(super) fn of_problems(text: &str, problems: &[Problem]) -> Vec<Mark> {
    // Problems come in the order of the text: what lies before each is counted once.
    let (mut counted, mut before) = (0, 0);
    let marks = problems.iter().take(MARKS_MAX).map(|problem| {
        if problem.span.start < counted {
            (counted, before) = (0, 0);
        }
        before += units(text.get(counted..problem.span.start).unwrap_or(""));
        counted = problem.span.start;
        let start = before;
        let length = units(text.get(problem.span.clone()).unwrap_or(""));
        Mark {
            code: None,
            pointer: problem.pointer.clone(),
            line: problem.line,
            column: problem.column,
            start,
            end: start + length.max(1),
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    });
    marks.collect()
}

/// Warnings have no end of their own: they reach to the end of the word or bracket at which they begin.
pub(super) fn of_lints(text: &str, lints: &[Lint]) -> Vec<Mark> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut units_before = Vec::with_capacity(lines.len());
    let mut total = 0;
    for line in &lines {
        units_before.push(total);
        total += units(line);
    }
    let marks = lints.iter().take(MARKS_MAX).map(|lint| {
        let index = usize::try_from(lint.line).unwrap_or(usize::MAX).saturating_sub(1);
        let column = usize::try_from(lint.column).unwrap_or(usize::MAX).saturating_sub(1);
        let line = lines.get(index).copied().unwrap_or("");
        let before: usize = line.chars().take(column).map(char::len_utf16).sum();
        let start = units_before.get(index).copied().unwrap_or(total) + before;
        let rest: String = line.chars().skip(column).take(WORD_CHARS_MAX).collect();
        Mark {
            code: Some(lint.code),
            pointer: lint.pointer.clone(),
            line: lint.line,
            column: lint.column,
            start,
            end: start + units(word(&rest)).max(1),
            message: lint.message.clone(),
            help: lint.help.clone(),
        }
    });
    marks.collect()
}

/// Characters of a line in which the end of a warning's word is looked for.
const WORD_CHARS_MAX: usize = 200;

/// A string with its quotes, or what stands before the next space or comma.
fn word(rest: &str) -> &str {
    let end = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find('"').map(|end| end + 2),
        None => rest.find([' ', ',', '\n', '\r']),
    };
    rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest).trim_end()
}

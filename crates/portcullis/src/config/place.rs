//! Where a problem stands in a file: byte spans, lines and columns, and the list in which
//! problems are collected. Never decides what a problem is.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong in a file, with the cure where one is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The bytes of the file that are meant.
    pub(crate) span: Range<usize>,
    /// What is wrong, one sentence without a full stop.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
}

/// A place in a text, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The line.
    pub(crate) line: usize,
    /// The column in characters.
    pub(crate) column: usize,
}

impl Position {
    /// The position of byte `offset` of `text`; past the end is the end.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..floor_boundary(text, offset)).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self { line, column }
    }
}

/// The greatest character boundary at or before `offset`.
fn floor_boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The problems of one file, in the order of the text, with what is needed to show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileProblems {
    /// The file as the user named it.
    pub(crate) path: PathBuf,
    /// Its text; empty when it could not be read.
    pub(crate) text: String,
    /// What is wrong in it.
    pub(crate) problems: Vec<Problem>,
}

impl FileProblems {
    /// Sorts `problems` by their place in `text`.
    pub(crate) fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        Self { path: path.to_owned(), text: text.to_owned(), problems }
    }

    /// `file:line:column: message`, one line a problem: what logs and `/readyz` say.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.problems
            .iter()
            .map(|problem| {
                let at = Position::of(&self.text, problem.span.start);
                format!("{}:{}:{}: {}", self.path.display(), at.line, at.column, problem.message)
            })
            .collect()
    }
}

/// The known word nearest to `given`, when it is near enough to be what was meant.
pub(crate) fn nearest<'w>(
    given: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    let limit = given.chars().count().div_ceil(3).max(1);
    words
        .into_iter()
        .map(|word| (distance(given, word), word))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

/// Edits (insertion, deletion, replacement) between two words, compared ignoring ASCII case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = i;
        let mut last = i + 1;
        for (cell, r) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = *cell;
            last = replaced.min(last + 1).min(diagonal + 1);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! Objects and arrays as lists of byte ranges, and what stands between their items.

use std::ops::Range;

use jsonc_parser::ast::{Array, Object};
use jsonc_parser::common::Ranged as _;

/// An object or array in a text. An item of an object reaches from its key to the end of its value.
#[derive(Debug)]
pub(super) struct Container<'t> {
    pub text: &'t str,
    /// The opening brace or bracket.
    pub open: usize,
    /// The closing one.
    pub close: usize,
    pub items: Vec<Range<usize>>,
}

impl<'t> Container<'t> {
    pub(super) fn of_object(text: &'t str, object: &Object<'_>) -> Self {
        let items = object.properties.iter().map(|m| m.name.start()..m.value.end()).collect();
        Self { text, open: object.start(), close: object.end().saturating_sub(1), items }
    }

    pub(super) fn of_array(text: &'t str, array: &Array<'_>) -> Self {
        let items = array.elements.iter().map(|e| e.start()..e.end()).collect();
        Self { text, open: array.start(), close: array.end().saturating_sub(1), items }
    }

    /// Where the item after the one at `index` begins, or the closing brace stands.
    pub(super) fn until(&self, index: usize) -> usize {
        self.items.get(index + 1).map_or(self.close, |next| next.start)
    }

    /// What stands before, between and after the items: white space, commas and comments.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &'t str> + '_ {
        let starts = std::iter::once(self.open + 1).chain(self.items.iter().map(|item| item.end));
        let ends = self.items.iter().map(|item| item.start).chain(std::iter::once(self.close));
        starts.zip(ends).map(|(start, end)| self.text.get(start..end).unwrap_or(""))
    }

    /// Whether its parts stand on several lines.
    pub(super) fn is_broken(&self) -> bool {
        self.gaps().any(has_line_break)
    }

    /// Whether there is a comment between its items.
    pub(super) fn has_comments(&self) -> bool {
        self.gaps().any(|gap| gap.contains('/'))
    }

    /// The comma that follows an item.
    pub(super) fn comma_after(&self, index: usize) -> Option<usize> {
        let item = self.items.get(index)?;
        let until = self.until(index);
        trivia(self.text, item.end, until).find_map(|(part, range)| match part {
            Trivia::Other => Some(range.start),
            Trivia::Space | Trivia::Line | Trivia::Block => None,
        })
    }
}

/// Line breaks as comments end at them.
pub(super) fn has_line_break(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// A piece of what stands between items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trivia {
    Space,
    /// A `//` comment, without its line break.
    Line,
    /// A `/* */` comment.
    Block,
    /// One byte of anything else: a comma.
    Other,
}

/// The pieces of the text from `at` to `until`.
pub(super) fn trivia(
    text: &str,
    mut at: usize,
    until: usize,
) -> impl Iterator<Item = (Trivia, Range<usize>)> {
    std::iter::from_fn(move || {
        let rest = text.get(at..until)?;
        let first = rest.bytes().next()?;
        let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        let (part, length) = if rest.starts_with("//") {
            (Trivia::Line, rest.find(['\n', '\r']).unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            // `/*/` does not end itself.
            let end = rest.get(2..).and_then(|body| body.find("*/"));
            (Trivia::Block, end.map_or(rest.len(), |end| end + 4))
        } else if space(char::from(first)) {
            (Trivia::Space, rest.find(|c| !space(c)).unwrap_or(rest.len()))
        } else {
            (Trivia::Other, 1)
        };
        let range = at..at + length.max(1);
        at = range.end;
        Some((part, range))
    })
}

/// Where the comments end that stand on the same line right after `at`: the place for a new line. `at` itself
/// where something else follows on the line.
pub(super) fn end_of_line_comments(text: &str, at: usize, until: usize) -> usize {
    let mut end = at;
    for (part, range) in trivia(text, at, until) {
        let piece = text.get(range.clone()).unwrap_or("");
        match part {
            Trivia::Line => return range.end,
            Trivia::Space if has_line_break(piece) => return end,
            Trivia::Space => {}
            Trivia::Block if has_line_break(piece) => return at,
            Trivia::Block => end = range.end,
            Trivia::Other => return at,
        }
    }
    // Nothing but comments up to the next item or brace: it stays behind them.
    if text.get(end..until).is_some_and(has_line_break) { end } else { at }
}

/// The byte offset at which the line begins that holds `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or("");
    before.rfind(['\n', '\r']).map_or(0, |found| found + 1)
}

/// The white space at the beginning of the line that holds `at`.
pub(super) fn indent_of_line(text: &str, at: usize) -> &str {
    let line = text.get(line_start(text, at)..at).unwrap_or("");
    let length = line.find(|c| !matches!(c, ' ' | '\t')).unwrap_or(line.len());
    line.get(..length).unwrap_or("")
}

/// The white space before `at` if nothing else stands before it on its line.
pub(super) fn own_line_indent(text: &str, at: usize) -> Option<&str> {
    let line = text.get(line_start(text, at)..at)?;
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t')).then_some(line)
}

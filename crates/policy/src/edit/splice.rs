//! Replacements of byte ranges of a text. Bytes outside of them are never touched.

use std::ops::Range;

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Bytes of the text before.
    pub range: Range<usize>,
    /// What stands in their place.
    pub text: String,
}

impl Splice {
    pub(super) fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }

    pub(super) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::new(at..at, text)
    }

    pub(super) fn delete(range: Range<usize>) -> Self {
        Self::new(range, "")
    }

    /// What makes `after` of `before`: one replacement between the longest equal beginnings and ends.
    pub fn between(before: &str, after: &str) -> Self {
        let same = |(left, right): &(char, char)| left == right;
        let head: usize =
            before.chars().zip(after.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
        let (rest_before, rest_after) =
            (before.get(head..).unwrap_or(""), after.get(head..).unwrap_or(""));
        let pairs = rest_before.chars().rev().zip(rest_after.chars().rev());
        let tail: usize = pairs.take_while(same).map(|(c, _)| c.len_utf8()).sum();
        let text = rest_after.get(..rest_after.len() - tail).unwrap_or("").to_owned();
        Self { range: head..before.len() - tail, text }
    }

    /// Applies it; `None` where the range is no part of the text.
    pub fn apply(&self, text: &str) -> Option<String> {
        let (head, tail) = (text.get(..self.range.start)?, text.get(self.range.end..)?);
        text.get(self.range.clone())?;
        Some([head, &self.text, tail].concat())
    }
}

/// Applies several at once. Deletions may overlap; `None` where anything else does, or is no part of the text.
pub(super) fn apply_all(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for splice in splices {
        let start = if splice.range.start < at {
            if !splice.text.is_empty() {
                return None;
            }
            at
        } else {
            splice.range.start
        };
        out.push_str(text.get(at..start)?);
        out.push_str(&splice.text);
        at = at.max(splice.range.end);
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

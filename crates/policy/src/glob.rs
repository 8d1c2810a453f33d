//! Globs over names and URIs: `*` matches any run of characters, also none; everything else is literal.

#[cfg(test)]
mod tests;

/// A compiled glob (POLICY section 2). The whole name must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// What stands before the first `*`.
    head: Box<str>,
    /// The literals between stars, none empty.
    middle: Box<[Box<str>]>,
    /// What stands after the last `*`; `None` when there is no `*` at all.
    tail: Option<Box<str>>,
    /// Characters other than `*`.
    literal_chars: usize,
}

impl Glob {
    /// Compiles `text`. Every text is a glob; without `*` it matches itself only.
    pub fn new(text: &str) -> Self {
        let literal_chars = text.chars().filter(|c| *c != '*').count();
        let mut parts = text.split('*');
        let head: Box<str> = parts.next().unwrap_or("").into();
        let mut rest: Vec<Box<str>> = parts.map(Box::from).collect();
        let tail = rest.pop();
        rest.retain(|part| !part.is_empty());
        Self { head, middle: rest.into_boxed_slice(), tail, literal_chars }
    }

    /// True if the whole of `name` matches. Linear in `name` for each literal, no backtracking.
    pub fn matches(&self, name: &str) -> bool {
        let Some(tail) = &self.tail else { return *self.head == *name };
        let Some(rest) = name.strip_prefix(&*self.head) else { return false };
        let Some(mut rest) = rest.strip_suffix(&**tail) else { return false };
        for part in &self.middle {
            match rest.split_once(&**part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        true
    }

    /// Characters other than `*`: more of them come first in reports.
    pub fn literal_chars(&self) -> usize {
        self.literal_chars
    }
}

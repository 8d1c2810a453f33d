//! A JSON value as one flat arena: parsed strictly, borrowed from its text, walked without allocation.
//!
//! Nothing here knows of policies. Numbers stay text: their meaning is in [`crate::Decimal`].

mod build;
mod parse;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;

pub use build::ValueBuilder;

/// Deepest nesting that [`Value::parse`] and [`ValueBuilder`] accept; a scalar has depth 0. It bounds memory, not
/// the stack: nothing that walks a value of unknown depth recurses. The wire has a much smaller bound of its own.
pub(crate) const JSON_DEPTH_MAX: usize = 1 << 20;

/// The six kinds of JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item<'a> {
    Null,
    Bool(bool),
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    /// How many elements follow.
    Array(u32),
    /// How many members follow, each a `Key` and a value.
    Object(u32),
    Key(Cow<'a, str>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell<'a> {
    item: Item<'a>,
    /// Index just past this value's last cell.
    end: u32,
}

/// One JSON value. Invariants: no object has a key twice, nesting is bounded, numbers are JSON numbers.
#[derive(Debug, Clone)]
pub struct Value<'a> {
    cells: Vec<Cell<'a>>,
}

/// Why a text is not one strict JSON value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON at this byte.
    #[error("not JSON at byte {at}: {expected}")]
    Syntax {
        /// Byte offset from 0.
        at: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// An object holds a key twice.
    #[error("the key `{key}` stands twice in one object")]
    DuplicateKey {
        /// The key, decoded.
        key: String,
    },
    /// A string holds half of a surrogate pair.
    #[error("lone surrogate at byte {at}")]
    LoneSurrogate {
        /// Byte offset from 0 of the escape.
        at: usize,
    },
    /// The value is nested deeper than 2^20.
    #[error("nested deeper than {JSON_DEPTH_MAX}")]
    TooDeep,
    /// The text is longer than 2^32 − 1 bytes.
    #[error("too long")]
    TooLong,
}

/// Why the calls on a [`ValueBuilder`] do not make one value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Not exactly one value, a key without value, an end without begin, or the like.
    #[error("the parts do not make one value")]
    Unbalanced,
    /// An object holds a key twice.
    #[error("the key `{key}` stands twice in one object")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// The value is nested deeper than 2^20.
    #[error("nested deeper than {JSON_DEPTH_MAX}")]
    TooDeep,
    /// A number is not written as JSON writes numbers.
    #[error("`{text}` is no JSON number")]
    BadNumber {
        /// The text that is no number.
        text: String,
    },
    /// More than 2^32 − 1 parts.
    #[error("too long")]
    TooLong,
}

impl<'a> Value<'a> {
    /// Parses exactly one JSON value (RFC 8259). White space around it is allowed; a duplicate key at any
    /// depth, a lone surrogate, and nesting beyond 2^20 are errors.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        parse::parse(text)
    }

    /// The empty object.
    pub fn object() -> Value<'static> {
        Value { cells: vec![Cell { item: Item::Object(0), end: 1 }] }
    }

    /// Starts a value that is built from parts instead of text.
    pub fn builder() -> ValueBuilder<'a> {
        ValueBuilder::default()
    }

    /// The whole value.
    pub fn root(&self) -> Node<'_> {
        Node { cells: &self.cells, at: 0 }
    }

    /// The same value, independent of its text.
    pub fn into_owned(self) -> Value<'static> {
        let owned = |cell: Cell<'a>| Cell { item: cell.item.into_owned(), end: cell.end };
        Value { cells: self.cells.into_iter().map(owned).collect() }
    }
}

impl Item<'_> {
    fn into_owned(self) -> Item<'static> {
        match self {
            Self::Null => Item::Null,
            Self::Bool(value) => Item::Bool(value),
            Self::Number(text) => Item::Number(Cow::Owned(text.into_owned())),
            Self::String(text) => Item::String(Cow::Owned(text.into_owned())),
            Self::Array(len) => Item::Array(len),
            Self::Object(len) => Item::Object(len),
            Self::Key(text) => Item::Key(Cow::Owned(text.into_owned())),
        }
    }
}

/// A borrowed view of one value inside a [`Value`]; as cheap to copy as a reference.
#[derive(Debug, Clone, Copy)]
pub struct Node<'v> {
    cells: &'v [Cell<'v>],
    at: u32,
}

/// Cell `at`; the invariants of [`Value`] make a miss impossible.
fn cell<'v>(cells: &'v [Cell<'v>], at: u32) -> Option<&'v Cell<'v>> {
    cells.get(usize::try_from(at).ok()?)
}

impl<'v> Node<'v> {
    fn item(self) -> &'v Item<'v> {
        cell(self.cells, self.at).map_or(&Item::Null, |cell| &cell.item)
    }

    /// Which of the six kinds this is.
    pub fn kind(self) -> JsonKind {
        match self.item() {
            Item::Null => JsonKind::Null,
            Item::Bool(_) => JsonKind::Bool,
            Item::Number(_) => JsonKind::Number,
            // A key cell is never a node's own; reading it as the string it is keeps this total.
            Item::String(_) | Item::Key(_) => JsonKind::String,
            Item::Array(_) => JsonKind::Array,
            Item::Object(_) => JsonKind::Object,
        }
    }

    /// The string, decoded, if this is one.
    pub fn as_str(self) -> Option<&'v str> {
        if let Item::String(text) = self.item() { Some(text) } else { None }
    }

    /// The boolean, if this is one.
    pub fn as_bool(self) -> Option<bool> {
        if let Item::Bool(value) = self.item() { Some(*value) } else { None }
    }

    /// The number as it is written, if this is one.
    pub fn number_text(self) -> Option<&'v str> {
        if let Item::Number(text) = self.item() { Some(text) } else { None }
    }

    /// Elements of an array or members of an object; 0 for anything else.
    pub fn len(self) -> usize {
        if let Item::Array(len) | Item::Object(len) = self.item() {
            usize::try_from(*len).unwrap_or(usize::MAX)
        } else {
            0
        }
    }

    /// True if [`Node::len`] is 0.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The members of an object in their order; nothing for anything else.
    pub fn members(self) -> Members<'v> {
        let left = if let Item::Object(len) = self.item() { *len } else { 0 };
        Members { cells: self.cells, next: self.at + 1, left }
    }

    /// The elements of an array in their order; nothing for anything else.
    pub fn elements(self) -> Elements<'v> {
        let left = if let Item::Array(len) = self.item() { *len } else { 0 };
        Elements { cells: self.cells, next: self.at + 1, left }
    }

    /// This value alone, independent of the whole.
    pub(crate) fn to_value(self) -> Value<'static> {
        let end = cell(self.cells, self.at).map_or(self.at, |cell| cell.end);
        let range = usize::try_from(self.at).ok().zip(usize::try_from(end).ok());
        let cells = range.and_then(|(at, end)| self.cells.get(at..end)).unwrap_or_default();
        let owned = |cell: &Cell<'v>| Cell {
            item: cell.item.clone().into_owned(),
            end: cell.end.saturating_sub(self.at),
        };
        Value { cells: cells.iter().map(owned).collect() }
    }

    /// True if arrays and objects are nested deeper than `depth` in this value; one alone has depth 1.
    pub(crate) fn is_deeper_than(self, depth: usize) -> bool {
        let mut ends: Vec<u32> = Vec::new();
        let whole_end = cell(self.cells, self.at).map_or(0, |cell| cell.end);
        for at in self.at..whole_end {
            while ends.last().is_some_and(|end| *end <= at) {
                ends.pop();
            }
            let Some(Cell { item: Item::Array(_) | Item::Object(_), end }) = cell(self.cells, at)
            else {
                continue;
            };
            ends.push(*end);
            if ends.len() > depth {
                return true;
            }
        }
        false
    }

    /// Every number in this value, at any depth, as it is written.
    pub(crate) fn numbers(self) -> impl Iterator<Item = &'v str> {
        let from = usize::try_from(self.at).unwrap_or(usize::MAX);
        let end = cell(self.cells, self.at).map_or(0, |cell| cell.end);
        let end = usize::try_from(end).unwrap_or(0);
        self.cells.get(from..end).unwrap_or_default().iter().filter_map(|cell| {
            if let Item::Number(text) = &cell.item { Some(&**text) } else { None }
        })
    }

    /// The member with exactly this key.
    pub fn get(self, key: &str) -> Option<Node<'v>> {
        self.members().find(|(name, _)| *name == key).map(|(_, node)| node)
    }
}

/// The members of an object; see [`Node::members`].
#[derive(Debug, Clone)]
pub struct Members<'v> {
    cells: &'v [Cell<'v>],
    next: u32,
    left: u32,
}

impl<'v> Iterator for Members<'v> {
    type Item = (&'v str, Node<'v>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let Item::Key(key) = &cell(self.cells, self.next)?.item else { return None };
        let node = Node { cells: self.cells, at: self.next + 1 };
        self.next = cell(self.cells, node.at)?.end;
        Some((key, node))
    }
}

/// The elements of an array; see [`Node::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'v> {
    cells: &'v [Cell<'v>],
    next: u32,
    left: u32,
}

impl<'v> Iterator for Elements<'v> {
    type Item = Node<'v>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let node = Node { cells: self.cells, at: self.next };
        self.next = cell(self.cells, node.at)?.end;
        Some(node)
    }
}

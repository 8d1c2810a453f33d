//! The tape: what the strict pass found, as a flat list of byte ranges, and the views that read it. Never scans.

use std::borrow::Cow;

/// What a tape entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    True,
    False,
    Number,
    String,
    Key,
    Object,
    Array,
}

/// One value or key. Entries stand in document order; a key stands right before its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// First byte; for strings and keys the byte after the opening quote.
    pub(crate) start: u32,
    /// One past the last byte; for strings and keys the closing quote.
    pub(crate) end: u32,
    /// Index of the entry after this one and everything below it. While a container is open: its parent's index.
    pub(crate) next: u32,
    /// Members of an object, elements of an array; 0 otherwise.
    pub(crate) count: u32,
    pub(crate) tag: Tag,
    /// Whether a string or key holds a backslash.
    pub(crate) escaped: bool,
}

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, kept as its text.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One JSON value of a message that was scanned: a borrowed view, cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    bytes: &'a [u8],
    tape: &'a [Entry],
    at: u32,
}

impl<'a> Node<'a> {
    pub(crate) const fn new(bytes: &'a [u8], tape: &'a [Entry], at: u32) -> Self {
        Self { bytes, tape, at }
    }

    pub(crate) const fn index(self) -> u32 {
        self.at
    }

    pub(crate) fn entry(self) -> Option<&'a Entry> {
        self.tape.get(self.at as usize)
    }

    /// The entries of this value and everything below it.
    pub(crate) fn entries(self) -> &'a [Entry] {
        let end = self.entry().map_or(0, |entry| entry.next);
        self.tape.get(self.at as usize..end as usize).unwrap_or_default()
    }

    /// Byte range of the value in its message, quotes included.
    pub(crate) fn span(self) -> core::ops::Range<usize> {
        self.entry().map_or(0..0, Entry::span)
    }

    /// What the value is.
    pub fn kind(self) -> NodeKind {
        match self.entry().map_or(Tag::Null, |entry| entry.tag) {
            Tag::Null => NodeKind::Null,
            Tag::True | Tag::False => NodeKind::Bool,
            Tag::Number => NodeKind::Number,
            Tag::String | Tag::Key => NodeKind::String,
            Tag::Object => NodeKind::Object,
            Tag::Array => NodeKind::Array,
        }
    }

    /// The value's JSON text, byte for byte.
    pub fn raw(self) -> &'a [u8] {
        self.bytes.get(self.span()).unwrap_or_default()
    }

    /// The value's JSON text.
    pub fn raw_str(self) -> &'a str {
        text_of(self.raw())
    }

    /// The meaning of a string, unescaped where needed; `None` for other kinds and for a string with a lone surrogate.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let entry = self.entry()?;
        (entry.tag == Tag::String).then(|| entry.text(self.bytes))?
    }

    /// Whether the value is a string that means `text`.
    pub fn is_str(self, text: &str) -> bool {
        self.entry().is_some_and(|entry| entry.tag == Tag::String && entry.is(self.bytes, text))
    }

    /// The value of `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.entry()?.tag {
            Tag::True => Some(true),
            Tag::False => Some(false),
            Tag::Null | Tag::Number | Tag::String | Tag::Key | Tag::Object | Tag::Array => None,
        }
    }

    /// Number of members of an object or of elements of an array; 0 for other kinds.
    pub fn len(self) -> usize {
        self.entry().map_or(0, |entry| entry.count as usize)
    }

    /// Whether [`Node::len`] is 0.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The members of an object in the order of the message: keys as entries that [`Key`] reads. Empty for other kinds.
    pub fn members(self) -> Members<'a> {
        let object = self.entry().filter(|entry| entry.tag == Tag::Object);
        Members {
            bytes: self.bytes,
            tape: self.tape,
            at: self.at.saturating_add(1),
            end: object.map_or(0, |entry| entry.next),
        }
    }

    /// The elements of an array in order. Empty for other kinds.
    pub fn elements(self) -> Elements<'a> {
        let array = self.entry().filter(|entry| entry.tag == Tag::Array);
        Elements {
            bytes: self.bytes,
            tape: self.tape,
            at: self.at.saturating_add(1),
            end: array.map_or(0, |entry| entry.next),
        }
    }

    /// The first member of this name (compared after unescaping).
    pub fn get(self, name: &str) -> Option<Self> {
        self.members().find(|(key, _)| key.is(name)).map(|(_, value)| value)
    }

    /// Walks objects by member names.
    pub fn at_path(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }
}

impl Entry {
    /// Byte range, quotes included.
    pub(crate) fn span(&self) -> core::ops::Range<usize> {
        let (start, end) = (self.start as usize, self.end as usize);
        match self.tag {
            Tag::String | Tag::Key => start.saturating_sub(1)..end.saturating_add(1),
            Tag::Null | Tag::True | Tag::False | Tag::Number | Tag::Object | Tag::Array => {
                start..end
            }
        }
    }

    /// The bytes between the quotes of a string or key.
    pub(crate) fn inner<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The meaning of a string or key; `None` when it holds a lone surrogate.
    pub(crate) fn text<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        let text = simdutf8::basic::from_utf8(self.inner(bytes)).ok()?;
        if self.escaped {
            crate::scan::unescape(text).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(text))
        }
    }

    /// The bytes that a string or key means; those of a lone surrogate stay escaped.
    pub(crate) fn meaning<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let plain = self.inner(bytes);
        match self.escaped.then(|| self.text(bytes)).flatten() {
            Some(text) => Cow::Owned(text.into_owned().into_bytes()),
            None => Cow::Borrowed(plain),
        }
    }

    /// Whether a string or key means `name`.
    pub(crate) fn is(&self, bytes: &[u8], name: &str) -> bool {
        if self.escaped {
            self.text(bytes).is_some_and(|text| text == name)
        } else {
            self.inner(bytes) == name.as_bytes()
        }
    }
}

/// The text of bytes that lie in a scanned message: always UTF-8 there.
pub(crate) fn text_of(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).unwrap_or_default()
}

/// A member's name.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    bytes: &'a [u8],
    entry: &'a Entry,
}

impl<'a> Key<'a> {
    /// The name, unescaped where needed; `None` when it holds a lone surrogate.
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.entry.text(self.bytes)
    }

    /// Whether the name means `name`.
    pub fn is(self, name: &str) -> bool {
        self.entry.is(self.bytes, name)
    }

    pub(crate) const fn entry(self) -> &'a Entry {
        self.entry
    }

    /// The bytes of the name, unescaped where needed.
    pub(crate) fn meaning(self) -> Cow<'a, [u8]> {
        self.entry.meaning(self.bytes)
    }
}

/// Iterator over the members of an object.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    bytes: &'a [u8],
    tape: &'a [Entry],
    at: u32,
    end: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Key<'a>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let entry = self.tape.get(self.at as usize)?;
        let value = self.at.checked_add(1)?;
        self.at = self.tape.get(value as usize)?.next;
        Some((Key { bytes: self.bytes, entry }, Node::new(self.bytes, self.tape, value)))
    }
}

/// Iterator over the elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    tape: &'a [Entry],
    at: u32,
    end: u32,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        if self.at >= self.end {
            return None;
        }
        let node = Node::new(self.bytes, self.tape, self.at);
        self.at = node.entry()?.next;
        Some(node)
    }
}

/// One token of a JSON value, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was spelled.
    Number(&'a str),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// `{`.
    BeginObject,
    /// A member's name, unescaped; its value follows.
    Key(Cow<'a, str>),
    /// `}`.
    EndObject,
    /// `[`.
    BeginArray,
    /// `]`.
    EndArray,
}

/// Iterator over the tokens of a value.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    base: u32,
    entries: &'a [Entry],
    at: usize,
    /// Open containers: index one past their subtree, and which end token they get.
    open: smallvec::SmallVec<[(u32, Tag); 8]>,
    origin: u32,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(node: Node<'a>) -> Self {
        Self {
            text: node.raw_str(),
            base: u32::try_from(node.span().start).unwrap_or(u32::MAX),
            entries: node.entries(),
            at: 0,
            open: smallvec::SmallVec::new(),
            origin: node.index(),
        }
    }

    fn slice(&self, entry: &Entry) -> &'a str {
        let (start, end) =
            (entry.start.saturating_sub(self.base), entry.end.saturating_sub(self.base));
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    fn string(&self, entry: &Entry) -> Cow<'a, str> {
        let raw = self.slice(entry);
        match entry.escaped.then(|| crate::scan::unescape(raw)) {
            Some(text) => Cow::Owned(text.unwrap_or_default()),
            None => Cow::Borrowed(raw),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let here = u32::try_from(self.at).ok()?.checked_add(self.origin)?;
        if let Some((_, tag)) = self.open.last().copied().filter(|(end, _)| *end <= here) {
            self.open.truncate(self.open.len().saturating_sub(1));
            return Some(if tag == Tag::Object { Token::EndObject } else { Token::EndArray });
        }
        let entry = self.entries.get(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(match entry.tag {
            Tag::Null => Token::Null,
            Tag::True => Token::Bool(true),
            Tag::False => Token::Bool(false),
            Tag::Number => Token::Number(self.slice(entry)),
            Tag::String => Token::String(self.string(entry)),
            Tag::Key => Token::Key(self.string(entry)),
            Tag::Object => {
                self.open.push((entry.next, Tag::Object));
                Token::BeginObject
            }
            Tag::Array => {
                self.open.push((entry.next, Tag::Array));
                Token::BeginArray
            }
        })
    }
}

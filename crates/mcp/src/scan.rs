//! The one pass over JSON bytes: grammar, bounds, duplicate keys, numbers, surrogates; leaves a tape. Never knows what MCP is.
//!
//! No recursion: open containers are a bit each in one 128-bit word, and their parents stand in the tape itself.

mod keys;
mod number;
mod string;

#[cfg(test)]
mod tests;

use core::fmt;

pub(crate) use keys::case_twins;
pub(crate) use string::unescape;

use crate::tape::{Entry, Tag};

/// Most bytes of a text: offsets are 32 bits wide.
const TEXT_BYTES_MAX: usize = u32::MAX as usize - 1;
/// Hard bound on nesting: one bit for each open container.
const NESTING_MAX: u32 = 128;

/// How much of JSON is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A client's message: no duplicate keys, no lone surrogates, numbers that a double holds.
    Contract,
    /// A server's message: any valid JSON.
    Grammar,
}

/// What a pass accepts and records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) strictness: Strictness,
    pub(crate) depth_max: u32,
    pub(crate) elements_max: u32,
    /// Values inside fewer than this many containers are recorded.
    pub(crate) record_depth: u32,
}

impl Rules {
    /// A client's message under the parser contract.
    pub(crate) const fn contract(depth_max: u32, elements_max: u32) -> Self {
        Self {
            strictness: Strictness::Contract,
            depth_max,
            elements_max,
            record_depth: NESTING_MAX,
        }
    }

    /// A server's message, recorded down to `record_depth`.
    pub(crate) const fn reply(record_depth: u32) -> Self {
        Self {
            strictness: Strictness::Grammar,
            depth_max: crate::admit::REPLY_DEPTH_MAX,
            elements_max: u32::MAX,
            record_depth,
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Empty,
    ByteOrderMark,
    NotUtf8,
    TooLong,
    Expected(&'static str),
    ControlInString,
    BadEscape,
    BadNumber,
    Trailing,
    TooDeep(u32),
    TooMany(u32),
    DuplicateKey,
    LoneSurrogate,
    NumberRange,
}

/// A fault and the byte where it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FaultKind::Empty => return f.write_str("nothing but white space"),
            FaultKind::ByteOrderMark => return f.write_str("a byte order mark before the text"),
            FaultKind::NotUtf8 => return f.write_str("not UTF-8"),
            FaultKind::TooLong => return f.write_str("too long"),
            FaultKind::Expected(what) => return write!(f, "expected {what} at byte {}", self.at),
            FaultKind::TooDeep(max) => {
                return write!(f, "nested deeper than {max} levels at byte {}", self.at);
            }
            FaultKind::TooMany(max) => {
                return write!(f, "more than {max} elements at byte {}", self.at);
            }
            FaultKind::ControlInString => "an unescaped control character in a string",
            FaultKind::BadEscape => "an invalid escape in a string",
            FaultKind::BadNumber => "an invalid number",
            FaultKind::Trailing => "something after the end of the text",
            FaultKind::DuplicateKey => "two equal keys in the object that ends",
            FaultKind::LoneSurrogate => "a lone surrogate in a string",
            FaultKind::NumberRange => "a number that a double cannot hold",
        };
        write!(f, "{what} at byte {}", self.at)
    }
}

/// Scans a whole text and returns its tape; entry 0 is the value.
pub(crate) fn scan(bytes: &[u8], rules: Rules) -> Result<Vec<Entry>, Fault> {
    let (tape, outcome) = scan_keeping(bytes, rules);
    outcome.map(|()| tape)
}

/// Like [`scan`], but hands out what was recorded even when there is a fault, so that an id can be found in it.
pub(crate) fn scan_keeping(bytes: &[u8], rules: Rules) -> (Vec<Entry>, Result<(), Fault>) {
    let mut scanner = Scanner {
        bytes,
        pos: 0,
        // Entries of calls take about six bytes of text each: one allocation is enough for most.
        tape: Vec::with_capacity((bytes.len() / 4).clamp(8, 1024)),
        rules,
        depth: 0,
        objects: 0,
        open: u32::MAX,
        elements: 0,
    };
    let outcome = scanner.whole();
    (scanner.tape, outcome)
}

/// What the grammar wants next.
#[derive(Clone, Copy)]
enum Expect {
    Value,
    Key,
    /// A comma or the end of the container.
    After,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    pos: usize,
    tape: Vec<Entry>,
    rules: Rules,
    /// Open containers.
    depth: u32,
    /// Whether each open container is an object, the innermost in the lowest bit.
    objects: u128,
    /// Tape index of the innermost recorded open container; `u32::MAX` outside.
    open: u32,
    elements: u32,
}

/// A position as the tape stores it; texts are shorter than [`TEXT_BYTES_MAX`].
fn offset(pos: usize) -> u32 {
    u32::try_from(pos).unwrap_or(u32::MAX)
}

impl Scanner<'_> {
    fn fault<T>(&self, kind: FaultKind) -> Result<T, Fault> {
        Err(Fault { at: self.pos, kind })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.pos += 1;
        }
    }

    fn whole(&mut self) -> Result<(), Fault> {
        if self.bytes.len() > TEXT_BYTES_MAX {
            return self.fault(FaultKind::TooLong);
        }
        if self.bytes.starts_with(b"\xEF\xBB\xBF") {
            return self.fault(FaultKind::ByteOrderMark);
        }
        if simdutf8::basic::from_utf8(self.bytes).is_err() {
            return self.fault(FaultKind::NotUtf8);
        }
        self.space();
        if self.pos == self.bytes.len() {
            return self.fault(FaultKind::Empty);
        }
        let mut expect = Expect::Value;
        loop {
            expect = match expect {
                Expect::Value => self.value()?,
                Expect::Key => self.key()?,
                Expect::After if self.depth == 0 => break,
                Expect::After => self.after()?,
            };
        }
        self.space();
        if self.pos == self.bytes.len() { Ok(()) } else { self.fault(FaultKind::Trailing) }
    }

    fn value(&mut self) -> Result<Expect, Fault> {
        self.space();
        self.elements += 1;
        if self.elements > self.rules.elements_max {
            return self.fault(FaultKind::TooMany(self.rules.elements_max));
        }
        match self.peek() {
            Some(b'"') => self.string(Tag::String)?,
            Some(b'{') => return self.open_container(Tag::Object),
            Some(b'[') => return self.open_container(Tag::Array),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true", Tag::True)?,
            Some(b'f') => self.literal(b"false", Tag::False)?,
            Some(b'n') => self.literal(b"null", Tag::Null)?,
            Some(_) | None => return self.fault(FaultKind::Expected("a value")),
        }
        Ok(Expect::After)
    }

    fn key(&mut self) -> Result<Expect, Fault> {
        self.space();
        if self.peek() != Some(b'"') {
            return self.fault(FaultKind::Expected("a key in quotes"));
        }
        self.string(Tag::Key)?;
        self.space();
        if self.peek() != Some(b':') {
            return self.fault(FaultKind::Expected("a colon"));
        }
        self.pos += 1;
        Ok(Expect::Value)
    }

    fn after(&mut self) -> Result<Expect, Fault> {
        self.space();
        let in_object = self.objects & 1 == 1;
        match self.peek() {
            Some(b',') => {
                self.pos += 1;
                Ok(if in_object { Expect::Key } else { Expect::Value })
            }
            Some(b'}') if in_object => self.close_container(),
            Some(b']') if !in_object => self.close_container(),
            Some(_) | None => self.fault(FaultKind::Expected(if in_object {
                "a comma or }"
            } else {
                "a comma or ]"
            })),
        }
    }

    const fn recording(&self) -> bool {
        self.depth < self.rules.record_depth
    }

    fn record(&mut self, tag: Tag, span: core::ops::Range<usize>, escaped: bool) {
        if !self.recording() {
            return;
        }
        let at = offset(self.tape.len());
        // A container's `next` holds its parent until it closes.
        let next =
            if matches!(tag, Tag::Object | Tag::Array) { self.open } else { at.saturating_add(1) };
        self.tape.push(Entry {
            start: offset(span.start),
            end: offset(span.end),
            next,
            count: 0,
            tag,
            escaped,
        });
        if tag != Tag::Key
            && let Some(parent) = self.tape.get_mut(self.open as usize)
        {
            parent.count += 1;
        }
    }

    fn open_container(&mut self, tag: Tag) -> Result<Expect, Fault> {
        if self.depth >= self.rules.depth_max.min(NESTING_MAX) {
            return self.fault(FaultKind::TooDeep(self.rules.depth_max));
        }
        let at = offset(self.tape.len());
        self.record(tag, self.pos..self.pos, false);
        if self.recording() {
            self.open = at;
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(tag == Tag::Object);
        self.pos += 1;
        self.space();
        match (self.peek(), tag) {
            (Some(b'}'), Tag::Object) | (Some(b']'), Tag::Array) => self.close_container(),
            (_, Tag::Object) => Ok(Expect::Key),
            (_, _) => Ok(Expect::Value),
        }
    }

    fn close_container(&mut self) -> Result<Expect, Fault> {
        self.pos += 1;
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        if self.recording() {
            let (at, next, end) = (self.open, offset(self.tape.len()), offset(self.pos));
            if let Some(entry) = self.tape.get_mut(at as usize) {
                self.open = entry.next;
                entry.next = next;
                entry.end = end;
            }
            if self.rules.strictness == Strictness::Contract
                && keys::has_duplicate(self.bytes, &self.tape, at)
            {
                return self.fault(FaultKind::DuplicateKey);
            }
        }
        Ok(Expect::After)
    }

    fn string(&mut self, tag: Tag) -> Result<(), Fault> {
        let start = self.pos + 1;
        let found = string::scan(self.bytes, start, self.rules.strictness)?;
        self.pos = found.end + 1;
        self.record(tag, start..found.end, found.escaped);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.pos;
        let found = number::scan(self.bytes, start, self.rules.strictness)?;
        self.pos = found;
        self.record(Tag::Number, start..found, false);
        Ok(())
    }

    fn literal(&mut self, text: &[u8], tag: Tag) -> Result<(), Fault> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        if !rest.starts_with(text) {
            return self.fault(FaultKind::Expected("a value"));
        }
        let start = self.pos;
        self.pos += text.len();
        self.record(tag, start..self.pos, false);
        Ok(())
    }
}

//! Building a [`Value`] part by part, with the invariants checked as it grows. No text is read here.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{BuildError, Cell, Item, JSON_DEPTH_MAX, Value};

/// Objects of up to this many keys are searched for duplicates pairwise, larger ones by sorting.
const PAIRWISE_KEYS_MAX: usize = 8;

/// Builds a [`Value`] in document order. The first mistake is remembered and reported by
/// [`ValueBuilder::finish`]; what comes after it is ignored.
#[derive(Debug, Default)]
pub struct ValueBuilder<'a> {
    cells: Vec<Cell<'a>>,
    open: SmallVec<[Frame; 8]>,
    failed: Option<BuildError>,
}

/// A container that has begun and not ended.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Its cell.
    at: u32,
    /// Elements or members so far.
    len: u32,
    place: Place,
}

/// What may come next in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Element,
    Key,
    MemberValue,
}

impl<'a> ValueBuilder<'a> {
    /// Adds `null`.
    pub fn null(&mut self) {
        self.value(Item::Null);
    }

    /// Adds `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.value(Item::Bool(value));
    }

    /// Adds a number as it is written.
    pub fn number(&mut self, text: impl Into<Cow<'a, str>>) {
        let text = text.into();
        if is_json_number(&text) {
            self.value(Item::Number(text));
        } else {
            self.fail(BuildError::BadNumber { text: text.into_owned() });
        }
    }

    /// Adds a number whose form the caller has checked.
    pub(super) fn checked_number(&mut self, text: &'a str) {
        self.value(Item::Number(Cow::Borrowed(text)));
    }

    /// Adds a decoded string.
    pub fn string(&mut self, text: impl Into<Cow<'a, str>>) {
        self.value(Item::String(text.into()));
    }

    /// Begins an object; keys and values follow in turn.
    pub fn begin_object(&mut self) {
        self.begin(Item::Object(0), Place::Key);
    }

    /// Begins an array.
    pub fn begin_array(&mut self) {
        self.begin(Item::Array(0), Place::Element);
    }

    /// Adds a decoded key; its value follows.
    pub fn key(&mut self, key: impl Into<Cow<'a, str>>) {
        match self.open.last_mut() {
            Some(frame) if frame.place == Place::Key => {
                frame.place = Place::MemberValue;
                self.push(Item::Key(key.into()));
            }
            _ => self.fail(BuildError::Unbalanced),
        }
    }

    /// Ends the innermost object.
    pub fn end_object(&mut self) {
        match self.open.pop() {
            Some(frame) if frame.place == Place::Key => {
                self.close(frame, Item::Object(frame.len));
                if let Some(key) = duplicate_key(&self.cells, frame) {
                    self.fail(BuildError::DuplicateKey { key });
                }
            }
            _ => self.fail(BuildError::Unbalanced),
        }
    }

    /// Ends the innermost array.
    pub fn end_array(&mut self) {
        match self.open.pop() {
            Some(frame) if frame.place == Place::Element => {
                self.close(frame, Item::Array(frame.len));
            }
            _ => self.fail(BuildError::Unbalanced),
        }
    }

    /// The value, if the parts make exactly one.
    pub fn finish(self) -> Result<Value<'a>, BuildError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.open.is_empty() && !self.cells.is_empty() => {
                Ok(Value { cells: self.cells })
            }
            None => Err(BuildError::Unbalanced),
        }
    }

    /// The first mistake so far.
    pub(super) fn failed(&self) -> Option<&BuildError> {
        self.failed.as_ref()
    }

    fn begin(&mut self, item: Item<'a>, place: Place) {
        if self.open.len() == JSON_DEPTH_MAX {
            return self.fail(BuildError::TooDeep);
        }
        if let Some(at) = self.value(item) {
            self.open.push(Frame { at, len: 0, place });
        }
    }

    /// Adds a value where one may stand.
    fn value(&mut self, item: Item<'a>) -> Option<u32> {
        match self.open.last_mut() {
            None if self.cells.is_empty() => {}
            Some(frame) if frame.place == Place::Element => frame.len += 1,
            Some(frame) if frame.place == Place::MemberValue => {
                frame.len += 1;
                frame.place = Place::Key;
            }
            _ => {
                self.fail(BuildError::Unbalanced);
                return None;
            }
        }
        self.push(item)
    }

    /// Appends a cell that ends at itself; containers are corrected when they close.
    fn push(&mut self, item: Item<'a>) -> Option<u32> {
        if self.failed.is_some() {
            return None;
        }
        // Room for one more index keeps `end` in range.
        let Some(at) = u32::try_from(self.cells.len()).ok().filter(|at| *at < u32::MAX) else {
            self.fail(BuildError::TooLong);
            return None;
        };
        self.cells.push(Cell { item, end: at + 1 });
        Some(at)
    }

    fn close(&mut self, frame: Frame, item: Item<'a>) {
        let end = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        if let Some(cell) = usize::try_from(frame.at).ok().and_then(|at| self.cells.get_mut(at)) {
            *cell = Cell { item, end };
        }
    }

    fn fail(&mut self, error: BuildError) {
        self.failed.get_or_insert(error);
    }
}

/// The first key that stands twice in the object of `frame`, which has just been closed.
fn duplicate_key(cells: &[Cell<'_>], frame: Frame) -> Option<String> {
    let mut keys: SmallVec<[&str; PAIRWISE_KEYS_MAX]> = SmallVec::new();
    let mut at = usize::try_from(frame.at).ok()? + 1;
    for _ in 0..frame.len {
        let Item::Key(key) = &cells.get(at)?.item else { return None };
        keys.push(key);
        at = usize::try_from(cells.get(at + 1)?.end).ok()?;
    }
    if keys.len() <= PAIRWISE_KEYS_MAX {
        let twice = |(n, key): (usize, &&str)| keys.iter().take(n).any(|earlier| earlier == key);
        return keys.iter().enumerate().find(|pair| twice(*pair)).map(|(_, key)| (*key).to_owned());
    }
    keys.sort_unstable();
    keys.windows(2).find_map(|pair| match pair {
        [left, right] if left == right => Some((*left).to_owned()),
        _ => None,
    })
}

/// True if `text` is a number as RFC 8259 writes them.
pub(super) fn is_json_number(text: &str) -> bool {
    let (_, rest) = split_number(text.as_bytes());
    !text.is_empty() && rest.is_some_and(<[u8]>::is_empty)
}

/// How many bytes of a number stand at the start of `bytes`, and what follows; `None` if there is no number.
pub(super) fn split_number(bytes: &[u8]) -> (usize, Option<&[u8]>) {
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let integer = count_digits(bytes, at);
    if integer == 0 || (integer > 1 && bytes.get(at) == Some(&b'0')) {
        return (at, None);
    }
    at += integer;
    if bytes.get(at) == Some(&b'.') {
        let fraction = count_digits(bytes, at + 1);
        if fraction == 0 {
            return (at, None);
        }
        at += 1 + fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = count_digits(bytes, at + 1 + sign);
        if exponent == 0 {
            return (at, None);
        }
        at += 1 + sign + exponent;
    }
    (at, bytes.get(at..))
}

fn count_digits(bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}

//! JSON-RPC ids: the spelling that is echoed and the meaning that is compared. Never where an id is looked up.

use bytes::Bytes;

/// Longest id that is a string, in bytes after unescaping.
pub const ID_BYTES_MAX: usize = 256;
/// Largest magnitude of an id that is a number: beyond it a double could not tell two ids apart.
pub const ID_INTEGER_MAX: i64 = 1 << 53;

/// What an id means, for maps: `1` and `"1"` differ, `"a"` and `"\u0061"` do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdKey {
    /// An integer within ±[`ID_INTEGER_MAX`].
    Integer(i64),
    /// A string of at most [`ID_BYTES_MAX`] bytes, unescaped.
    Text(Box<str>),
}

/// An id that satisfies the parser contract, with the JSON text that its sender wrote.
#[derive(Clone, Debug)]
pub struct RawId {
    raw: Bytes,
    key: IdKey,
}

impl RawId {
    /// An id of our own: a number. `None` beyond ±[`ID_INTEGER_MAX`].
    pub fn from_integer(value: i64) -> Option<Self> {
        let within = (-ID_INTEGER_MAX..=ID_INTEGER_MAX).contains(&value);
        within.then(|| Self {
            raw: Bytes::from(value.to_string().into_bytes()),
            key: IdKey::Integer(value),
        })
    }

    /// An id from its meaning, in the plainest spelling.
    pub fn from_key(key: IdKey) -> Self {
        let raw = match &key {
            IdKey::Integer(value) => value.to_string(),
            IdKey::Text(text) => crate::reply::json_string(text),
        };
        Self { raw: Bytes::from(raw.into_bytes()), key }
    }

    pub(crate) const fn new(raw: Bytes, key: IdKey) -> Self {
        Self { raw, key }
    }

    /// The id's JSON text, byte for byte as it was sent.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.raw).unwrap_or("null")
    }

    /// The id's JSON text as bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// The id's meaning.
    pub const fn key(&self) -> &IdKey {
        &self.key
    }
}

impl PartialEq for RawId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for RawId {}

impl core::hash::Hash for RawId {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// Reads the text of an integer id: no fraction, no exponent, no `-0`, within ±2^53.
pub(crate) fn integer_key(text: &[u8]) -> Option<IdKey> {
    if text.len() > 17 || text == b"-0" {
        return None;
    }
    let value: i64 = core::str::from_utf8(text).ok()?.parse().ok()?;
    (-ID_INTEGER_MAX..=ID_INTEGER_MAX).contains(&value).then_some(IdKey::Integer(value))
}

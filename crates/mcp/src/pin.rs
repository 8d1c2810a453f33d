//! The digest of a tool's definition. Never stores or compares pins.

#[cfg(test)]
mod tests;

use core::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::{
    canonical::{self, CanonicalError},
    tape::{Node, NodeKind},
};

/// The members that are pinned: all that a model, a client or a person relies on. `_meta` is left out, because servers put
/// volatile things there, and so is any member that MCP does not define.
pub const PINNED_MEMBERS: [&str; 8] = [
    "name",
    "title",
    "description",
    "inputSchema",
    "outputSchema",
    "annotations",
    "icons",
    "execution",
];

/// A tool's definition as it is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedDefinition {
    /// The tool's name.
    pub name: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// Its description, where it has one.
    pub description: Option<String>,
    /// SHA-256 of [`PinnedDefinition::canonical`], 64 lower-case hexadecimal digits.
    pub digest: String,
    /// The pinned members ([`PINNED_MEMBERS`]) in canonical JSON: what a person sees in the diff.
    pub canonical: String,
    /// JSON text of `inputSchema` as the server spelled it.
    pub input_schema_raw: Option<String>,
}

/// Why a definition cannot be pinned. Such a tool is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// It has no canonical form: duplicate keys, a lone surrogate, a number without a double, too deep, too many elements.
    #[error("the definition cannot be read in one way only: {0}")]
    Canonical(#[from] CanonicalError),
    /// It is no object with a name.
    #[error("the definition has no name")]
    Unnamed,
}

/// Pins one tool of a `tools/list` result.
///
/// Equal digests mean equal definitions, whatever the order of keys, the escapes in strings, the spelling of numbers or the
/// white space.
pub fn definition_pin(tool_raw: &[u8]) -> Result<PinnedDefinition, PinError> {
    let tape = canonical::unambiguous(tool_raw)?;
    let tool = Node::new(tool_raw, &tape, 0);
    if tool.kind() != NodeKind::Object {
        return Err(PinError::Unnamed);
    }
    let text = |name| tool.get(name).and_then(Node::as_str).map(std::borrow::Cow::into_owned);
    let name = text("name").ok_or(PinError::Unnamed)?;
    let members =
        PINNED_MEMBERS.iter().filter_map(|&member| Some((member.to_owned(), tool.get(member)?)));
    let mut canonical = String::with_capacity(tool_raw.len());
    canonical::write_object(&mut canonical, members.collect());
    Ok(PinnedDefinition {
        name,
        title: text("title"),
        description: text("description"),
        digest: hexadecimal(&Sha256::digest(canonical.as_bytes())),
        input_schema_raw: tool.get("inputSchema").map(|schema| schema.raw_str().to_owned()),
        canonical,
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string cannot fail.
        write!(out, "{byte:02x}").unwrap_or_default();
        out
    })
}

//! The digest of a tool's definition. Never stores or compares pins.

use crate::canonical::CanonicalError;

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
    /// The pinned members in canonical JSON: what a person sees in the diff.
    pub canonical: String,
    /// JSON text of `inputSchema` as the server spelled it.
    pub input_schema_raw: Option<String>,
}

/// Why a definition cannot be pinned. Such a tool is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// It has no canonical form.
    #[error("the definition cannot be read in one way only: {0}")]
    Canonical(#[from] CanonicalError),
    /// It is no object with a name.
    #[error("the definition has no name")]
    Unnamed,
}

/// Pins one tool of a `tools/list` result.
pub fn definition_pin(tool_raw: &[u8]) -> Result<PinnedDefinition, PinError> {
    let _ = tool_raw;
    Err(PinError::Unnamed)
}

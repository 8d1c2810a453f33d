//! Canonical JSON: one text for one meaning. Never used for anything that is sent.

/// Why a JSON text has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CanonicalError(pub(crate) String);

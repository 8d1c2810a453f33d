//! The published JSON Schema of policy documents, for the completion and checks of editors.

#[cfg(test)]
mod tests;

/// JSON Schema 2020-12 of a policy document without comments. It checks shapes and words; what needs more, such
/// as paths, patterns and unique ids, only [`crate::Document::parse`] checks.
pub fn json_schema() -> &'static str {
    include_str!("policy.schema.json")
}

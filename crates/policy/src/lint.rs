//! Warnings about valid policies (POLICY section 9). Errors are the parser's.

use crate::{Document, ToolDefinition};

/// One warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// `L002` to `L013`.
    pub code: &'static str,
    /// JSON Pointer of what it is about.
    pub pointer: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is doubtful.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl std::fmt::Display for Lint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {} {} ({})", self.line, self.column, self.code, self.message, self.pointer)
    }
}

/// Warnings about a document. `tools` are the tools of the server it is meant for; without them the warnings that
/// compare the policy with tools are left out.
pub fn lint(document: &Document, tools: Option<&[ToolDefinition]>) -> Vec<Lint> {
    let _ = (document, tools);
    Vec::new()
}

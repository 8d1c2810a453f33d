//! Tool definitions in a file: a `tools/list` answer, its `result`, or just the list, each tool
//! with the class and risk that it would be pinned with if the file says so.

use std::path::Path;

use policy::{Class, Risk, ToolDefinition};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::text_file;

/// The largest file of tool definitions.
const TOOLS_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Why a file is no list of tools.
#[derive(Debug, Error)]
pub(crate) enum ToolFileError {
    /// The file cannot be read, or is larger than any list of tools.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// It is not JSON, or not of a form that is known.
    #[error("no list of tools: {0}")]
    Form(#[from] serde_json::Error),
    /// A class or risk that there is none of.
    #[error("the tool `{tool}` has an unknown {what}")]
    Word {
        /// Which tool.
        tool: String,
        /// `class` or `risk`.
        what: &'static str,
    },
}

/// The three forms of a file; other members, such as `nextCursor`, are of no interest here.
#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    result: Option<Box<ListResult<'a>>>,
    #[serde(borrow)]
    tools: Option<Vec<Tool<'a>>>,
}

#[derive(Deserialize)]
struct ListResult<'a> {
    #[serde(borrow)]
    tools: Vec<Tool<'a>>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    name: String,
    #[serde(rename = "inputSchema", borrow)]
    input_schema: Option<&'a RawValue>,
    class: Option<String>,
    risk: Option<String>,
}

/// Reads a file of tool definitions.
pub(crate) fn read(path: &Path) -> Result<Vec<ToolDefinition>, ToolFileError> {
    parse(&text_file::read(path, TOOLS_BYTES_MAX)?)
}

/// Reads tool definitions from a text.
pub(crate) fn parse(text: &str) -> Result<Vec<ToolDefinition>, ToolFileError> {
    let tools: Vec<Tool<'_>> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)?
    } else {
        let listing: Listing<'_> = serde_json::from_str(text)?;
        match (listing.tools, listing.result) {
            (Some(tools), _) => tools,
            (None, Some(result)) => result.tools,
            (None, None) => return Err(form(serde::de::Error::missing_field("tools"))),
        }
    };
    tools.into_iter().map(definition).collect()
}

/// Reads one definition as it is pinned, with the class and risk of its pin.
pub(crate) fn pinned(
    definition: &str,
    class: Option<Class>,
    risk: Option<Risk>,
) -> Result<ToolDefinition, ToolFileError> {
    let tool: Tool<'_> = serde_json::from_str(definition)?;
    let schema = tool.input_schema.map(|schema| schema.get().to_owned());
    Ok(ToolDefinition::new(tool.name, schema, class, risk))
}

fn form(error: serde_json::Error) -> ToolFileError {
    ToolFileError::Form(error)
}

fn definition(tool: Tool<'_>) -> Result<ToolDefinition, ToolFileError> {
    let class = word(&tool.name, "class", tool.class.as_deref())?;
    let risk = word(&tool.name, "risk", tool.risk.as_deref())?;
    let schema = tool.input_schema.map(|schema| schema.get().to_owned());
    Ok(ToolDefinition::new(tool.name, schema, class, risk))
}

fn word<T: std::str::FromStr>(
    tool: &str,
    what: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, ToolFileError> {
    let unknown = || ToolFileError::Word { tool: tool.to_owned(), what };
    text.map(|text| text.parse().ok().ok_or_else(unknown)).transpose()
}

#[cfg(test)]
#[path = "tool_file/tests.rs"]
mod tests;

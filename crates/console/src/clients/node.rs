//! A client's file as a tree that knows where each of its values stands, whatever the format is.
//!
//! What never lives here: what a key means to a client; files; the writing of a format.

mod json;
mod toml;
mod yaml;

use std::ops::Range;

use thiserror::Error;

/// Bytes of a client's file, at most: some clients keep their whole state in it.
pub const CLIENT_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of a client's file.
const DEPTH_MAX: usize = 128;

/// How a client's file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON with comments and trailing commas, as far as clients accept them: read as both.
    Json,
    /// TOML 1.1.
    Toml,
    /// YAML 1.2; only the first document is read, and aliases stand for nothing.
    Yaml,
}

impl Format {
    /// The word for people and for highlighting.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Toml => "toml",
            Format::Yaml => "yaml",
        }
    }
}

/// Why a text is not what its format says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SyntaxError {
    /// Longer than [`CLIENT_FILE_BYTES_MAX`].
    #[error("it is longer than 16 MiB")]
    TooLong,
    /// Nested deeper than anybody's configuration is.
    #[error("it is nested deeper than 128 levels")]
    TooDeep,
    /// Not of the format.
    #[error("it is no {format}: line {line}: {what}")]
    Malformed {
        /// The format that was expected.
        format: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong; never a value of the file.
        what: String,
    },
}

/// A value and the bytes that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Where it stands. Of a text: with its quotes. Of a block of YAML or a table of TOML: where it begins.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// Several values.
    List(Vec<Node>),
    /// Names and values, in the order of the file where the format has one.
    Table(Vec<(String, Node)>),
    /// Numbers, dates, nothing, aliases: nothing that a client's entry needs.
    Other,
}

impl Node {
    /// Reads a text.
    ///
    /// # Errors
    /// [`SyntaxError`]; nothing of the file's values stands in it.
    pub(super) fn parse(format: Format, text: &str) -> Result<Node, SyntaxError> {
        if text.len() > CLIENT_FILE_BYTES_MAX {
            return Err(SyntaxError::TooLong);
        }
        match format {
            Format::Json => json::parse(text),
            Format::Toml => toml::parse(text),
            Format::Yaml => yaml::parse(text),
        }
    }

    /// The value of a name; of two of the same name the last one, as clients read it.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.table().iter().rev().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// How often a name stands in this table.
    pub(super) fn times(&self, name: &str) -> usize {
        self.table().iter().filter(|(known, _)| known == name).count()
    }

    /// The names and values of a table; none of anything else.
    pub(super) fn table(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Table(entries) => entries,
            Value::Text(_) | Value::Flag(_) | Value::List(_) | Value::Other => &[],
        }
    }

    /// The values of a list.
    pub(super) fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Text(_) | Value::Flag(_) | Value::Table(_) | Value::Other => None,
        }
    }

    /// The text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Flag(_) | Value::List(_) | Value::Table(_) | Value::Other => None,
        }
    }

    /// The flag.
    pub(super) fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Flag(flag) => Some(*flag),
            Value::Text(_) | Value::List(_) | Value::Table(_) | Value::Other => None,
        }
    }

    /// The texts of a list of nothing but texts.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        self.list()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }
}

/// The line of a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count().saturating_add(1)
}

//! JSON that is about to be written: a value without places.

use jsonc_parser::ast::Value as Ast;

use super::EditError;
use crate::push_json_string;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    /// A number, `true`, `false` or `null` as it is written.
    Word(String),
}

/// What stands between the parts of a value on one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing<'l> {
    pub colon: &'l str,
    pub comma: &'l str,
    /// Inside the braces of an object that is not empty.
    pub pad: &'l str,
}

/// How values are shown in fields.
pub(super) const FIELD: Spacing<'static> = Spacing { colon: ": ", comma: ", ", pad: "" };

impl Json {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn of(value: &Ast<'_>) -> Self {
        match value {
            Ast::NullKeyword(_) => Self::Word("null".to_owned()),
            Ast::BooleanLit(literal) => Self::Word(literal.value.to_string()),
            Ast::NumberLit(literal) => Self::Word(literal.value.to_owned()),
            Ast::StringLit(literal) => Self::Text(literal.value.clone().into_owned()),
            Ast::Array(array) => Self::Array(array.elements.iter().map(Self::of).collect()),
            Ast::Object(object) => Self::Object(
                object
                    .properties
                    .iter()
                    .map(|member| (member.name.as_str().to_owned(), Self::of(&member.value)))
                    .collect(),
            ),
        }
    }

    /// Reads a field that holds JSON.
    pub(super) fn parse(text: &str) -> Result<Self, EditError> {
        match crate::parse::parse_tree(text) {
            Ok(tree) => Ok(Self::of(&tree)),
            Err(fault) => Err(EditError::Value(fault.message)),
        }
    }

    /// Reads a field that holds a number.
    pub(super) fn number(text: &str) -> Result<Self, EditError> {
        match crate::parse::parse_tree(text) {
            Ok(Ast::NumberLit(literal)) if literal.value == text => Ok(Self::Word(text.to_owned())),
            Ok(_) | Err(_) => {
                let shown = crate::hint::shortened(text, FIELD_CHARS_SHOWN);
                Err(EditError::Value(format!("expected a number, found `{shown}`")))
            }
        }
    }

    /// Reads a field that holds a window: a word, or a number of seconds.
    pub(super) fn window(text: &str) -> Result<Self, EditError> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            Self::number(text)
        } else {
            Ok(Self::text(text))
        }
    }

    /// True if no object is inside it, and no list but of plain values.
    pub(super) fn is_leaf(&self) -> bool {
        let plain = |value: &Self| match value {
            Self::Text(_) | Self::Word(_) => true,
            Self::Object(members) => members.is_empty(),
            Self::Array(elements) => elements.is_empty(),
        };
        match self {
            Self::Text(_) | Self::Word(_) => true,
            Self::Array(elements) => elements.iter().all(plain),
            Self::Object(members) => members.iter().all(|(_, value)| match value {
                Self::Array(elements) => elements.iter().all(plain),
                Self::Object(_) => false,
                Self::Text(_) | Self::Word(_) => true,
            }),
        }
    }

    /// The value on one line.
    pub(super) fn line(&self, spacing: Spacing<'_>) -> String {
        let mut out = String::new();
        self.push_line(&mut out, spacing);
        out
    }

    fn push_line(&self, out: &mut String, spacing: Spacing<'_>) {
        match self {
            Self::Text(text) => push_json_string(out, text),
            Self::Word(word) => out.push_str(word),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push_str(spacing.comma);
                    }
                    element.push_line(out, spacing);
                }
                out.push(']');
            }
            Self::Object(members) if members.is_empty() => out.push_str("{}"),
            Self::Object(members) => {
                out.push('{');
                out.push_str(spacing.pad);
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push_str(spacing.comma);
                    }
                    push_json_string(out, key);
                    out.push_str(spacing.colon);
                    value.push_line(out, spacing);
                }
                out.push_str(spacing.pad);
                out.push('}');
            }
        }
    }
}

/// Most characters of a refused field that a message shows.
const FIELD_CHARS_SHOWN: usize = 40;

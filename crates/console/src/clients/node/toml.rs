//! TOML into nodes.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Node, SyntaxError, Value, line_of};

/// Reads TOML. The reader has its own bound for nesting.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let parsed = DeTable::parse(text).map_err(|error| SyntaxError::Malformed {
        format: "TOML",
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        what: error.message().to_owned(),
    })?;
    Ok(Node { span: parsed.span(), value: table(parsed.get_ref()) })
}

fn node(spanned: &Spanned<DeValue<'_>>) -> Node {
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Array(list) => Value::List(list.iter().map(node).collect()),
        DeValue::Table(entries) => table(entries),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => Value::Other,
    };
    Node { span: spanned.span(), value }
}

/// The entries in the order of the file: the reader sorts them by name.
fn table(entries: &DeTable<'_>) -> Value {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let read = entries.into_iter().map(|(name, value)| (name.get_ref().to_string(), node(value)));
    Value::Table(read.collect())
}

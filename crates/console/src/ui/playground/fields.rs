//! The arguments of a tool as fields of a form, from the top level of its schema; and back into JSON.
//!
//! What never lives here: whether arguments satisfy the schema; the policy says that.

#[cfg(test)]
mod tests;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Members;
use crate::ops::OpError;

/// Fields of one form, at most; more is typed as JSON.
const FIELDS_MAX: usize = 50;
/// Words that a field offers, at most.
const WORDS_MAX: usize = 100;
/// What stands before an argument's name in the names of fields.
const PREFIX: &str = "arg.";

/// How an argument is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, taken as it is.
    Text,
    /// A number, `true` or `false`, a list or an object: JSON.
    Json,
    /// One of these words.
    Word(Vec<String>),
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The argument's name.
    pub(super) name: String,
    /// The field's name in the form.
    pub(super) sent_as: String,
    /// The number of the field, for its id.
    pub(super) number: usize,
    pub(super) kind: Kind,
    /// The type, for people.
    pub(super) hint: String,
    pub(super) required: bool,
    /// What it holds.
    pub(super) value: String,
}

impl Field {
    /// The words that it offers.
    pub(super) fn words(&self) -> &[String] {
        match &self.kind {
            Kind::Word(words) => words,
            Kind::Text | Kind::Json => &[],
        }
    }
}

fn properties(schema: Option<&str>) -> (Map<String, Value>, Vec<String>) {
    let schema: Option<Value> = schema.and_then(|schema| serde_json::from_str(schema).ok());
    let Some(Value::Object(mut schema)) = schema else { return (Map::new(), Vec::new()) };
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let required = required.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    match schema.remove("properties") {
        Some(Value::Object(properties)) => (properties, required),
        Some(_) | None => (Map::new(), required),
    }
}

fn kind(property: &Value) -> (Kind, String) {
    let words = property.get("enum").and_then(Value::as_array);
    let words = words.map(|words| {
        words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect::<Vec<_>>()
    });
    if let Some(words) = words.filter(|words| !words.is_empty() && words.len() <= WORDS_MAX) {
        return (Kind::Word(words), "one of these".to_owned());
    }
    match property.get("type").and_then(Value::as_str) {
        Some("string") => (Kind::Text, "text".to_owned()),
        Some(other) => (Kind::Json, format!("{other}, as JSON")),
        None => (Kind::Json, "JSON".to_owned()),
    }
}

/// The fields of a tool, filled with the arguments as far as those can be read.
pub(super) fn fields(schema: Option<&str>, arguments: &str) -> Vec<Field> {
    let (properties, required) = properties(schema);
    let held: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
    let field = |(number, (name, property)): (usize, (String, Value))| {
        let (kind, hint) = kind(&property);
        let value = match (held.get(&name), &kind) {
            (None, _) => String::new(),
            (Some(Value::String(text)), Kind::Text | Kind::Word(_)) => text.clone(),
            (Some(other), _) => other.to_string(),
        };
        let required = required.contains(&name);
        Field { sent_as: format!("{PREFIX}{name}"), name, number, kind, hint, required, value }
    };
    properties.into_iter().take(FIELDS_MAX).enumerate().map(field).collect()
}

/// The arguments that the fields hold; an empty field is an argument that is not there. Numbers stay as they were typed.
pub(super) fn arguments(schema: Option<&str>, members: &Members) -> Result<String, OpError> {
    let (properties, _) = properties(schema);
    let mut parts = Vec::new();
    for (name, value) in members {
        let Some(name) = name.strip_prefix(PREFIX).filter(|_| !value.is_empty()) else { continue };
        let Some(property) = properties.get(name) else { continue };
        let text = match kind(property).0 {
            Kind::Text | Kind::Word(_) => Value::from(value.as_str()).to_string(),
            Kind::Json => {
                let json: Result<&RawValue, _> = serde_json::from_str(value);
                let json = json.map_err(|_unparsable| {
                    OpError::Invalid(format!("the argument `{name}` is no JSON"))
                })?;
                json.get().to_owned()
            }
        };
        parts.push(format!("{}: {text}", Value::from(name)));
    }
    Ok(if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) })
}

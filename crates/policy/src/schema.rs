//! A tool's pinned `inputSchema`, compiled, and the check of arguments against it (POLICY section 3, `validate`).
//!
//! Nothing is fetched, `format` is not asserted, patterns match in linear time, and numbers are exact.

mod names;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value as Json;

use crate::{Decimal, JsonKind, Node, Value};

/// Largest schema text in bytes; a tool with a larger one fails every `validate`.
const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of a schema, and of arguments that are held against one: the validator recurses.
const VALIDATED_DEPTH_MAX: usize = 128;
/// Largest compiled pattern of a schema in bytes.
const PATTERN_COMPILED_BYTES_MAX: usize = 10 << 20;

/// A compiled JSON Schema 2020-12. `format` is not asserted and nothing is fetched.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
}

/// How closely arguments must keep to the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaMode {
    /// As the schema says.
    Schema,
    /// Also no keys that `properties` does not name, at the top and wherever there is `properties`.
    Strict,
}

/// Why a text is no usable schema. A tool with such a schema fails every `validate`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    /// What is wrong.
    pub message: String,
}

/// The first place where arguments do not satisfy a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct SchemaFault {
    /// JSON Pointer into the arguments; empty for the whole.
    pub pointer: String,
    /// What is wrong there. Never holds a value of the arguments.
    pub message: String,
}

impl Schema {
    /// Compiles a schema from its JSON text, strictly parsed, always read as draft 2020-12.
    ///
    /// # Errors
    /// The text is too long, no strict JSON or no schema, refers to something outside of it, has a pattern that
    /// is no linear one, or a number without a value.
    pub fn compile(json: &str) -> Result<Self, SchemaError> {
        if json.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError { message: format!("longer than {SCHEMA_BYTES_MAX} bytes") });
        }
        let value =
            Value::parse(json).map_err(|error| SchemaError { message: error.to_string() })?;
        if value.root().is_deeper_than(VALIDATED_DEPTH_MAX) {
            return Err(SchemaError {
                message: format!("nested deeper than {VALIDATED_DEPTH_MAX}"),
            });
        }
        if value.root().numbers().any(|text| Decimal::parse(text).is_none()) {
            return Err(SchemaError { message: "a number of the schema has no value".to_owned() });
        }
        let mut schema = to_json(value.root());
        names::mark(&mut schema);
        let patterns = PatternOptions::regex().size_limit(PATTERN_COMPILED_BYTES_MAX);
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(false)
            .with_pattern_options(patterns)
            .offline()
            .build(&schema)
            .map(|validator| Self { validator })
            .map_err(|error| SchemaError { message: error.to_string() })
    }

    /// Checks arguments.
    ///
    /// # Errors
    /// The first fault: a number without a value, what the schema refuses, or under [`SchemaMode::Strict`] a
    /// key that no `properties` names.
    pub fn check(&self, args: &Value<'_>, mode: SchemaMode) -> Result<(), SchemaFault> {
        if args.root().is_deeper_than(VALIDATED_DEPTH_MAX) {
            let message = format!("nested deeper than {VALIDATED_DEPTH_MAX}");
            return Err(SchemaFault { pointer: String::new(), message });
        }
        if let Some(pointer) = undefined_number(args.root(), &mut String::new()) {
            let message =
                "a number of more than 1,000 digits or an exponent beyond ±1,000".to_owned();
            return Err(SchemaFault { pointer, message });
        }
        let instance = to_json(args.root());
        self.validator.validate(&instance).map_err(|error| SchemaFault {
            pointer: error.instance_path().as_str().to_owned(),
            message: error.masked().to_string(),
        })?;
        match mode {
            SchemaMode::Schema => Ok(()),
            SchemaMode::Strict => self.check_names(args, &instance),
        }
    }

    /// Refuses keys that no `properties` names. What stands for a level of the arguments is every `properties`
    /// that applied there and was satisfied, through `$ref`, `allOf` and the branches of `anyOf` that hold.
    fn check_names(&self, args: &Value<'_>, instance: &Json) -> Result<(), SchemaFault> {
        let evaluation = self.validator.evaluate(instance);
        let mut named: HashMap<&str, HashSet<&str>> = HashMap::new();
        for entry in evaluation.iter_annotations() {
            let Some(names) = names::marked(entry.annotations.value()) else { continue };
            named.entry(entry.instance_location.as_str()).or_default().extend(names);
        }
        // At the top the arguments are held to the schema even where it has no `properties`.
        named.entry("").or_default();
        match unnamed_key(args.root(), &named, &mut String::new()) {
            None => Ok(()),
            Some(pointer) => {
                let message = "the schema does not name this argument".to_owned();
                Err(SchemaFault { pointer, message })
            }
        }
    }
}

/// The pointer of the first key that is not named at a level that names keys. Recurses no deeper than
/// `VALIDATED_DEPTH_MAX`.
fn unnamed_key(
    node: Node<'_>,
    named: &HashMap<&str, HashSet<&str>>,
    pointer: &mut String,
) -> Option<String> {
    let names = named.get(pointer.as_str());
    each_child(node, pointer, &mut |key, child, pointer| {
        if let (Some(key), Some(names)) = (key, names)
            && !names.contains(key)
        {
            return Some(pointer.clone());
        }
        unnamed_key(child, named, pointer)
    })
}

/// The pointer of the first number without a value. Recurses no deeper than `VALIDATED_DEPTH_MAX`.
fn undefined_number(node: Node<'_>, pointer: &mut String) -> Option<String> {
    if node.number_text().is_some_and(|text| Decimal::parse(text).is_none()) {
        return Some(pointer.clone());
    }
    each_child(node, pointer, &mut |_, child, pointer| undefined_number(child, pointer))
}

/// Asks `look` about every element or member, with its key and its pointer, until it answers.
fn each_child(
    node: Node<'_>,
    pointer: &mut String,
    look: &mut impl FnMut(Option<&str>, Node<'_>, &mut String) -> Option<String>,
) -> Option<String> {
    let len = pointer.len();
    for (n, element) in node.elements().enumerate() {
        pointer.push('/');
        pointer.push_str(&n.to_string());
        let found = look(None, element, pointer);
        if found.is_some() {
            return found;
        }
        pointer.truncate(len);
    }
    for (key, member) in node.members() {
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let found = look(Some(key), member, pointer);
        if found.is_some() {
            return found;
        }
        pointer.truncate(len);
    }
    None
}

/// The same value for the validator, numbers as they are written. Recurses no deeper than `VALIDATED_DEPTH_MAX`.
fn to_json(node: Node<'_>) -> Json {
    match node.kind() {
        JsonKind::Null => Json::Null,
        JsonKind::Bool => Json::Bool(node.as_bool() == Some(true)),
        JsonKind::Number => {
            let text = node.number_text().unwrap_or_default();
            Json::Number(serde_json::Number::from_string_unchecked(text.to_owned()))
        }
        JsonKind::String => Json::String(node.as_str().unwrap_or_default().to_owned()),
        JsonKind::Array => Json::Array(node.elements().map(to_json).collect()),
        JsonKind::Object => Json::Object(
            node.members().map(|(key, node)| (key.to_owned(), to_json(node))).collect(),
        ),
    }
}

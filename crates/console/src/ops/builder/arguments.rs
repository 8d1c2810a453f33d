//! The arguments of a tool as its pinned schema names them, so that a condition's fields fit what it compares.
//! Only what is plain in a schema is read; a hint for people, never a check.

use serde::Serialize;
use serde_json::Value;

/// Arguments of one tool, at most.
const ARGUMENTS_MAX: usize = 200;
/// Steps of a path, at most.
const STEPS_MAX: usize = 4;
/// Words of an `enum` that are offered, at most.
const WORDS_MAX: usize = 100;
/// Characters of a description.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// Its path in conditions, such as `args.to[*]`.
    pub path: String,
    /// `string`, `number`, `integer`, `boolean`, `array`, `object` or `any`.
    pub kind: &'static str,
    /// The values that the schema allows, each as JSON, if it lists them.
    pub words: Vec<String>,
    /// Whether every call has it.
    pub required: bool,
    /// What the server says of it.
    pub description: Option<String>,
}

/// The arguments of a schema, in its order, containers before what is in them.
pub(super) fn of_schema(schema: &Value) -> Vec<Argument> {
    let mut found = Vec::new();
    members(schema, "args", STEPS_MAX, &mut found);
    found
}

fn members(schema: &Value, path: &str, steps: usize, found: &mut Vec<Argument>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, schema) in properties {
        let path = format!("{path}{}", step(name));
        add(schema, (path, required.contains(&name.as_str())), steps, found);
    }
}

fn add(schema: &Value, (path, required): (String, bool), steps: usize, found: &mut Vec<Argument>) {
    if found.len() >= ARGUMENTS_MAX || steps == 0 {
        return;
    }
    let kind = kind(schema);
    let words = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let description = schema.get("description").and_then(Value::as_str);
    found.push(Argument {
        path: path.clone(),
        kind,
        words: words.iter().take(WORDS_MAX).map(Value::to_string).collect(),
        required,
        description: description.map(|text| text.chars().take(DESCRIPTION_CHARS_MAX).collect()),
    });
    if kind == "object" {
        members(schema, &path, steps - 1, found);
    }
    if let (true, Some(items)) = (kind == "array", schema.get("items").filter(|i| i.is_object())) {
        add(items, (format!("{path}[*]"), false), steps - 1, found);
    }
}

/// The one type of a schema that is not `null`.
fn kind(schema: &Value) -> &'static str {
    let named = match schema.get("type") {
        Some(Value::String(name)) => Some(name.as_str()),
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.next().filter(|_| names.next().is_none())
        }
        _ => None,
    };
    match named {
        Some("string") => "string",
        Some("number") => "number",
        Some("integer") => "integer",
        Some("boolean") => "boolean",
        Some("array") => "array",
        Some("object") => "object",
        _ => "any",
    }
}

/// A step of a path (POLICY section 4): plain where the grammar takes it, else quoted.
pub(super) fn step(name: &str) -> String {
    let odd = |c: char| matches!(c, '.' | '[' | ']' | '"' | '*') || c.is_whitespace();
    if name.is_empty() || name.contains(odd) {
        let mut quoted = String::new();
        policy::push_json_string(&mut quoted, name);
        format!("[{quoted}]")
    } else {
        format!(".{name}")
    }
}

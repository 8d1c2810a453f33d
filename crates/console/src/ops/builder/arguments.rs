//! The arguments of a tool as its pinned schema names them, so that a condition's fields fit what it compares.
//! Only what is plain in a schema is read; a hint for people, never a check.

use serde::Serialize;
use serde_json::Value;

use crate::ops::schema_part::SchemaPart;

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
    /// The values that there are, each as JSON, if the schema lists them, and of a boolean.
    pub words: Vec<String>,
    /// Whether it is there in every call that satisfies the schema, and not `null`.
    pub required: bool,
    /// Type, format and bounds in words.
    pub said: String,
    /// The `format` of a text.
    pub format: Option<String>,
    /// What the server says of it.
    pub description: Option<String>,
}

/// The arguments of a schema, in its order, containers before what is in them.
pub(super) fn of_schema(schema: &Value) -> Vec<Argument> {
    let mut found = Vec::new();
    members(SchemaPart::of(schema), ("args", true), STEPS_MAX, &mut found);
    found
}

fn members(
    part: SchemaPart<'_>,
    (path, required): (&str, bool),
    steps: usize,
    found: &mut Vec<Argument>,
) {
    for (name, wanted, part) in part.members() {
        let required = required && wanted && !part.is_nullable();
        add(part, (format!("{path}{}", step(name)), required), steps, found);
    }
}

fn add(
    part: SchemaPart<'_>,
    (path, required): (String, bool),
    steps: usize,
    found: &mut Vec<Argument>,
) {
    if found.len() >= ARGUMENTS_MAX || steps == 0 {
        return;
    }
    let kind = part.kind();
    let mut words: Vec<String> =
        part.words().into_iter().take(WORDS_MAX).map(Value::to_string).collect();
    if kind == "boolean" && words.is_empty() {
        words.extend(["true".to_owned(), "false".to_owned()]);
    }
    let shortened = |text: &str| text.chars().take(DESCRIPTION_CHARS_MAX).collect();
    found.push(Argument {
        path: path.clone(),
        kind,
        words,
        required,
        said: part.said(),
        format: part.format().map(shortened),
        description: part.description().map(shortened),
    });
    if kind == "object" {
        members(part, (&path, required), steps - 1, found);
    }
    if let (true, Some(items)) = (kind == "array", part.items()) {
        // An array may be empty: no element is there for certain.
        add(items, (format!("{path}[*]"), false), steps - 1, found);
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

//! JSON Schemas in words: what a member may be, and the members of an object as a table.

use serde_json::{Map, Value};

use super::put;

/// A cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn text<'v>(schema: &'v Value, key: &str) -> Option<&'v str> {
    schema.get(key).and_then(Value::as_str)
}

fn code(value: &Value) -> String {
    format!("`{value}`")
}

/// What a value may be, in words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(reference) = text(schema, "$ref") {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(constant) = schema.get("const") {
        return code(constant);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().map(code).collect::<Vec<String>>().join(", ");
    }
    let either = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array());
    // Beside a type, alternatives only say more of it.
    if let Some(kinds) = either.filter(|_kinds| schema.get("type").is_none()) {
        let is_null = |kind: &&Value| text(kind, "type") == Some("null");
        let kinds: Vec<String> = kinds.iter().filter(|kind| !is_null(kind)).map(kind).collect();
        return kinds.join(", or ");
    }
    match schema.get("type") {
        Some(Value::String(name)) => of_type(name, schema),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.map(|name| of_type(name, schema)).collect::<Vec<String>>().join(", ")
        }
        Some(_) | None => "any JSON".to_owned(),
    }
}

fn of_type(name: &str, schema: &Value) -> String {
    match name {
        "array" => {
            let items = schema.get("items").map_or_else(|| "any JSON".to_owned(), kind);
            format!("list of {items}")
        }
        "object" => of_object(schema),
        "boolean" => "true or false".to_owned(),
        "integer" => format!("whole number{}", bounds(schema)),
        "number" => format!("number{}", bounds(schema)),
        other => other.to_owned(),
    }
}

fn of_object(schema: &Value) -> String {
    if let Some(members) = schema.get("properties").and_then(Value::as_object) {
        let names: Vec<String> = members.keys().map(|name| format!("`{name}`")).collect();
        return format!("object with {}", names.join(", "));
    }
    match schema.get("additionalProperties").filter(|below| below.is_object()) {
        Some(below) => format!("object of {}", kind(below)),
        None => "object".to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    let number = |key: &str| schema.get(key).map(ToString::to_string);
    let above = number("exclusiveMinimum").map(|least| format!(", more than {least}"));
    match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        (None, Some(most)) => format!("{}, at most {most}", above.unwrap_or_default()),
        (None, None) => above.unwrap_or_default(),
    }
}

/// The parts of a schema that is put together, each as it stands; of any other, itself.
fn parts<'v>(schema: &'v Value, of: &'v Value) -> Vec<&'v Value> {
    let Some(all) = schema.get("allOf").and_then(Value::as_array) else { return vec![schema] };
    let part = |part: &'v Value| match text(part, "$ref").and_then(|place| place.strip_prefix('#'))
    {
        Some(place) => of.pointer(place).unwrap_or(part),
        None => part,
    };
    all.iter().map(part).collect()
}

/// The members of an object.
pub(super) fn table(schema: &Value, of: &Value) -> String {
    let parts = parts(schema, of);
    let mut members = Map::new();
    for part in &parts {
        let own = part.get("properties").and_then(Value::as_object).into_iter().flatten();
        members.extend(own.map(|(name, member)| (name.clone(), member.clone())));
    }
    let required: Vec<&Value> =
        parts.iter().filter_map(|part| part.get("required")?.as_array()).flatten().collect();
    let is_required = |name: &str| required.iter().any(|known| *known == name);
    let mut table = String::from("| member | is | meaning |\n|---|---|---|\n");
    for (name, member) in &members {
        let must = if is_required(name) { " (required)" } else { "" };
        let meaning = text(member, "description").or_else(|| {
            let reference = text(member, "$ref")?.strip_prefix('#')?;
            text(of.pointer(reference)?, "description")
        });
        put(
            &mut table,
            format_args!(
                "| `{name}`{must} | {} | {} |\n",
                cell(&kind(member)),
                cell(meaning.unwrap_or_default())
            ),
        );
    }
    table
}

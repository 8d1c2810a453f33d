//! The members and operators of the policy language, from its published JSON Schema.

use serde_json::Value;

use super::{put, schema};

/// The parts of the schema that are objects with members of their own, and what they are called.
const PARTS: [(&str, &str); 6] = [
    ("tool_rules", "The rules of a selector under `tools`."),
    ("rules", "The rules of a selector under `resources` and `prompts`."),
    ("requirement", "A rule under `require`: it must hold."),
    ("prohibition", "A rule under `deny_if`: it must not match."),
    ("limit", "A quota under `limits`."),
    ("test", "One of the policy's own tests."),
];

/// The page.
pub(super) fn page(texts: &[String]) -> Result<String, String> {
    let [schema_text, reasons] = texts else { return Err("two sources".to_owned()) };
    let document: Value =
        serde_json::from_str(schema_text).map_err(|problem| problem.to_string())?;
    let about = "Every member of a policy, and every operator. What they mean together, with examples: [the policy \
                 language](../policy.md). `portcullis policy schema` prints the schema that this page is made of.";
    let mut page = super::headed("Policy: all members", super::SCHEMA, about);
    put(&mut page, format_args!("## document\n\n{}\n", schema::table(&document, &document)));
    for (name, about) in PARTS {
        let part = document
            .pointer(&format!("/$defs/{name}"))
            .ok_or_else(|| format!("the schema has no {name}"))?;
        put(
            &mut page,
            format_args!("## {name}\n\n{about}\n\n{}\n", schema::table(part, &document)),
        );
    }
    page.push_str(&asked(&document));
    page.push_str(&conditions(&document));
    page.push_str(
        "## Reasons\n\nWhy a call was denied or held, as tests, answers and records name it.\n\n",
    );
    page.push_str(reasons);
    Ok(page)
}

/// The long form of `approval`.
fn asked(document: &Value) -> String {
    let kinds = document.pointer("/$defs/approval/anyOf").and_then(Value::as_array);
    let long = kinds.into_iter().flatten().find(|kind| kind.get("properties").is_some());
    let table = long.map(|long| schema::table(long, document)).unwrap_or_default();
    format!("## approval\n\n`true`, `false`, or an object.\n\n{table}\n")
}

/// The operators, from the alternatives of a condition.
fn conditions(document: &Value) -> String {
    let at = |place: &str| document.pointer(place);
    let path = at("/$defs/path/description").and_then(Value::as_str).unwrap_or_default();
    let mut page = format!(
        "## path\n\n{path}\n\n## condition\n\n`{{\"path\", \"op\", \"value\"}}`, `{{\"any\": [condition, …]}}` or `{{\"not\": condition}}`. \
         `\"if_missing\": \"match\"` makes the condition true where the argument is missing; without it, it is false.\n\n\
         | `op` | `value` |\n|---|---|\n"
    );
    let kinds = at("/$defs/condition/anyOf").and_then(Value::as_array);
    for kind in kinds.into_iter().flatten() {
        let words = kind.pointer("/properties/op/enum").and_then(Value::as_array);
        let Some(words) = words else { continue };
        let words: Vec<String> =
            words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        let value = kind.pointer("/properties/value").map(schema::kind).unwrap_or_default();
        put(&mut page, format_args!("| {} | {} |\n", words.join(" "), schema::cell(&value)));
    }
    page.push('\n');
    page
}

//! A mark beside every `properties` of a schema: the names it knows, as an annotation that the validator
//! reports for each level of the arguments where that part of the schema applied and held.

use serde_json::{Map, Value as Json};

/// The member that holds the names. Validators collect unknown keywords as annotations (JSON Schema 2020-12
/// core, section 6.5) and drop those of parts that do not hold.
const MARK: &str = "x-portcullis-names";

/// Keywords whose value is data, not a schema.
const DATA: [&str; 5] = ["const", "enum", "default", "examples", "required"];
/// Keywords whose value is a map from names to schemas.
const MAPS: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// Marks a schema. Recurses no deeper than a schema may be nested.
pub(super) fn mark(schema: &mut Json) {
    match schema {
        Json::Array(schemas) => schemas.iter_mut().for_each(mark),
        Json::Object(members) => mark_object(members),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn mark_object(members: &mut Map<String, Json>) {
    members.remove(MARK);
    for (keyword, value) in members.iter_mut() {
        if MAPS.contains(&keyword.as_str()) {
            if let Json::Object(schemas) = value {
                schemas.values_mut().for_each(mark);
            }
        } else if !DATA.contains(&keyword.as_str()) {
            mark(value);
        }
    }
    let Some(Json::Object(properties)) = members.get("properties") else { return };
    let names = properties.keys().cloned().map(Json::String).collect();
    members.insert(MARK.to_owned(), Json::Array(names));
}

/// The names of a mark among annotations.
pub(super) fn marked(annotations: &Json) -> Option<impl Iterator<Item = &str>> {
    let names = annotations.get(MARK)?.as_array()?;
    Some(names.iter().filter_map(Json::as_str))
}

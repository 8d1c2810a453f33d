//! The API, from its OpenAPI document, in the order of the table of endpoints and roles.

use serde_json::Value;

use super::{put, schema};

/// The page.
pub(super) fn page(texts: &[String]) -> Result<String, String> {
    let [openapi, roles] = texts else { return Err("two sources".to_owned()) };
    let document: Value = serde_json::from_str(openapi).map_err(|problem| problem.to_string())?;
    let about = "Everything under `/api/v1` on the console's listener. A request carries `Authorization: Bearer` with an API token \
                 ([`[[api_token]]`](configuration.md#api_token)), or is sent by a page of this console with its session ([scripts of pages](../people.md#scripts-of-pages)). Lists come in pages: `{\"items\": […], \"next\": \"cursor\"}`, and `?cursor=` asks for \
                 the next one. A refusal is a problem document (RFC 9457). A POST with an `Idempotency-Key` can be sent again. An answer's `ETag`, sent \
                 back as `If-Match`, refuses an edit or a decision (412) where somebody else was faster. \
                 `GET /api/v1/openapi.json` is this page for programs.";
    let mut page = super::headed("API", super::OPENAPI, about);
    for line in roles.lines().filter_map(|line| line.strip_prefix("| ")) {
        let endpoint = line.split(" |").next().unwrap_or_default();
        let Some((method, path)) = endpoint.split_once(' ') else { continue };
        let place = format!("/paths/{}/{}", path.replace('/', "~1"), method.to_lowercase());
        if let Some(operation) = document.pointer(&place) {
            page.push_str(&described(endpoint, operation));
        }
    }
    page.push_str("## Bodies and answers\n\n");
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    for (name, schema) in schemas.into_iter().flatten() {
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let table = schema::table(schema, &document);
        put(&mut page, format_args!("### {name}\n\n{}\n\n{table}\n", about.replace('\n', " ")));
    }
    Ok(page)
}

fn described(endpoint: &str, operation: &Value) -> String {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut lines = vec![format!("{}. {}", text("summary"), text("description"))];
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let query: Vec<String> = parameters
        .into_iter()
        .flatten()
        .filter(|parameter| parameter.get("in").is_some_and(|place| place == "query"))
        .map(|parameter| {
            let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
            let kind = parameter.get("schema").map(schema::kind).unwrap_or_default();
            let meaning = schema::cell(text("description"));
            format!("| `{}` | {} | {meaning} |\n", text("name"), schema::cell(&kind))
        })
        .collect();
    let json = "/content/application~1json/schema";
    if let Some(body) = operation.pointer(&format!("/requestBody{json}")) {
        lines.push(format!("Body: {}.", schema::kind(body)));
    }
    if let Some(answer) = operation.pointer(&format!("/responses/2XX{json}")) {
        let items = answer.pointer("/properties/items/items");
        match items {
            Some(items) => lines.push(format!("Answer: a page of {}.", schema::kind(items))),
            None if answer.get("$ref").is_some() => {
                lines.push(format!("Answer: {}.", schema::kind(answer)));
            }
            None => {}
        }
    }
    let mut section = format!("## {endpoint}\n\n{}\n\n", lines.join(" "));
    if !query.is_empty() {
        let rows = query.concat();
        put(&mut section, format_args!("| query | is | meaning |\n|---|---|---|\n{rows}\n"));
    }
    section
}

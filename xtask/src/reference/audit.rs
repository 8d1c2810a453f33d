//! The fields of an audit record, from the type that the API and exports write.

use serde_json::Value;

use super::schema;

/// The page.
pub(super) fn page(texts: &[String]) -> Result<String, String> {
    let [openapi, reasons] = texts else { return Err("two sources".to_owned()) };
    let document: Value = serde_json::from_str(openapi).map_err(|problem| problem.to_string())?;
    let record = document
        .pointer("/components/schemas/AuditView")
        .ok_or("the OpenAPI document has no AuditView")?;
    let about = "One record for each decision. `GET /api/v1/audit`, `portcullis audit query --json` and `portcullis audit export` write these \
                 fields; the CSV export has the flat ones. What has no value for a call is left out or null.";
    let mut page = super::headed("Audit record", super::OPENAPI, about);
    page.push_str(&schema::table(record, &document));
    page.push_str("\n## Reasons\n\nWhat `reason` and `would_reason` may say.\n\n");
    page.push_str(reasons);
    Ok(page)
}

//! The tools, resources and prompts of the recorders: the names that case files and policies use,
//! with schemas that let every shape of argument through.

use serde_json::{Value, json};

/// A tool definition with that schema's properties.
pub(super) fn defined(name: &str, description: &str, properties: Value) -> Value {
    let schema = json!({ "type": "object", "properties": properties });
    json!({ "name": name, "description": description, "inputSchema": schema })
}

/// What a recorder lists when it starts, in this order.
pub(super) fn first_list() -> Vec<Value> {
    let text = || json!({ "type": "string" });
    vec![
        defined("read_item", "Reads one item", json!({ "id": text(), "q": {} })),
        defined(
            "pay",
            "Pays an amount",
            json!({ "amount": { "type": "number" }, "currency": text(), "account": {} }),
        ),
        defined("delete_all", "Deletes everything", json!({ "scope": text() })),
        defined("set_role", "Gives a role", json!({ "role": text(), "user": text() })),
        defined("push", "Pushes commits", json!({ "options": { "type": "object" } })),
        defined("read_file", "Reads a file", json!({ "path": text() })),
        defined("run_sql", "Runs a statement", json!({ "sql": text() })),
        defined(
            "mirror",
            "Has an argument that a header repeats",
            json!({ "region": { "type": "string", "x-mcp-header": "Region" } }),
        ),
    ]
}

/// The resources, in this order.
pub(super) fn resources() -> Value {
    json!([
        { "uri": "file:///public/readme.txt", "name": "readme", "mimeType": "text/plain" },
        { "uri": "file:///secret.txt", "name": "secret", "mimeType": "text/plain" },
        { "uri": "db://orders/1", "name": "order", "mimeType": "application/json" },
    ])
}

/// The resource templates, in this order.
pub(super) fn templates() -> Value {
    json!([
        { "uriTemplate": "file:///public/{name}", "name": "public files" },
        { "uriTemplate": "db://orders/{id}", "name": "orders" },
    ])
}

/// The prompts, in this order.
pub(super) fn prompts() -> Value {
    json!([
        { "name": "summarise", "description": "Summarises an item" },
        { "name": "draft_payment", "description": "Drafts a payment" },
    ])
}

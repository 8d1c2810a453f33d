use serde_json::json;

use super::{api, audit, cli, policy, roles, schema};

const HELP: &str = "\
$ gate --help
Guards

Usage: gate <COMMAND>

Options:
  -h, --help
          Print help

Log:
      --log <FILTER>
          What to log

$ gate open --help
Open it

Usage: gate open [OPTIONS]

Options:
      --wide
          All of it

  -h, --help
          Print help

Log:
      --log <FILTER>
          What to log

          [default: info]

Example:
  gate open --wide

$ gate shut --help
Shut it

Options:
  -h, --help
          Print help
";

#[test]
fn what_all_commands_take_stands_once() {
    let page = cli::page(HELP);
    assert_eq!(page.matches("--log <FILTER>").count(), 1, "{page}");
    assert_eq!(page.matches("-h, --help").count(), 1, "{page}");
    let open = page.split("## gate open\n").nth(1).unwrap();
    assert!(open.contains("--wide\n          All of it\n\nExample:\n  gate open --wide"), "{page}");
    assert!(page.ends_with("## gate shut\n\n```text\nShut it\n```\n\n"), "{page}");
}

#[test]
fn schemas_are_said_in_words() {
    for (schema, said) in [
        (json!({}), "any JSON"),
        (json!({"type": ["string", "null"]}), "string"),
        (json!({"type": "integer", "minimum": 0, "maximum": 600}), "whole number, 0 to 600"),
        (json!({"type": "integer", "minimum": 0}), "whole number, 0 or more"),
        (
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": 9}),
            "number, more than 0, at most 9",
        ),
        (json!({"type": "array", "items": {"type": "string"}}), "list of string"),
        (json!({"enum": ["a", "b"]}), "`\"a\"`, `\"b\"`"),
        (json!({"$ref": "#/$defs/Rule"}), "[Rule](#rule)"),
        (json!({"type": "string", "anyOf": [{"pattern": "^x"}, {"enum": ["a"]}]}), "string"),
        (json!({"oneOf": [{"type": "null"}, {"type": "boolean"}]}), "true or false"),
        (json!({"type": "object", "properties": {"max": {}}}), "object with `max`"),
        (json!({"type": "object", "additionalProperties": {"type": "string"}}), "object of string"),
    ] {
        assert_eq!(schema::kind(&schema), said, "{schema}");
    }
}

#[test]
fn members_of_an_object_that_is_put_together_become_rows() {
    let whole = json!({ "$defs": { "x": { "required": ["a"], "properties": { "a": { "type": "string" } } } } });
    let own = json!({ "properties": { "b": { "type": "boolean", "description": "Own." } } });
    let table = schema::table(&json!({ "allOf": [{ "$ref": "#/$defs/x" }, own] }), &whole);
    assert!(table.contains("| `a` (required) | string |  |\n"), "{table}");
    assert!(table.contains("| `b` | true or false | Own. |\n"), "{table}");
}

#[test]
fn members_of_an_object_become_rows() {
    let whole = json!({ "$defs": { "x": { "description": "A | b" } } });
    let of = json!({
        "required": ["a"],
        "properties": { "a": { "type": "string" }, "b": { "$ref": "#/$defs/x" } },
    });
    let table = schema::table(&of, &whole);
    assert!(table.contains("| `a` (required) | string |  |\n"), "{table}");
    assert!(table.contains("| `b` | [x](#x) | A \\| b |\n"), "{table}");
}

const OPENAPI: &str = r##"{
    "paths": { "/api/v1/things/{id}": { "get": {
        "summary": "One thing", "description": "Needs: any role.",
        "parameters": [
            { "name": "id", "in": "path" },
            { "name": "state", "in": "query", "description": "Which.", "schema": { "type": ["string", "null"] } }
        ],
        "responses": { "2XX": { "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Thing" } } } } }
    } } },
    "components": { "schemas": {
        "Thing": { "description": "A thing.", "properties": { "id": { "type": "string" } } },
        "AuditView": { "properties": { "kind": { "type": "string", "description": "Which." } } }
    } }
}"##;
const ROLES: &str = "\
| endpoint | none | viewer |
|---|---|---|
| GET /api/v1/things/{id} | 401 | may |
| GET /settings | sign-in | may |
";

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn an_endpoint_is_described_with_what_it_takes_and_gives() {
    let page = api::page(&owned(&[OPENAPI, ROLES])).unwrap();
    let wanted = "## GET /api/v1/things/{id}\n\nOne thing. Needs: any role. Answer: [Thing](#thing).\n\n\
                  | query | is | meaning |\n|---|---|---|\n| `state` | string | Which. |\n";
    assert!(page.contains(wanted), "{page}");
    assert!(page.contains("### Thing\n\nA thing.\n"), "{page}");
    assert!(!page.contains("/settings"), "{page}");
}

#[test]
fn roles_say_what_each_request_is_for() {
    let screens = "| GET /settings | What is decided |\n";
    let page = roles::page(&owned(&[ROLES, "PERMISSIONS\n", screens, OPENAPI])).unwrap();
    assert!(page.contains("PERMISSIONS"), "{page}");
    assert!(page.contains("| `GET /settings` | What is decided | sign-in | may |\n"), "{page}");
    assert!(page.contains("| `GET /api/v1/things/{id}` | One thing | 401 | may |\n"), "{page}");
}

#[test]
fn records_and_policies_end_with_the_reasons() {
    let page = audit::page(&owned(&[OPENAPI, "REASONS\n"])).unwrap();
    assert!(page.contains("| `kind` | string | Which. |\n"), "{page}");
    assert!(page.ends_with("REASONS\n"), "{page}");
    let empty = r#"{"properties":{}}"#;
    assert!(policy::page(&owned(&[empty, "REASONS\n"])).is_err(), "parts are missing");
}

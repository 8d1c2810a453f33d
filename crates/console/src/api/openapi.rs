//! The OpenAPI document, made from the endpoint table and the types of bodies and answers.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::endpoints::{ENDPOINTS, Endpoint};
use super::problem::{PlacedError, Problem};
use super::{approvals, audit, deeds, grants, policies, replay, servers};
use crate::ops::Permission;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis",
        description = "Servers, policies, grants, approvals and audit of an MCP policy gateway",
        license(name = "Apache-2.0")
    ),
    components(schemas(
        Problem,
        PlacedError,
        servers::ServerView,
        servers::ServerInput,
        servers::TimeoutsView,
        servers::ToolView,
        servers::InspectionView,
        servers::AcceptInput,
        servers::AcceptedView,
        policies::PolicyView,
        policies::PolicyInput,
        policies::CheckedView,
        policies::LintView,
        policies::VersionView,
        policies::RestoreInput,
        policies::TestInput,
        policies::TestView,
        policies::ExplainInput,
        policies::ExplainView,
        replay::ReplayInput,
        replay::ReplayView,
        replay::StoppedView,
        replay::GroupView,
        grants::GrantView,
        grants::GrantInput,
        grants::CreatedView,
        grants::GrantChange,
        grants::RotateInput,
        grants::TokenView,
        approvals::ApprovalView,
        approvals::AskRuleView,
        approvals::StandsOnView,
        approvals::DecisionInput,
        audit::AuditView,
        deeds::DeedView,
    ))
)]
struct Schemas;

fn role(permission: Option<Permission>) -> &'static str {
    match permission {
        None => "no token",
        Some(Permission::Read) => "any role",
        Some(Permission::EditPolicies) => "policy_manager or admin",
        Some(Permission::Decide | Permission::DecideCritical) => "approver or admin",
        Some(
            Permission::Administer
            | Permission::StartPrograms
            | Permission::Secrets
            | Permission::SeePeople
            | Permission::ManagePeople,
        ) => "admin",
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The schema of an answer: a name, or a name in brackets for a page of them.
fn answer(output: &str) -> Value {
    match output.strip_prefix('[').and_then(|o| o.strip_suffix(']')) {
        Some(item) => json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": reference(item) },
                "next": { "type": ["string", "null"], "description": "cursor of the next page" },
            },
        }),
        None if output.is_empty() => json!({ "type": "object" }),
        None => reference(output),
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let in_path = endpoint.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    let path = in_path.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let query = (endpoint.query)();
    let query = query.iter().filter_map(|parameter| serde_json::to_value(parameter).ok());
    path.chain(query).collect()
}

fn operation(endpoint: &Endpoint) -> Value {
    let problem = json!({
        "description": "a problem document",
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    let good = json!({
        "description": endpoint.summary,
        "content": { "application/json": { "schema": answer(endpoint.output) } },
    });
    let mut operation = json!({
        "summary": endpoint.summary,
        "description": format!("Needs: {}.", role(endpoint.permission)),
        "parameters": parameters(endpoint),
        "responses": { "2XX": good, "default": problem },
    });
    if let (Some(input), Some(members)) = (endpoint.input, operation.as_object_mut()) {
        let content = json!({ "application/json": { "schema": reference(input) } });
        members.insert("requestBody".to_owned(), json!({ "content": content }));
    }
    if let (None, Some(members)) = (endpoint.permission, operation.as_object_mut()) {
        members.insert("security".to_owned(), json!([]));
    }
    operation
}

/// The whole document.
pub fn document() -> Value {
    let mut document = serde_json::to_value(Schemas::openapi()).unwrap_or_default();
    let mut paths = Map::new();
    for endpoint in &ENDPOINTS {
        let entry = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(endpoint.method.to_owned(), operation(endpoint));
        }
    }
    if let Some(members) = document.as_object_mut() {
        members.insert("paths".to_owned(), Value::Object(paths));
        members.insert("security".to_owned(), json!([{ "token": [] }]));
        let components = members.entry("components").or_insert_with(|| json!({}));
        if let Some(components) = components.as_object_mut() {
            let scheme = json!({ "token": { "type": "http", "scheme": "bearer" } });
            components.insert("securitySchemes".to_owned(), scheme);
        }
    }
    document
}

pub(super) async fn show() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, document().to_string()).into_response()
}

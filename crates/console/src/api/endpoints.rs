//! Every endpoint once: the OpenAPI document and the endpoint × role table are made from it, and a test
//! holds the router against it.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{approvals, audit, deeds, policies};
use crate::ops::Permission;

/// The parameters of a query, each with what it is for.
pub type Query = fn() -> Vec<Parameter>;

fn none() -> Vec<Parameter> {
    Vec::new()
}

fn of<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}

/// One endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with `{…}` where a name goes.
    pub path: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What the caller must be allowed; `None` needs no token.
    pub permission: Option<Permission>,
    /// The schema of the body, if it takes one.
    pub input: Option<&'static str>,
    /// The schema of the answer; empty for none.
    pub output: &'static str,
    /// The query parameters.
    pub query: Query,
}

const fn read(path: &'static str, output: &'static str, summary: &'static str) -> Endpoint {
    let permission = Some(Permission::Read);
    Endpoint { method: "get", path, summary, permission, input: None, output, query: none }
}

const fn act(
    (method, path): (&'static str, &'static str),
    permission: Permission,
    (input, output): (&'static str, &'static str),
    summary: &'static str,
) -> Endpoint {
    let input = if input.is_empty() { None } else { Some(input) };
    Endpoint { method, path, summary, permission: Some(permission), input, output, query: none }
}

const fn with(endpoint: Endpoint, query: Query) -> Endpoint {
    Endpoint { query, ..endpoint }
}

const ADMIN: Permission = Permission::Administer;
const EDIT: Permission = Permission::EditPolicies;

/// All of them, in the order of the documentation.
pub const ENDPOINTS: [Endpoint; 32] = [
    Endpoint {
        method: "get",
        path: "/api/v1/openapi.json",
        summary: "This document",
        permission: None,
        input: None,
        output: "",
        query: none,
    },
    read("/api/v1/servers", "[ServerView]", "All servers"),
    act(("post", "/api/v1/servers"), ADMIN, ("ServerInput", "ServerView"), "Add a server"),
    read("/api/v1/servers/{slug}", "ServerView", "One server"),
    act(
        ("put", "/api/v1/servers/{slug}"),
        ADMIN,
        ("ServerInput", "ServerView"),
        "Replace a server",
    ),
    act(
        ("delete", "/api/v1/servers/{slug}"),
        ADMIN,
        ("", ""),
        "Remove a server, its pins and grants",
    ),
    read("/api/v1/servers/{slug}/tools", "[ToolView]", "The pinned tools of a server"),
    act(
        ("post", "/api/v1/servers/{slug}/inspect"),
        ADMIN,
        ("", "InspectionView"),
        "List the live server's tools now",
    ),
    act(
        ("post", "/api/v1/servers/{slug}/tools/{name}/accept"),
        ADMIN,
        ("AcceptInput", "AcceptedView"),
        "Accept a new or changed tool definition",
    ),
    read("/api/v1/policies", "[PolicyView]", "All policies"),
    act(("post", "/api/v1/policies"), EDIT, ("PolicyInput", "CheckedView"), "Save a new policy"),
    act(
        ("post", "/api/v1/policies/validate"),
        Permission::Read,
        ("PolicyInput", "CheckedView"),
        "Check a policy and run its tests; saves nothing",
    ),
    with(
        read("/api/v1/policies/{name}", "PolicyView", "One policy with its text"),
        of::<policies::VersionParams>,
    ),
    act(
        ("put", "/api/v1/policies/{name}"),
        EDIT,
        ("PolicyInput", "CheckedView"),
        "Save a policy's next version",
    ),
    act(
        ("delete", "/api/v1/policies/{name}"),
        EDIT,
        ("", ""),
        "Remove a policy that no grant uses",
    ),
    read("/api/v1/policies/{name}/versions", "[VersionView]", "A policy's history"),
    act(
        ("post", "/api/v1/policies/{name}/versions/{version}/restore"),
        EDIT,
        ("RestoreInput", "CheckedView"),
        "Save the text of an old version as the next one",
    ),
    act(
        ("post", "/api/v1/policies/{name}/test"),
        Permission::Read,
        ("TestInput", "TestView"),
        "Run a policy's own tests",
    ),
    act(
        ("post", "/api/v1/policies/{name}/explain"),
        Permission::Read,
        ("ExplainInput", "ExplainView"),
        "What a policy's newest version, drafts included, would decide about a call",
    ),
    act(
        ("post", "/api/v1/policies/{name}/replay"),
        Permission::Read,
        ("ReplayInput", "ReplayView"),
        "What a policy, or a draft of it, would have made of recorded calls",
    ),
    read("/api/v1/grants", "[GrantView]", "All grants"),
    act(
        ("post", "/api/v1/grants"),
        ADMIN,
        ("GrantInput", "CreatedView"),
        "Make a grant; its token is shown this once",
    ),
    read("/api/v1/grants/{id}", "GrantView", "One grant"),
    act(
        ("patch", "/api/v1/grants/{id}"),
        EDIT,
        ("GrantChange", "GrantView"),
        "Attach another policy to a grant",
    ),
    act(
        ("post", "/api/v1/grants/{id}/rotate"),
        Permission::Secrets,
        ("RotateInput", "TokenView"),
        "Give a grant another token, shown this once",
    ),
    act(
        ("post", "/api/v1/grants/{id}/revoke"),
        ADMIN,
        ("", "GrantView"),
        "Revoke a grant, for good",
    ),
    with(
        read("/api/v1/approvals", "[ApprovalView]", "Held calls, newest first"),
        of::<approvals::ListParams>,
    ),
    read("/api/v1/approvals/{id}", "ApprovalView", "One held call"),
    act(
        ("post", "/api/v1/approvals/{id}/approve"),
        Permission::Decide,
        ("DecisionInput", "ApprovalView"),
        "Approve exactly this call, once",
    ),
    act(
        ("post", "/api/v1/approvals/{id}/reject"),
        Permission::Decide,
        ("DecisionInput", "ApprovalView"),
        "Reject exactly this call",
    ),
    with(
        read(
            "/api/v1/audit",
            "[AuditView]",
            "Decisions; with `format=jsonl|csv` all of them, oldest first",
        ),
        of::<audit::ListParams>,
    ),
    Endpoint {
        permission: Some(Permission::SeePeople),
        ..with(
            read("/api/v1/deeds", "[DeedView]", "What people and programs changed, newest first"),
            of::<deeds::ListParams>,
        )
    },
];

//! Every endpoint and every page, as every role and as nobody: what is answered is the golden table, and what
//! the tables of endpoints and pages say.

use std::fmt::Write as _;

use axum::http::StatusCode;
use serde_json::{Value, json};
use store::ApiRole;

use super::{Answer, Asked, World};
use crate::api::ENDPOINTS;
use crate::ops::Permission;
use crate::ops::actor::role_may;
use crate::ui::pages::{PAGES, PageEntry};

/// What each endpoint is sent: well formed, so that only the role decides between refusal and
/// anything else.
fn body(input: Option<&str>) -> Option<Value> {
    Some(match input? {
        "ServerInput" => json!({ "slug": "none", "url": "https://mcp.example.com/mcp" }),
        "PolicyInput" => {
            json!({ "name": "none", "document": { "version": "1", "default": "deny" } })
        }
        "GrantInput" => json!({ "label": "x", "server": "none" }),
        "ExplainInput" => json!({ "tool": "x" }),
        _ => json!({}),
    })
}

/// What each form is sent, likewise. A form whose fields are missing answers 400, which the test
/// refuses: give it fields here.
fn fields(path: &str) -> &'static str {
    match path {
        "/people/invite" => "email=new@example.com&role=viewer",
        "/people/{id}/role" => "role=viewer",
        "/people/{id}/remove" => "email=x@example.com",
        "/people/{id}/sessions/end" | "/account/sessions/end" => {
            "session=00000000000000000000000000000000"
        }
        "/approvals/{id}/approve" | "/approvals/{id}/reject" => "shown=0&whole=yes&reason=no",
        "/settings/organisation" => "name=Engines",
        "/settings/own-calls" => "own_calls=refuse",
        "/account/theme" => "theme=dark",
        "/policies/{name}/review" | "/policies/{name}/history/{version}/restore" => {
            "mode=enforce&expected=0"
        }
        "/account/password" => "old=x&new=a+new+long+password&again=a+new+long+password",
        "/policies" => "name=none&server=",
        "/policies/{name}/text" => "text=&server=&base=0&then=check",
        "/step-up" => "password=x&next=/",
        "/sign-in" => "email=nobody@example.com&password=x&next=/",
        "/welcome/{link}" | "/join/{link}" | "/new-password/{link}" => {
            "display=X&email=x@example.com&organisation=X&password=a&again=b"
        }
        "/setup" => "way=url&slug=other&url=https://mcp.example.com/mcp",
        "/setup/{slug}/choices" => "tool=none&answer=allow",
        "/setup/{slug}/policy" => "seen=x&mode=enforce",
        "/servers/{slug}/settings" => {
            "revision=1&connect_seconds=5&first_byte_seconds=60&total_seconds=300\
             &refresh_seconds=60&new_tools=quarantine"
        }
        "/servers/{slug}/class" => "tool=none&class=read",
        "/servers/{slug}/credentials" => "name=x&value=x",
        "/servers/{slug}/remove" | "/grants/{id}/revoke" => "confirm=other",
        "/grants" => "expires=30&label=x&server=none",
        "/grants/{id}/rotate" => "overlap_seconds=0",
        "/grants/{id}/policy" => "policy=none",
        _ => "",
    }
}

/// A path with names of nothing that is there, each well formed.
fn filled(path: &str) -> String {
    let id = if path.starts_with("/people") {
        format!("usr_{}", "0".repeat(26))
    } else if path.contains("grants") || path.contains("inventory") {
        format!("grt_{}", "0".repeat(26))
    } else {
        format!("apr_{}", "0".repeat(26))
    };
    let half = "0".repeat(32);
    let link = if path.starts_with("/people") { half.as_str() } else { "pcl_none" };
    path.replace("{slug}", "none")
        .replace("{name}", "none")
        .replace("{id}", &id)
        .replace("{link}", link)
        .replace("{seq}", "1")
        .replace("{mark}", "none")
        .replace("{version}", "1")
}

/// Nobody, then each role.
fn callers() -> impl Iterator<Item = Option<ApiRole>> {
    std::iter::once(None).chain(ApiRole::ALL.into_iter().map(Some))
}

fn word(line: &str, answer: &Answer) -> &'static str {
    match answer.status {
        StatusCode::UNAUTHORIZED => "401",
        StatusCode::FORBIDDEN => "403",
        StatusCode::SEE_OTHER if answer.is_sent_to_sign_in() => "sign-in",
        status if status.is_server_error() || status == StatusCode::METHOD_NOT_ALLOWED => {
            panic!("{line} answers {status}: {}", answer.text)
        }
        _ => "may",
    }
}

/// What a table promises for a caller.
fn promised(
    permission: Option<Permission>,
    caller: Option<ApiRole>,
    nobody: &'static str,
) -> &'static str {
    match (permission, caller) {
        (None, _) => "may",
        (Some(_), None) => nobody,
        (Some(permission), Some(role)) if role_may(role, permission) => "may",
        (Some(_), Some(_)) => "403",
    }
}

impl World {
    /// What an endpoint answers to a token and, where there is one, to a session of the same role.
    async fn of_endpoint(
        &self,
        (method, path): (&str, &str),
        input: Option<&str>,
        caller: Option<ApiRole>,
    ) -> &'static str {
        let line = format!("{method} {path}");
        let json = body(input).map(|json| json.to_string());
        let asked = Asked { method, json, ..Asked::post(path, "") };
        let asked = if asked.json.is_some() { asked } else { Asked { fields: None, ..asked } };
        let Some(role) = caller else { return word(&line, &self.send(asked).await) };
        let token = self.tokens.iter().find(|(of, _)| *of == role).unwrap().1.expose();
        let by_token = self.send(Asked { token: Some(token), ..asked.clone() }).await;
        let session = self.session(role).await;
        let by_session = self.send(Asked { who: Some(&session), ..asked }).await;
        let said = word(&line, &by_token);
        assert_eq!(said, word(&line, &by_session), "{line} as {caller:?}: {}", by_session.text);
        said
    }

    async fn of_page(&self, page: &PageEntry, caller: Option<ApiRole>) -> &'static str {
        let path = filled(page.path);
        let asked = match page.method {
            "get" => Asked::get(&path),
            // What the builder's script sends is JSON.
            _ if page.path.ends_with("/look") => {
                let json = Some(json!({ "text": "" }).to_string());
                Asked { json, fields: None, ..Asked::post(&path, "") }
            }
            _ => Asked::post(&path, fields(page.path)),
        };
        let session = match caller {
            Some(role) => Some(self.session(role).await),
            None => None,
        };
        let answer = self.send(Asked { who: session.as_ref(), ..asked }).await;
        let line = format!("{} {}", page.method, page.path);
        assert_ne!(answer.status, StatusCode::BAD_REQUEST, "{line}: {}", answer.text);
        // Whoever is signed in has no business at the sign-in page; whoever signs out goes there.
        let unasked = page.path == "/sign-in/callback" && answer.status == StatusCode::FORBIDDEN;
        let goes_there =
            unasked || page.path == "/sign-in" || (page.path == "/sign-out" && caller.is_some());
        if goes_there { "may" } else { word(&line, &answer) }
    }
}

#[tokio::test]
async fn the_endpoint_role_table_is_the_golden_one() {
    let world = World::new().await;
    let mut table = String::from(
        "| endpoint | none | viewer | policy_manager | approver | admin |\n|---|---|---|---|---|---|\n",
    );
    for endpoint in &ENDPOINTS {
        let method = endpoint.method.to_uppercase();
        write!(table, "| {method} {} |", endpoint.path).unwrap();
        let path = filled(endpoint.path);
        for caller in callers() {
            let line = (method.as_str(), path.as_str());
            let said = world.of_endpoint(line, endpoint.input, caller).await;
            let wanted = promised(endpoint.permission, caller, "401");
            assert_eq!(said, wanted, "{method} {path} as {caller:?}");
            write!(table, " {said} |").unwrap();
        }
        table.push('\n');
    }
    for page in PAGES {
        write!(table, "| {} {} |", page.method.to_uppercase(), page.path).unwrap();
        for caller in callers() {
            let said = world.of_page(page, caller).await;
            let wanted = promised(page.permission, caller, "sign-in");
            assert_eq!(said, wanted, "{} {} as {caller:?}", page.method, page.path);
            write!(table, " {said} |").unwrap();
        }
        table.push('\n');
    }
    expect_test::expect_file!["../../../testdata/endpoint-roles.md"].assert_eq(&table);
}

/// The router's own text is the only list of what is routed.
const ROUTES: &str = include_str!("../mod.rs");

#[test]
fn every_page_stands_in_the_table() {
    let mut routed = 0;
    for statement in ROUTES.split(".route(").skip(1) {
        let path = statement.split('"').nth(1).unwrap();
        let statement = statement.split(".merge(").next().unwrap();
        for method in ["get", "post"] {
            let is_routed = statement.contains(&format!("{method}("));
            let named = PAGES.iter().any(|page| page.method == method && page.path == path);
            assert_eq!(is_routed, named, "{method} {path} in the router, and in PAGES");
            routed += usize::from(is_routed);
        }
    }
    assert_eq!(routed, PAGES.len());
}

#[test]
fn what_permissions_and_pages_are_for_is_as_recorded() {
    let mut table = String::from(
        "| may | viewer | policy_manager | approver | admin | password again |\n|---|---|---|---|---|---|\n",
    );
    for permission in Permission::ALL {
        write!(table, "| {} |", permission.about()).unwrap();
        for role in ApiRole::ALL {
            write!(table, " {} |", if role_may(role, permission) { "yes" } else { "" }).unwrap();
        }
        writeln!(table, " {} |", if permission.is_proven_again() { "yes" } else { "" }).unwrap();
    }
    expect_test::expect_file!["../../../testdata/permissions.md"].assert_eq(&table);
    let mut pages = String::from("| page | what for |\n|---|---|\n");
    for page in PAGES {
        let method = page.method.to_uppercase();
        writeln!(pages, "| {method} {} | {} |", page.path, page.summary).unwrap();
    }
    expect_test::expect_file!["../../../testdata/pages.md"].assert_eq(&pages);
}

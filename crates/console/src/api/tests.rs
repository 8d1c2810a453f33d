//! The API over its real router and a real store: who may do what, and what goes wrong how.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::request::Builder as RequestBuilder;
use axum::http::{Request, StatusCode, header};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use policy::UnixMillis;
use serde_json::{Value, json};
use store::{ApiRole, ApiTokenRecord, AuditMode, Entropy, Label, Role, Store, StoreConfig, Token};
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt;

use super::ENDPOINTS;
use crate::ops::LongWork;
use crate::ops::accounts::Hashing;
use crate::ops::chain::Walks;
use crate::ops::policies::TESTS_SECONDS_MAX;
use crate::{Console, Inspection};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

struct Api {
    router: Router,
    store: Store,
    now: Arc<AtomicI64>,
    tokens: Vec<(ApiRole, Token)>,
    /// Told when somebody looks at a live server; the look takes a permit.
    looking: Arc<Notify>,
    looks: Arc<Semaphore>,
    _dir: tempfile::TempDir,
}

async fn api() -> Api {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        data_dir: PathBuf::from(dir.path()).join("data"),
        audit_mode: AuditMode::Durable,
        role: Role::Serve,
    };
    let store = Store::open(&config, NOW).unwrap();
    let mut tokens = Vec::new();
    for (n, role) in (1u8..).zip(ApiRole::ALL) {
        let token = Token::make([n; 32]);
        let record = ApiTokenRecord {
            label: Label::parse(role.as_str()).unwrap(),
            role,
            token_hash: token.hash(),
            managed_by_file: false,
            created_at: NOW,
        };
        store.create_api_token(record).await.unwrap();
        tokens.push((role, token));
    }
    let now = Arc::new(AtomicI64::new(NOW.0));
    let reading = Arc::clone(&now);
    let (looking, looks) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (Arc::clone(&looking), Arc::clone(&looks));
    let console = Console {
        store: store.clone(),
        clock: Arc::new(move || UnixMillis(reading.load(Ordering::SeqCst))),
        entropy: Entropy::system(),
        inspect: Arc::new(move |_slug| {
            let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
            Box::pin(async move {
                tell.notify_one();
                let _look = wait.acquire_owned().await.unwrap();
                Inspection { reachable: true, ..Inspection::default() }
            })
        }),
        plane: crate::plane::Plane::default(),
        check_server: Arc::new(|_record| Ok(())),
        long_work: LongWork::default(),
        hashing: Hashing::default(),
        pinned: crate::ops::Pinned::default(),
        walks: Walks::default(),
        checks: Arc::new(Vec::new),
        site: Arc::default(),
        tally: crate::ops::overview::Tally::default(),
        lints: crate::ops::builder::Lints::default(),
        views: crate::ui::Views::default(),
    };
    let router = super::router(console);
    Api { router, store, now, tokens, looking, looks, _dir: dir }
}

impl Api {
    fn token(&self, role: ApiRole) -> Option<&str> {
        self.tokens.iter().find(|(r, _)| *r == role).map(|(_, t)| t.expose())
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn call(
        &self,
        line: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        self.send(request(line, token, body).body_of()).await
    }

    async fn admin(&self, line: &str, body: Value) -> (StatusCode, Value) {
        self.call(line, self.token(ApiRole::Admin), Some(body)).await
    }
}

struct Made(RequestBuilder, Option<Value>);

impl Made {
    fn header(self, name: &str, value: &str) -> Made {
        Made(self.0.header(name, value), self.1)
    }

    fn body_of(self) -> Request<Body> {
        let body = self.1.map_or_else(Body::empty, |json| Body::from(json.to_string()));
        self.0.body(body).unwrap()
    }
}

fn request(line: &str, token: Option<&str>, body: Option<Value>) -> Made {
    let (method, path) = line.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    Made(builder, body)
}

fn server(slug: &str) -> Value {
    json!({ "slug": slug, "url": "https://mcp.example.com/mcp" })
}

fn policy(name: &str) -> Value {
    json!({ "name": name, "document": { "version": "1", "default": "deny", "tools": { "a": {} } } })
}

/// Members of bodies and answers, and parameters of queries, of which the document says nothing. What refers to
/// another schema is described there.
fn undescribed(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let silent = |one: &Value| {
        let refers = ["$ref", "oneOf", "allOf"].iter().any(|key| one.get(key).is_some());
        !refers && one["description"].as_str().is_none_or(str::is_empty)
    };
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let parts = schema["allOf"].as_array().map_or(vec![schema], |parts| parts.iter().collect());
        let members = parts.iter().filter_map(|part| part["properties"].as_object()).flatten();
        let silent = members.filter(|(_, member)| silent(member));
        found.extend(silent.map(|(member, _)| format!("{name}.{member}")));
    }
    for endpoint in &ENDPOINTS {
        let operation = &document["paths"][endpoint.path][endpoint.method];
        let query = operation["parameters"].as_array().unwrap().iter();
        let query = query.filter(|one| one["in"] == "query" && silent(one));
        found.extend(query.map(|one| format!("{}?{}", endpoint.path, one["name"])));
    }
    found
}

#[tokio::test]
async fn every_endpoint_of_the_table_is_routed_and_documented() {
    let api = api().await;
    let (_, document) = api.call("GET /api/v1/openapi.json", None, None).await;
    for endpoint in &ENDPOINTS {
        let operation = &document["paths"][endpoint.path][endpoint.method];
        assert_eq!(operation["summary"], endpoint.summary, "{}", endpoint.path);
    }
    let text = document.to_string();
    for name in text.split("#/components/schemas/").skip(1).filter_map(|t| t.split('"').next()) {
        assert!(document["components"]["schemas"][name].is_object(), "schema {name} is missing");
    }
    assert_eq!(
        undescribed(&document),
        Vec::<String>::new(),
        "members without a word of what they are"
    );
    let pretty = serde_json::to_string_pretty(&document).unwrap() + "\n";
    expect_test::expect_file!["../../testdata/openapi.json"].assert_eq(&pretty);
}

#[tokio::test]
async fn a_token_is_shown_once_and_found_nowhere_again() {
    let api = api().await;
    assert_eq!(api.admin("POST /api/v1/servers", server("pay")).await.0, StatusCode::CREATED);
    let (status, made) =
        api.admin("POST /api/v1/grants", json!({ "label": "agent", "server": "pay" })).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("pcl_") && token.len() == 53, "{token}");
    let (_, listed) = api.call("GET /api/v1/grants", api.token(ApiRole::Viewer), None).await;
    assert_eq!(listed["items"][0]["label"], "agent");
    assert!(!listed.to_string().contains(token));
    let id = made["id"].as_str().unwrap();
    let (_, rotated) = api.admin(&format!("POST /api/v1/grants/{id}/rotate"), json!({})).await;
    assert_ne!(rotated["token"].as_str().unwrap(), token);
    let (_, revoked) = api.admin(&format!("POST /api/v1/grants/{id}/revoke"), json!({})).await;
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
}

#[tokio::test]
async fn a_policy_with_errors_is_refused_with_all_of_them_and_nothing_is_saved() {
    let api = api().await;
    let text = "{\n  \"version\": \"1\",\n  \"defualt\": \"deny\",\n  \"tols\": {}\n}";
    let (status, problem) =
        api.admin("POST /api/v1/policies", json!({ "name": "p", "text": text })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["pointer"].as_str())
        .collect();
    assert!(pointers.contains(&"/defualt") && pointers.contains(&"/tols"), "{problem}");
    assert_eq!(
        problem["errors"].as_array().unwrap().iter().find(|e| e["pointer"] == "/defualt").unwrap()
            ["line"],
        3
    );
    let (_, listed) = api.call("GET /api/v1/policies", api.token(ApiRole::Viewer), None).await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn a_policy_whose_own_tests_fail_is_refused() {
    let api = api().await;
    let mut wrong = policy("p");
    wrong["document"]["tests"] =
        json!([{ "call": { "tool": "b" }, "expect": { "verdict": "allow" } }]);
    let (status, problem) = api.admin("POST /api/v1/policies", wrong).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/problems/failing-tests"))
    );
}

#[tokio::test]
async fn an_edit_from_an_old_state_is_refused() {
    let api = api().await;
    let token = api.token(ApiRole::PolicyManager);
    let (status, _) = api.call("POST /api/v1/policies", token, Some(policy("p"))).await;
    assert_eq!(status, StatusCode::CREATED);
    let mut next = policy("p");
    next["document"]["default"] = json!("allow");
    let edit = |tag: &str| {
        request("PUT /api/v1/policies/p", token, Some(next.clone()))
            .header("if-match", tag)
            .body_of()
    };
    assert_eq!(api.send(edit("\"7\"")).await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(api.send(edit("W/\"1\"")).await.0, StatusCode::PRECONDITION_FAILED);
    let (status, saved) = api.send(edit("\"1\"")).await;
    assert_eq!((status, &saved["version"]), (StatusCode::OK, &json!(2)));
    assert_eq!(
        api.call("POST /api/v1/policies", token, Some(policy("p"))).await.0,
        StatusCode::PRECONDITION_FAILED
    );
}

#[tokio::test]
async fn the_same_idempotency_key_runs_a_request_once() {
    let api = api().await;
    api.admin("POST /api/v1/servers", server("pay")).await;
    let token = api.token(ApiRole::Admin);
    let grant = json!({ "label": "agent", "server": "pay" });
    let post = |body: &Value| {
        request("POST /api/v1/grants", token, Some(body.clone()))
            .header("idempotency-key", "k1")
            .body_of()
    };
    let first = api.send(post(&grant)).await;
    assert_eq!(first.0, StatusCode::CREATED, "{}", first.1);
    assert_eq!(api.send(post(&grant)).await, first);
    let other = json!({ "label": "other", "server": "pay" });
    assert_eq!(api.send(post(&other)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (_, listed) = api.call("GET /api/v1/grants", token, None).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tests_of_a_policy_without_end_hold_nobody_up_and_are_given_up() {
    let api = api().await;
    let viewer = api.token(ApiRole::Viewer);
    let call =
        json!({ "call": { "tool": "a" }, "times": 100_000, "expect": { "verdict": "allow" } });
    let mut endless = policy("endless");
    endless["document"]["tests"] = json!(vec![call; 10]);
    // On the one thread of this test nothing else would run if the tests did.
    let others = async {
        for _look in 0..10 {
            let looked = api.call("GET /api/v1/policies", viewer, None).await;
            assert_eq!(looked.0, StatusCode::OK);
        }
        api.now.fetch_add(TESTS_SECONDS_MAX * 1000, Ordering::SeqCst);
    };
    let checks = api.call("POST /api/v1/policies/validate", viewer, Some(endless));
    let ((status, body), ()) = tokio::join!(checks, others);
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    assert_eq!(body["type"], "/problems/too-long");
}

/// A request with a key, to an endpoint of an administrator.
fn keyed(token: Option<&str>, label: &str) -> Made {
    let grant = json!({ "label": label, "server": "pay" });
    request("POST /api/v1/grants", token, Some(grant)).header("idempotency-key", "k1")
}

#[tokio::test]
async fn the_body_of_somebody_without_a_token_is_not_read() {
    let api = api().await;
    for token in [None, Some("a-token-that-nobody-gave-out")] {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(1 << 20)));
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let endless = endless.inspect(move |_piece| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let asked = keyed(token, "agent").0.body(Body::from_stream(endless)).unwrap();
        assert_eq!(api.send(asked).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(read.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_request_whose_caller_leaves_is_finished_and_its_answer_found() {
    let api = api().await;
    api.admin("POST /api/v1/servers", server("pay")).await;
    let token = api.token(ApiRole::Admin);
    let inspect = || {
        request("POST /api/v1/servers/pay/inspect", token, Some(json!({})))
            .header("idempotency-key", "k1")
            .body_of()
    };
    {
        let leaves = api.send(inspect());
        let mut leaves = std::pin::pin!(leaves);
        tokio::select! {
            biased;
            _ = leaves.as_mut() => panic!("it waits for the look"),
            () = api.looking.notified() => {}
        }
    }
    assert_eq!(api.send(inspect()).await.0, StatusCode::CONFLICT);
    api.looks.add_permits(1);
    loop {
        let (status, body) = api.send(inspect()).await;
        if status == StatusCode::OK {
            assert_eq!(body["reachable"], true);
            break;
        }
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
    }
}

#[tokio::test]
async fn what_an_idempotency_key_remembers_ends_with_its_token() {
    let api = api().await;
    api.admin("POST /api/v1/servers", server("pay")).await;
    let post = |token: Option<&str>| {
        let grant = json!({ "label": "agent", "server": "pay" });
        request("POST /api/v1/grants", token, Some(grant)).header("idempotency-key", "k").body_of()
    };
    let token = api.token(ApiRole::Admin);
    assert_eq!(api.send(post(token)).await.0, StatusCode::CREATED);
    api.store.remove_api_token(&Label::parse("admin").unwrap()).await.unwrap();
    for stranger in [token, None, Some("no-token-of-anybody")] {
        let (status, body) = api.send(post(stranger)).await;
        assert_eq!((status, body.get("token")), (StatusCode::UNAUTHORIZED, None), "{body}");
    }
}

#[tokio::test]
async fn unknown_members_parameters_and_media_types_are_refused() {
    let api = api().await;
    let mut odd = server("pay");
    odd["urll"] = json!("x");
    assert_eq!(api.admin("POST /api/v1/servers", odd).await.0, StatusCode::BAD_REQUEST);
    let token = api.token(ApiRole::Admin);
    assert_eq!(api.call("GET /api/v1/audit?tol=x", token, None).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        api.call("GET /api/v1/audit?format=xml", token, None).await.0,
        StatusCode::BAD_REQUEST
    );
    let form = request("POST /api/v1/servers", token, None).header("content-type", "text/plain");
    let form = Made(form.0, Some(server("pay"))).body_of();
    assert_eq!(api.send(form).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(api.call("GET /api/v1/nothing", token, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        api.call("DELETE /api/v1/audit", token, None).await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn secrets_of_a_server_are_never_shown() {
    let api = api().await;
    let mut input = server("pay");
    input["headers"] = json!({ "Authorization": "Bearer very-secret" });
    let (status, made) = api.admin("POST /api/v1/servers", input).await;
    assert_eq!((status, &made["headers"]), (StatusCode::CREATED, &json!(["Authorization"])));
    let (_, listed) = api.call("GET /api/v1/servers", api.token(ApiRole::Admin), None).await;
    assert!(!listed.to_string().contains("very-secret"));
}

#[test]
fn no_field_of_a_csv_export_is_a_formula() {
    let mut out = String::new();
    for value in ["=1+1", "+1", "-1", "@x", "plain", "a,b", "say \"hi\""] {
        super::audit::csv_field(&mut out, value);
        out.push('|');
    }
    assert_eq!(out, r#""'=1+1"|"'+1"|"'-1"|"'@x"|plain|"a,b"|"say ""hi"""|"#);
}

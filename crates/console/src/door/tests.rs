//! Names under which the console answers.

use axum::body::Body;
use axum::routing::get;
use tower::ServiceExt;

use super::{guarded, is_own};
use axum::Router;
use axum::http::{Request, StatusCode};

#[test]
fn loopback_names_and_configured_ones_are_its_own() {
    let further = ["console.internal.example".to_owned()];
    for (host, own) in [
        ("localhost", true),
        ("localhost:8421", true),
        ("LOCALHOST:8421", true),
        ("127.0.0.1:8421", true),
        ("127.9.9.9", true),
        ("[::1]:8421", true),
        ("[::1]", true),
        ("console.internal.example:443", true),
        ("page.example", false),
        ("127.0.0.1.page.example", false),
        ("localhost.page.example:8421", false),
        ("notlocalhost", false),
        ("not-console.internal.example", false),
        ("localhost:80@page.example", false),
        ("localhost:99999", false),
        ("10.0.0.1", false),
        ("[::2]", false),
        ("::1", false),
        ("", false),
    ] {
        assert_eq!(is_own(host, &further), own, "{host}");
    }
}

#[tokio::test]
async fn a_page_under_a_foreign_name_reads_nothing() {
    let pages = Router::new().route("/metrics", get(|| async { "numbers" }));
    let asked = |listens: &str, hosts: &[&str]| {
        let guarded = guarded(pages.clone(), listens.parse().unwrap(), Vec::new());
        let mut request = Request::builder().uri("/metrics");
        for host in hosts {
            request = request.header("host", *host);
        }
        guarded.oneshot(request.body(Body::empty()).unwrap())
    };
    assert_eq!(asked("127.0.0.1:1", &["localhost:1"]).await.unwrap().status(), StatusCode::OK);
    assert_eq!(
        asked("127.0.0.1:1", &["page.example"]).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(asked("[::1]:1", &["page.example"]).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(
        asked("127.0.0.1:1", &["localhost", "page.example"]).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(asked("127.0.0.1:1", &[]).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(asked("192.0.2.1:1", &["page.example"]).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_target_that_names_another_authority_reads_nothing() {
    let pages = Router::new().route("/metrics", get(|| async { "numbers" }));
    let guarded = guarded(pages, "127.0.0.1:1".parse().unwrap(), Vec::new());
    for (target, status) in [
        ("http://localhost:1/metrics", StatusCode::OK),
        ("http://page.example/metrics", StatusCode::FORBIDDEN),
    ] {
        let asked = Request::builder().uri(target).header("host", "localhost:1");
        let answer = guarded.clone().oneshot(asked.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{target}");
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_do_nothing_with_it() {
    let pages = Router::new().route("/metrics", get(|| async { "numbers" }));
    for (listens, host) in
        [("127.0.0.1:1", "localhost"), ("127.0.0.1:1", "page.example"), ("192.0.2.1:1", "x")]
    {
        let guarded = guarded(pages.clone(), listens.parse().unwrap(), Vec::new());
        for path in ["/metrics", "/nothing"] {
            let asked =
                Request::builder().uri(path).header("host", host).body(Body::empty()).unwrap();
            let answer = guarded.clone().oneshot(asked).await.unwrap();
            let said = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(said("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(said("cache-control"), "no-store", "{path}");
            assert!(said("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        }
    }
}

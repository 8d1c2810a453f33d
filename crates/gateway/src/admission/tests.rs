use http::{HeaderMap, HeaderValue, Request};

use super::{OwnNames, Place, Verb, body_head, head, place};
use crate::answer::Refused;

fn names() -> OwnNames {
    let bound = "127.0.0.1:8420".parse().expect("an address");
    OwnNames::new(bound, "https://gate.example:8443", &[], &["https://ui.example".to_owned()])
}

fn judge(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Verb, Refused> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    head(&parts, &names())
}

#[test]
fn only_the_gateways_own_names_may_stand_in_host() {
    for own in ["127.0.0.1:8420", "localhost", "LOCALHOST:1", "[::1]:8420", "gate.example"] {
        assert_eq!(judge("POST", "/mcp/a", &[("host", own)]), Ok(Verb::Post), "{own}");
    }
    let foreign = [
        "evil.example",
        "localhost.evil.example",
        "localhost:80@evil.example",
        "",
        "localhost:",
        "localhost:0",
        "localhost:99999",
        "localhost:1:2",
        "127.0.0.1.",
        "[::1",
        ":8420",
    ];
    for host in foreign {
        let verdict = judge("POST", "/mcp/a", &[("host", host)]);
        assert_eq!(verdict, Err(Refused::ForeignHost), "{host}");
    }
    assert_eq!(judge("POST", "/mcp/a", &[]), Err(Refused::ForeignHost));
    let twice = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(judge("POST", "/mcp/a", &twice), Err(Refused::ForeignHost));
}

#[test]
fn an_origin_must_be_on_the_allow_list() {
    let with = |origin: &str| judge("POST", "/mcp/a", &[("host", "localhost"), ("origin", origin)]);
    for own in [
        "http://localhost:8420",
        "http://127.0.0.1:8420",
        "https://gate.example:8443",
        "https://ui.example",
    ] {
        assert_eq!(with(own), Ok(Verb::Post), "{own}");
    }
    for foreign in [
        "http://localhost:9999",
        "http://localhost",
        "https://localhost:8420",
        "null",
        "http://evil.example",
        "",
    ] {
        assert_eq!(with(foreign), Err(Refused::ForeignOrigin), "{foreign}");
    }
}

#[test]
fn other_targets_methods_and_framings_are_refused() {
    let host = ("host", "localhost");
    assert_eq!(judge("GET", "http://localhost/mcp/a", &[host]), Err(Refused::Target));
    assert_eq!(judge("CONNECT", "127.0.0.1:22", &[host]), Err(Refused::Method));
    assert_eq!(judge("PUT", "/mcp/a", &[host]), Err(Refused::Method));
    let both = [host, ("content-length", "1"), ("transfer-encoding", "chunked")];
    assert_eq!(judge("POST", "/mcp/a", &both), Err(Refused::Framing));
}

#[test]
fn a_path_is_read_byte_for_byte() {
    assert_eq!(place("/mcp/pay"), Place::Server("pay"));
    assert_eq!(place("/mcp/pay/"), Place::Server("pay"));
    let none =
        ["/mcp/", "/mcp/Pay", "/mcp/pay//", "/mcp/pay/x", "/mcp/a%2fb", "/mcp/a;x=1", "/mcp/../a"];
    for path in none {
        assert_eq!(place(path), Place::NoServer, "{path}");
    }
    for path in ["/", "/mcp", "//mcp/pay", "/MCP/pay", "/s/pay/mcp"] {
        assert_eq!(place(path), Place::Elsewhere, "{path}");
    }
    let metadata = "/.well-known/oauth-protected-resource";
    assert_eq!(place(metadata), Place::Metadata(None));
    assert_eq!(place(&format!("{metadata}/mcp/pay")), Place::Metadata(Some("pay")));
    assert_eq!(place(&format!("{metadata}/mcp/Pay")), Place::Elsewhere);
    assert_eq!(place(&format!("/mcp/{}", "a".repeat(64))), Place::NoServer);
}

#[test]
fn a_body_is_plain_json_of_bounded_length() {
    let with = |fields: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        body_head(&headers)
    };
    let json = ("content-type", "Application/JSON; Charset=\"UTF-8\"");
    assert_eq!(with(&[json]), Ok(()));
    for media in [
        "text/plain",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; boundary=x",
        "application/vnd.api+json",
        "application/json;",
    ] {
        assert_eq!(with(&[("content-type", media)]), Err(Refused::MediaType), "{media}");
    }
    assert_eq!(with(&[]), Err(Refused::MediaType));
    assert_eq!(with(&[json, json]), Err(Refused::MediaType));
    assert_eq!(with(&[json, ("content-encoding", "identity")]), Err(Refused::Encoding));
    assert_eq!(with(&[json, ("content-length", "4194304")]), Ok(()));
    assert_eq!(with(&[json, ("content-length", "4194305")]), Err(Refused::TooLarge));
}

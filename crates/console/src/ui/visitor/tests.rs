//! Cookies, and paths that somebody comes back to.

use axum::http::{HeaderMap, HeaderValue, header};

use super::{cookie, own_path, percent_encoded, set_cookie, sign_in_path};

#[test]
fn only_paths_of_this_console_are_come_back_to() {
    for own in
        ["/", "/policies", "/activity?verdict=deny&since=1", "/policies/pay.v2-x_y~z", "/a%20b"]
    {
        assert_eq!(own_path(own), Some(own));
    }
    let long = format!("/{}", "a".repeat(3_000));
    for foreign in [
        "",
        "policies",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "/a//evil.example",
        "/%2fevil.example",
        "/%2Fevil.example",
        "/%5cevil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/./evil",
        "/%2e%2e/evil",
        "/\t/evil.example",
        "/\n/evil.example",
        "/%0d%0aLocation:x",
        "/%00",
        "http://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        " /policies",
        "/policies#//evil",
        "/\u{2f}\u{2f}evil.example",
        "/\u{ff0f}evil.example",
        "@evil.example",
        "/\u{e9}",
        &long,
    ] {
        assert_eq!(own_path(foreign), None, "{foreign:?}");
    }
}

#[test]
fn the_sign_in_page_leads_back_to_own_paths_alone() {
    let there = sign_in_path(Some("/activity?verdict=deny&x=1"));
    assert_eq!(there, "/sign-in?next=/activity%3Fverdict%3Ddeny%26x%3D1");
    for elsewhere in [None, Some("/"), Some("//evil.example"), Some("https://evil.example")] {
        assert_eq!(sign_in_path(elsewhere), "/sign-in");
    }
    assert_eq!(percent_encoded("\"><script>\u{e9}"), "%22%3E%3Cscript%3E%C3%A9");
}

#[test]
fn a_cookie_that_stands_twice_is_none() {
    let headers = |lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    };
    for (lines, found) in [
        (&["a=1; b=2"][..], Some("2")),
        (&["a=1;b=2"], Some("2")),
        (&["a=1", "b=2"], Some("2")),
        (&["b=1; b=2"], None),
        (&["b=1", "b=2"], None),
        (&["bb=1"], None),
        (&["xb=1; a=b=1"], None),
        (&["b"], None),
        (&[], None),
    ] {
        assert_eq!(cookie(&headers(lines), "b"), found, "{lines:?}");
    }
}

#[test]
fn a_value_that_no_cookie_can_have_opens_nothing() {
    let good = set_cookie("__Host-x", "abc");
    let attributes = "; Path=/; HttpOnly; Secure; SameSite=Lax";
    assert_eq!(good.to_str().unwrap(), format!("__Host-x=abc{attributes}"));
    assert!(good.is_sensitive());
    let odd = set_cookie("__Host-x", "a\r\nSet-Cookie: y=1");
    assert!(odd.to_str().unwrap().starts_with("__Host-x=; "));
}

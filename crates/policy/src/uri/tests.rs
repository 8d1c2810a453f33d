//! Odd URIs, one by one.

use super::is_odd_uri;

#[test]
fn odd() {
    for uri in [
        "file:///pub/../x",
        "file:///pub/a/./b",
        "..",
        ".",
        "a/..",
        "db:..",
        "x?..",
        "x#.",
        "x;..;y",
        "x?a/./b",
        "file:///pub/%2e%2e/x",
        "file:///pub/a%2Fb",
        "file:///pub/a%2fb",
        "file:///pub/a%5cb",
        "a\\b",
        "%61",
        "%7E",
        "%7e",
        "a%2Db",
        "%5F",
        "%30",
        "a%25",
        "a%252f",
        "File:///x",
        "dB://x",
        "X:",
        "fILE:///a",
        "file:/x",
        "file://localhost/x",
        "file:",
        "file:x",
        "file://",
        "%%61",
    ] {
        assert!(is_odd_uri(uri), "{uri}");
    }
}

#[test]
fn plain() {
    for uri in [
        "",
        "README",
        "file:///",
        "file:///pub/a..txt",
        "file:///pub/a%20b",
        "file:///PUB/A",
        "db://Orders",
        "file:///pub/.key",
        "file:///pub/...",
        "x:a%c3%a4",
        "a%",
        "a%2",
        "a%zz",
        "https://h/p?q=%3F#f",
        "//host/x",
        "/a:b",
        "files:/x",
    ] {
        assert!(!is_odd_uri(uri), "{uri}");
    }
}

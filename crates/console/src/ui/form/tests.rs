//! Which forms are taken.

use super::{origin_of, split};

#[test]
fn the_secret_is_no_field_and_stands_once() {
    let fields = |text: &str| split(text);
    assert_eq!(fields("csrf=abc&a=1&b=2"), (Some("abc".into()), "a=1&b=2".into()));
    assert_eq!(fields("a=1&csrf=abc"), (Some("abc".into()), "a=1".into()));
    assert_eq!(fields("a=1"), (None, "a=1".into()));
    assert_eq!(fields("csrf=a&csrf=b"), (None, String::new()));
    assert_eq!(fields("csrf"), (None, String::new()));
    assert_eq!(fields("xcsrf=a"), (None, "xcsrf=a".into()));
}

#[test]
fn an_origin_is_a_scheme_and_an_authority() {
    assert_eq!(origin_of("https://console.example/path"), Some("https://console.example"));
    assert_eq!(origin_of("https://console.example:8443"), Some("https://console.example:8443"));
    assert_eq!(origin_of("console.example"), None);
}

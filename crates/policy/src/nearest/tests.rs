//! Which word is near.

use super::nearest;

#[test]
fn the_nearest_word_or_none() {
    let words = ["require", "deny_if", "limits", "rate_limit"];
    for (text, near) in [
        ("requires", Some("require")),
        ("denyif", Some("deny_if")),
        ("limit", Some("limits")),
        ("rate-limit", Some("rate_limit")),
        ("ratelimits", Some("rate_limit")),
        ("approval", None),
        ("", None),
    ] {
        assert_eq!(nearest(text, words), near, "{text}");
    }
    assert_eq!(nearest(&"x".repeat(100_000), words), None);
    assert_eq!(nearest("a", ["b"]), Some("b"));
}

use super::*;

fn changed(name: &str, before: Option<&str>, now: Option<&str>) -> Changed {
    let text = |text: &str| text.to_owned();
    Changed { name: name.to_owned(), before: before.map(text), now: now.map(text) }
}

#[test]
fn only_what_differs_is_compared_and_numbers_as_they_stand() {
    let lines =
        changes(r#"{"a":1,"b":[1,2],"c":"x"}"#, r#"{"a":1,"b":[1,3],"d":9007199254740993}"#);
    assert_eq!(
        lines,
        [
            changed("b", Some("[1,2]"), Some("[1,3]")),
            changed("c", Some("\"x\""), None),
            changed("d", None, Some("9007199254740993")),
        ]
    );
    assert!(changes("{\"a\":1}", "{\"a\":1}").is_empty());
}

#[test]
fn the_form_shows_every_argument_and_says_what_it_cuts() {
    let long = "x".repeat(VALUE_CHARS_MAX + 7);
    let (fields, left_out) = fields(&format!(r#"{{"n":1.50,"t":"{long}","z":{{"a":null}}}}"#));
    let shown: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.kind, f.cut)).collect();
    assert_eq!(shown, [("n", "number", 0), ("t", "text", 7), ("z", "object", 0)]);
    assert_eq!(fields[0].value, "1.50");
    assert_eq!(left_out, 0);
    let many: Vec<String> = (0..VALUES_MAX + 3).map(|n| format!("\"k{n:04}\":0")).collect();
    assert_eq!(super::fields(&format!("{{{}}}", many.join(","))).1, 3);
}

use super::*;

fn changed(name: &str, before: Option<&str>, now: Option<&str>) -> Changed {
    let piece = |text: &str| Piece { skipped: 0, text: text.to_owned(), cut: 0 };
    Changed { name: name.to_owned(), before: before.map(piece), now: now.map(piece) }
}

#[test]
fn only_what_differs_is_compared_and_numbers_as_they_stand() {
    let lines =
        changes(r#"{"a":1,"b":[1,2],"c":"x"}"#, r#"{"a":1,"b":[1,3],"d":9007199254740993}"#);
    assert_eq!(lines.1, 0);
    assert_eq!(
        lines.0,
        [
            changed("b", Some("[1,2]"), Some("[1,3]")),
            changed("c", Some("\"x\""), None),
            changed("d", None, Some("9007199254740993")),
        ]
    );
    assert_eq!(changes("{\"a\":1}", "{\"a\":1}"), (Vec::new(), 0));
}

#[test]
fn a_difference_behind_a_long_beginning_is_shown_and_what_is_left_out_is_counted() {
    let text = |end: &str| format!(r#"{{"t":"{}{end}{}"}}"#, "x".repeat(900), "y".repeat(500));
    let (lines, _) = changes(&text("A"), &text("B"));
    let (before, now) = (lines[0].before.clone().unwrap(), lines[0].now.clone().unwrap());
    assert_ne!(before.text, now.text);
    // The quotation mark counts, and so do the characters that lead to the difference.
    assert_eq!((before.skipped, now.skipped), (901 - LEAD_CHARS, 901 - LEAD_CHARS));
    assert_eq!(before.skipped + VALUE_CHARS_MAX + before.cut, 1 + 900 + 1 + 500 + 1);
    let many = |value: u8| {
        let all: Vec<String> =
            (0..CHANGES_MAX + 3).map(|n| format!("\"k{n:04}\":{value}")).collect();
        format!("{{{}}}", all.join(","))
    };
    let (lines, left_out) = changes(&many(0), &many(1));
    assert_eq!((lines.len(), left_out), (CHANGES_MAX, 3));
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

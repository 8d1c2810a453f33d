use proptest::prelude::*;

use super::*;

fn grammar(text: &str) -> Result<Vec<Entry>, Fault> {
    scan(text.as_bytes(), Rules::reply(128))
}

#[test]
fn finds_specials_at_any_place_of_a_long_string() {
    for length in 0..200 {
        for special in ["\"", "\\n\"", "\u{1f}"] {
            let text = format!("\"{}{special}", "é".repeat(length / 2) + &"x".repeat(length % 2));
            let end = scan(text.as_bytes(), Rules::contract(1, 1)).map(|tape| tape[0].end as usize);
            match special {
                "\u{1f}" => assert_eq!(
                    end.unwrap_err(),
                    Fault { at: text.len() - 1, kind: FaultKind::ControlInString }
                ),
                _ => assert_eq!(end, Ok(text.len() - 1)),
            }
        }
    }
}

#[test]
fn grammar_leaves_numbers_surrogates_and_duplicates_alone() {
    for text in ["1e999", r#""\ud800""#, r#"{"a":1,"a":2}"#] {
        grammar(text).unwrap();
        scan(text.as_bytes(), Rules::contract(9, 9)).unwrap_err();
    }
}

#[test]
fn records_only_the_upper_levels() {
    let text = br#"{"a":{"b":{"c":[1,2]}},"d":[[3]]}"#;
    let shapes = |depth| {
        let tape = scan(text, Rules::reply(depth)).unwrap();
        tape.iter().map(|entry| (entry.tag, entry.count, entry.next)).collect::<Vec<_>>()
    };
    assert_eq!(shapes(1), [(Tag::Object, 0, 1)]);
    assert_eq!(
        shapes(2),
        [
            (Tag::Object, 2, 5),
            (Tag::Key, 0, 2),
            (Tag::Object, 0, 3),
            (Tag::Key, 0, 4),
            (Tag::Array, 0, 5)
        ]
    );
    assert_eq!(shapes(128).len(), 13);
}

#[test]
fn nesting_ends_at_128() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    grammar(&nested(128)).unwrap();
    assert_eq!(grammar(&nested(129)).unwrap_err().kind, FaultKind::TooDeep(128));
    assert_eq!(grammar(&"[{\"a\":".repeat(100_000)).unwrap_err().kind, FaultKind::TooDeep(128));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn unescapes_like_another_parser(text in r#"(\\u[dD][89a-fA-F][0-9a-f]{2}|\\u[0-9a-fA-F]{4}|\\[bfnrt/"\\]|[ -!#-\[\]-~é€😀]){0,20}"#) {
        let theirs: Option<String> = serde_json::from_str(&format!("\"{text}\"")).ok();
        let quoted = format!("\"{text}\"");
        let strict = scan(quoted.as_bytes(), Rules::contract(1, 1)).is_ok();
        prop_assert_eq!(strict, theirs.is_some());
        prop_assert!(grammar(&quoted).is_ok());
        prop_assert_eq!(unescape(&text), theirs);
    }

    #[test]
    fn numbers_are_taken_when_a_double_holds_them(text in "-?[0-9]{0,4}(\\.[0-9]{0,40})?([eE][+-]?[0-9]{0,3})?") {
        let double: Option<f64> = serde_json::from_str::<serde_json::Number>(&text).ok().and(text.parse().ok());
        let zero = !text.split(['e', 'E']).next().unwrap().contains(|c: char| ('1'..='9').contains(&c));
        let fits = double.is_some_and(|value| value.is_finite() && (value != 0.0 || zero));
        prop_assert_eq!(scan(text.as_bytes(), Rules::contract(1, 1)).is_ok(), fits);
        prop_assert_eq!(grammar(&text).is_ok(), double.is_some());
    }
}

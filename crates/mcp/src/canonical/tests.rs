use super::*;

fn canonical(text: &str) -> Result<String, CanonicalError> {
    let tape = unambiguous(text.as_bytes())?;
    let mut out = String::new();
    write(&mut out, Node::new(text.as_bytes(), &tape, 0));
    Ok(out)
}

#[test]
fn numbers_have_one_text() {
    let cases = [
        ("1", &["1", "1.0", "10e-1", "0.1e1", "1E0", "1e+0"][..]),
        ("0", &["0", "-0", "0.0", "0e9"][..]),
        ("-1.5", &["-1.5", "-15e-1", "-1.50"][..]),
        ("100000000000000000000", &["1e20", "100000000000000000000"][..]),
        ("1e21", &["1e21", "10e20", "1000000000000000000000"][..]),
        ("0.000001", &["1e-6", "0.0000010"][..]),
        ("1e-8", &["1e-8", "0.00000001"][..]),
        ("123456789012345678901234567891e0", &["123456789012345678901234567891"][..]),
        ("9007199254740993", &["9007199254740993", "9007199254740993.0"][..]),
    ];
    for (expected, spellings) in cases {
        for spelling in spellings {
            assert_eq!(number(spelling), expected, "{spelling}");
        }
    }
    assert_eq!(number_of_text("42.0"), Some("42".to_owned()));
    for text in ["", " 42", "42 ", "0x2a", "NaN", "\"42\"", "+42", "042"] {
        assert_eq!(number_of_text(text), None, "{text}");
    }
}

#[test]
fn spelling_does_not_matter_and_meaning_does() {
    let text = canonical("{ \"b\" : [1.0, \"\\u0061\\/\"], \"a\":{\"\\ud83d\\ude00\":1,\"\u{fb01}\":2, \"\\n\":null} }").unwrap();
    // UTF-16 order: the surrogates of the emoji come before U+FB01.
    assert_eq!(text, "{\"a\":{\"\\n\":null,\"😀\":1,\"\u{fb01}\":2},\"b\":[1,\"a/\"]}");
    assert_eq!(canonical(&text).unwrap(), text);
    for ambiguous in ["{\"a\":1,\"\\u0061\":2}", "\"\\ud800\"", "1e999", "{\"a\":1} x"] {
        assert!(canonical(ambiguous).is_err(), "{ambiguous}");
    }
}

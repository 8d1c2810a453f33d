use super::*;

#[test]
fn slugs_are_lower_case_letters_digits_and_hyphens() {
    for good in ["a", "pay-1", &"x".repeat(63)] {
        assert_eq!(ServerSlug::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "Pay", "a_b", "a/b", "ä", "..", &"x".repeat(64)] {
        assert!(ServerSlug::parse(bad).is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn grant_ids_survive_a_round_trip_and_differ() {
    let zero = GrantId::from_bytes([0; 16]);
    let full = GrantId::from_bytes([255; 16]);
    assert_eq!(zero.as_str(), "grt_00000000000000000000000000");
    assert_eq!(full.as_str(), "grt_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    for id in [zero, full] {
        assert_eq!(GrantId::parse(id.as_str()).unwrap(), id);
    }
    for bad in ["grt_", "grt_0000000000000000000000000", "apr_00000000000000000000000000"] {
        assert!(GrantId::parse(bad).is_err());
    }
    assert!(GrantId::parse("grt_0000000000000000000000000u").is_err());
}

#[test]
fn labels_hold_no_control_characters() {
    assert!(Label::parse("Agent of finance, 2nd").is_ok());
    for bad in ["", " a", "a ", "a\nb", "a\u{1b}[0m", &"x".repeat(201)] {
        assert!(Label::parse(bad).is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn an_error_names_what_was_expected() {
    let error = PolicyName::parse("a b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "policy name \"a b\" is not valid: 1 to 128 characters of A-Z, a-z, 0-9, _ . -"
    );
}

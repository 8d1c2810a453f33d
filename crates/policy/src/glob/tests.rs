//! Globs against a naive matcher.

use proptest::prelude::*;

use super::Glob;

fn naive(glob: &[u8], name: &[u8]) -> bool {
    match glob.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|from| naive(rest, &name[from..])),
        Some((byte, rest)) => {
            name.split_first().is_some_and(|(first, name)| first == byte && naive(rest, name))
        }
    }
}

proptest! {
    #[test]
    fn matches_what_a_naive_matcher_does(glob in "[ab*]{0,7}", name in "[ab]{0,9}") {
        prop_assert_eq!(Glob::new(&glob).matches(&name), naive(glob.as_bytes(), name.as_bytes()));
    }
}

#[test]
fn whole_names_only() {
    for (glob, name, matches) in [
        ("pay*", "pay", true),
        ("pay*", "pay_invoice", true),
        ("pay*", "repay", false),
        ("*_read", "_read", true),
        ("*_read", "x_reader", false),
        ("a*a", "a", false),
        ("ab*ba", "aba", false),
        ("*", "", true),
        ("**", "ä", true),
        ("pay", "pay", true),
        ("pay", "Pay", false),
        ("a?[b]", "a?[b]", true),
    ] {
        assert_eq!(Glob::new(glob).matches(name), matches, "{glob} {name}");
    }
    assert_eq!(Glob::new("*ä*b*").literal_chars(), 2);
}

use super::{CHOICE, Theme, choices, chosen};

#[test]
fn a_word_that_is_none_of_ours_is_as_the_system() {
    assert_eq!(Theme::of("dark"), Theme::Dark);
    assert_eq!(Theme::of("light"), Theme::Light);
    for odd in ["", "Dark", "\"><script>", "system"] {
        assert_eq!(Theme::of(odd), Theme::System, "{odd}");
    }
}

#[test]
fn a_page_says_only_what_somebody_chose() {
    assert_eq!(chosen(), None, "outside of a request");
    let (said, all) = CHOICE.sync_scope(Theme::Dark, || (chosen(), choices()));
    assert_eq!(said, Some("dark"));
    assert_eq!(all.map(|(_, _, is_chosen)| is_chosen), [false, false, true]);
    assert_eq!(CHOICE.sync_scope(Theme::System, chosen), None);
}

//! Texts on the way through a form.

use super::with_line_ends_of;

#[test]
fn a_form_does_not_change_the_line_ends_of_a_text() {
    for before in ["a\nb\n", "a\r\nb\r\n", "a\r\nb\nc", "a\rb"] {
        let sent = before.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        assert_eq!(with_line_ends_of(before, &sent), before);
    }
    assert_eq!(with_line_ends_of("a\nb\n", "a\r\nc\r\n"), "a\nc\n");
    assert_eq!(with_line_ends_of("a\r\nb\r\n", "a\r\nc\r\n"), "a\r\nc\r\n");
    assert_eq!(with_line_ends_of("", "a\r\n"), "a\n");
}

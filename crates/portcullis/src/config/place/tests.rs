use super::{Position, nearest};

#[test]
fn positions_count_characters_from_one() {
    let text = "ab\nüx = 1\n";
    assert_eq!(Position::of(text, 0), Position { line: 1, column: 1 });
    assert_eq!(Position::of(text, 3), Position { line: 2, column: 1 });
    assert_eq!(Position::of(text, 5), Position { line: 2, column: 2 });
    assert_eq!(Position::of(text, 4), Position { line: 2, column: 1 });
    assert_eq!(Position::of(text, 99), Position { line: 3, column: 1 });
}

#[test]
fn the_nearest_word_is_offered_only_when_near() {
    let words = ["slug", "url", "headers", "timeouts"];
    assert_eq!(nearest("sulg", words), Some("slug"));
    assert_eq!(nearest("header", words), Some("headers"));
    assert_eq!(nearest("URL", words), Some("url"));
    assert_eq!(nearest("password", words), None);
}

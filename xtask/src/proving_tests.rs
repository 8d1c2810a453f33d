use super::{EXACTLY, KILLS, holds};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn numbers_are_handed_over_by_name() {
    let number = |name, value: &str| (name, value.to_owned());
    let rounds = number("PORTCULLIS_SOAK_ROUNDS", "1000");
    assert_eq!(EXACTLY.numbers_of(&[]), Ok(vec![rounds]));
    let kills = [number("PORTCULLIS_SOAK_KILLS", "7"), number("PORTCULLIS_SOAK_SEED", "12")];
    assert_eq!(KILLS.numbers_of(&words("7 12")), Ok(kills.to_vec()));
    assert_eq!(KILLS.numbers_of(&words("7")), Ok(kills[..1].to_vec()));
}

#[test]
fn other_words_are_refused() {
    assert!(EXACTLY.numbers_of(&words("many")).is_err());
    assert!(EXACTLY.numbers_of(&words("1 2")).is_err());
}

#[test]
fn a_word_is_found_in_a_program() {
    assert!(holds(b"\0\x7fELF..a word..", "word"));
    assert!(!holds(b"\0\x7fELF..a wor", "word"));
    assert!(!holds(b"", "word"));
}

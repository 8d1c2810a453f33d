use proptest::prelude::*;

use super::*;

fn sign(change: Change) -> &'static str {
    match change {
        Change::Same | Change::Left => " ",
        Change::Added => "+",
        Change::Removed => "-",
    }
}

fn shown(old: &str, new: &str) -> Vec<String> {
    between(old, new)
        .into_iter()
        .map(|line| format!("{}{}", sign(line.change), line.text))
        .collect()
}

#[test]
fn a_change_is_shown_with_the_lines_around_it() {
    let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
    let new = "a\nb\nc\nd\nE\nf\ng\nh\n";
    let lines = [" … 1 line as before", " b", " c", " d", "-e", "+E", " f", " g", " h"];
    assert_eq!(shown(old, new), lines);
    assert_eq!(shown(old, old), Vec::<String>::new());
    assert_eq!(shown("", "x\n"), ["+x"]);
    assert_eq!(shown("x\n", ""), ["-x"]);
}

#[test]
fn a_difference_without_bound_is_shown_as_one() {
    let text = |word: &str| {
        let lines: Vec<String> = (0..2_500).map(|n| format!("{word}{n}")).collect();
        lines.join("\n")
    };
    let lines = between(&text("a"), &text("b"));
    assert_eq!(lines.len(), 5_000);
}

proptest! {
    #[test]
    fn both_texts_can_be_read_from_the_whole(
        old in prop::collection::vec("[ab]{0,2}", 0..20),
        new in prop::collection::vec("[ab]{0,2}", 0..20),
    ) {
        let old: Vec<&str> = old.iter().map(String::as_str).collect();
        let new: Vec<&str> = new.iter().map(String::as_str).collect();
        let all = whole(&old, &new);
        let of = |gone: Change| {
            all.iter().filter(|line| line.change != gone).map(|line| line.text.as_str()).collect::<Vec<_>>()
        };
        prop_assert_eq!(of(Change::Added), old);
        prop_assert_eq!(of(Change::Removed), new);
    }
}

use proptest::prelude::*;

use super::difference::difference;
use super::{pretty, unseen};

fn shown(old: &str, new: &str) -> String {
    let lines = difference(old, new).into_iter().map(|line| {
        let mark = match line.kind {
            "added" => '+',
            "removed" => '-',
            _ => ' ',
        };
        format!("{mark}{}", line.text)
    });
    lines.collect::<Vec<_>>().join("|")
}

#[test]
fn what_changed_is_shown_in_its_place() {
    assert_eq!(shown("a\nb\nc", "a\nx\nc"), " a|-b|+x| c");
    assert_eq!(shown("", "a\nb"), "+a|+b");
    assert_eq!(shown("a\nb", ""), "-a|-b");
    assert_eq!(shown("a\nb\nc\nd", "b\nc\ne\nd"), "-a| b| c|+e| d");
    assert_eq!(shown("a", "a"), " a");
}

#[test]
fn what_is_hidden_behind_an_escape_is_counted() {
    assert_eq!(unseen(r#"{"name":"t","description":"a\u202eb\u200b"}"#), 2);
    assert_eq!(unseen("{\"name\":\"t\\n\"}"), 0);
    assert_eq!(pretty("no json"), "no json");
}

proptest! {
    #[test]
    fn both_texts_can_be_read_out_of_a_difference(
        old in prop::collection::vec("[abc]", 0..12),
        new in prop::collection::vec("[abc]", 0..12),
    ) {
        let lines = difference(&old.join("\n"), &new.join("\n"));
        let of = |other: &str| -> Vec<String> {
            lines.iter().filter(|l| l.kind != other).map(|l| l.text.clone()).collect()
        };
        prop_assert_eq!(of("added"), old);
        prop_assert_eq!(of("removed"), new);
    }
}

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect_file;

use super::Reason;

#[test]
fn every_reason_has_a_word_and_a_meaning_of_its_own() {
    let mut words = BTreeSet::new();
    let mut meanings = BTreeSet::new();
    let mut table = String::from("| reason | in words |\n|---|---|\n");
    for reason in Reason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(reason));
        assert!(words.insert(reason.as_str()), "{reason}");
        assert!(meanings.insert(reason.meaning()), "{reason}");
        writeln!(table, "| `{reason}` | {} |", reason.meaning()).unwrap();
    }
    expect_file!["../../testdata/words/reasons.md"].assert_eq(&table);
}

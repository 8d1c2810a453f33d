use std::time::Duration;

use super::{SECONDS, Wish};

fn read(line: &str) -> Result<Wish, String> {
    Wish::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

fn wish(part: Option<&str>, names: &[&str], seconds: u64) -> Wish {
    Wish {
        part: part.map(str::to_owned),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        time: Duration::from_secs(seconds),
    }
}

#[test]
fn words_are_a_part_its_names_and_a_time() {
    assert_eq!(read(""), Ok(wish(None, &[], SECONDS)));
    assert_eq!(read("fuzz"), Ok(wish(Some("fuzz"), &[], SECONDS)));
    assert_eq!(read("--seconds 60"), Ok(wish(None, &[], 60)));
    assert_eq!(read("fuzz sse --seconds 5 values"), Ok(wish(Some("fuzz"), &["sse", "values"], 5)));
}

#[test]
fn other_words_are_refused() {
    for line in ["fuzz --seconds", "fuzz --seconds soon", "fuzz --minutes 1", "-v"] {
        assert!(read(line).is_err(), "{line}");
    }
}

use policy::UnixMillis;

use super::{GrantForm, expires, tags};

fn form(expires: &str, date: &str) -> GrantForm {
    GrantForm { expires: expires.to_owned(), date: date.to_owned(), ..GrantForm::default() }
}

#[test]
fn a_grant_ends_when_the_form_says_so() {
    let end = |text: &str, date: &str| expires(&form(text, date), UnixMillis(1_000)).ok();
    assert_eq!(end("never", ""), Some(None));
    assert_eq!(end("1", ""), Some(Some(UnixMillis(86_401_000))));
    assert_eq!(end("date", "1970-01-01"), Some(Some(UnixMillis(86_400_000))));
    for wrong in ["", "0", "-1", "99999999999", "soon"] {
        assert_eq!(end(wrong, ""), None, "{wrong}");
    }
    for wrong in ["", "tomorrow", "2027-13-01", "9999-12-31"] {
        assert_eq!(end("date", wrong), None, "{wrong}");
    }
}

#[test]
fn tags_are_pairs_one_a_line() {
    let read = tags(" team = finance \r\n\nenv=prod=1\n").unwrap();
    let read: Vec<(&str, &str)> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(read, [("env", "prod=1"), ("team", "finance")]);
    assert!(tags("team").is_err());
    assert!(tags("=x").is_err());
    let many: Vec<String> = (0..60).map(|n| format!("k{n}=v")).collect();
    assert!(tags(&many.join("\n")).is_err());
}

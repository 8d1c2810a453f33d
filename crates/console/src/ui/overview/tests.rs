use policy::UnixMillis;
use store::{AuditCounts, ServerSlug};

use super::{Attention, Check, Numbers, Spark, needs, refused, tiles};
use crate::health::Required;

#[test]
fn a_spark_shows_every_hour_and_what_is_not_nothing() {
    let text = Spark(vec![0, 1, 1_000]).to_string();
    assert_eq!(
        text,
        "<rect x=\"0\" y=\"32\" width=\"4\" height=\"0\"/>\
         <rect x=\"6\" y=\"31\" width=\"4\" height=\"1\"/>\
         <rect x=\"12\" y=\"0\" width=\"4\" height=\"32\"/>"
    );
}

#[test]
fn the_numbers_are_those_of_all_hours() {
    let hour = AuditCounts { allowed: 700, denied: 2, limited: 0, held: 1, refused: 3 };
    let since = UnixMillis(1_767_225_600_000);
    let numbers = Numbers { since, hours: vec![hour, hour], is_complete: true };
    let shown = tiles(&numbers);
    let counts: Vec<&str> = shown.iter().map(|tile| tile.count.as_str()).collect();
    assert_eq!(counts, ["1\u{202f}400", "4", "0", "2"]);
    // A number and the list behind it are of the same time.
    let of = |verdict| format!("/activity?verdict={verdict}&since=2026-01-01T00%3A00%3A00Z");
    let addresses: Vec<&str> = shown.iter().map(|tile| tile.address.as_str()).collect();
    assert_eq!(addresses, ["allow", "deny", "limited", "hold"].map(of));
    assert_eq!(refused(&numbers), Some(("6".to_owned(), of("refused"))));
}

#[test]
fn many_needs_are_named_up_to_a_bound_and_the_others_counted() {
    let server = |number: usize| (ServerSlug::parse(&format!("s{number}")).unwrap(), 1);
    let attention = Attention {
        holds: 1,
        expiring: vec![("night agent".to_owned(), "g2".to_owned(), UnixMillis(86_400_000))],
        quarantined: (0..7).map(server).collect(),
        without_policy: vec![("ci".to_owned(), "g1".to_owned())],
        warned: vec![("pay strict".to_owned(), 2)],
        ..Attention::default()
    };
    let failing = Check {
        name: "server pay".to_owned(),
        problem: Some("no answer".to_owned()),
        required: Required::No,
    };
    let (named, further) = needs(&attention, &[failing], UnixMillis(0));
    assert_eq!((named.len(), further), (10, 2));
    assert_eq!(named[0].text, "1 call waits for a person");
    assert_eq!(named[1].text, "server pay: no answer");
    assert_eq!(
        (named[7].text.as_str(), named[7].address.as_str()),
        ("The grant night agent ends", "/grants/g2")
    );
    assert_eq!(named[9].text, "The policy pay strict has 2 warnings");
    assert_eq!(named[9].address, "/policies/pay%20strict");
    assert_eq!(named[2].text, "1 tool is new or changed on s0, and kept out");
}

use askama::Template;
use policy::UnixMillis;

use super::{Asked, Line, Lines};
use crate::ui::look::{Badge, When};

/// A page that holds lines as others do.
#[derive(Template)]
#[template(source = "<tbody>{{ lines }}</tbody>", ext = "html")]
struct Around {
    lines: Lines,
}

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn asked(since: &str, verdict: &str) -> Asked {
    Asked { since: since.to_owned(), verdict: verdict.to_owned(), ..Asked::default() }
}

#[test]
fn spans_and_instants_are_understood_and_nothing_else() {
    let since = |text: &str| asked(text, "").filter(NOW).map(|filter| filter.since.map(|at| at.0));
    assert_eq!(since("").unwrap(), None);
    assert_eq!(since("90m").unwrap(), Some(NOW.0 - 5_400_000));
    assert_eq!(since("7d").unwrap(), Some(NOW.0 - 604_800_000));
    assert_eq!(since("2027-01-01T00:00:00Z").unwrap(), Some(1_798_761_600_000));
    for wrong in ["yesterday", "h", "99999999999999999999d", "9223372036854775807d", "24 h"] {
        assert!(since(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_verdict_of_the_address_is_a_verdict_and_a_reason_of_the_log() {
    let filter = asked("", "limited").filter(NOW).unwrap();
    assert_eq!(filter.verdict.as_deref(), Some("deny"));
    assert_eq!(filter.reason.as_deref(), Some("limit_exceeded"));
    // "Denied" and "Limited" are two words of the console: a call is one of them.
    let denied = asked("", "deny").filter(NOW).unwrap();
    assert_eq!((denied.verdict.as_deref(), denied.reason), (Some("deny"), None));
    assert_eq!(denied.except_reason.as_deref(), Some("limit_exceeded"));
    let both = Asked { reason: "limit_exceeded".to_owned(), ..asked("", "deny") };
    assert_eq!(both.filter(NOW).unwrap().except_reason, None);
    assert!(asked("", "maybe").filter(NOW).is_err());
}

#[test]
fn an_address_carries_hostile_names_as_data() {
    let asked = Asked { tool: "a&verdict=deny#\"><script>".to_owned(), ..asked("24h", "allow") };
    assert_eq!(
        asked.address("/activity", "17"),
        "/activity?verdict=allow&tool=a%26verdict%3Ddeny%23%22%3E%3Cscript%3E&since=24h&before=17"
    );
    assert_eq!(Asked::default().address("/activity", ""), "/activity");
}

fn line(tool: &str, rule: &str) -> Line {
    Line {
        seq: 7,
        when: When::new(NOW, NOW),
        badge: Badge::verdict("deny", Some("limit_exceeded")),
        would: None,
        server: "pay".to_owned(),
        tool: tool.to_owned(),
        grant: "\u{202e}ops".to_owned(),
        client: String::new(),
        why: String::new(),
        rule: rule.to_owned(),
        latency: String::new(),
    }
}

#[test]
fn a_rule_is_named_without_the_tool_beside_it_and_whole_elsewhere() {
    assert_eq!(line("pay", "/tools/pay/require/0").rule_here(), "require/0");
    assert_eq!(line("pay", "ceiling").rule_here(), "ceiling");
    for whole in ["/default", "/tools/pay", "/tools/pay_more/action", "/tools/@write/limits/0"] {
        assert_eq!(line("pay", whole).rule_here(), whole);
    }
}

/// The lines stand in the page as a table, not as text.
#[test]
fn lines_are_markup_and_what_stands_in_them_is_not() {
    let line = line("<script>alert(1)</script>", "");
    let page = Around { lines: Lines { lines: vec![line] } }.render().unwrap();
    assert!(page.contains("<tr id=\"call-7\">"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(page.contains("<span class=\"unseen\">U+202E</span>ops"), "{page}");
}

use policy::UnixMillis;

use super::{Badge, Visible, When, browser, grouped, reason, span};

#[test]
fn what_others_wrote_is_inert_and_nothing_in_it_is_hidden() {
    let hostile = "<img src=x onerror=\"alert('1')\">&\u{202e}gpj\u{200b}\u{7}\u{e0041}\n";
    assert_eq!(
        Visible(hostile.to_owned()).to_string(),
        "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;\
         <span class=\"unseen\">U+202E</span>gpj<span class=\"unseen\">U+200B</span>\
         <span class=\"unseen\">U+0007</span><span class=\"unseen\">U+E0041</span>\n"
    );
}

#[test]
fn a_badge_says_its_word_even_if_nobody_knows_it() {
    let badge = Badge::risk("<b>").to_string();
    assert!(badge.contains("badge neutral") && badge.ends_with("&lt;b&gt;</span>"), "{badge}");
    let limited = Badge::verdict("deny", Some("limit_exceeded")).to_string();
    assert!(limited.contains("badge limit") && limited.contains("Limited"), "{limited}");
}

#[test]
fn times_say_how_long_ago_and_when() {
    let at = |seconds: i64| {
        When::new(UnixMillis(1_000_000_000_000), UnixMillis(1_000_000_000_000 + seconds * 1_000))
            .to_string()
    };
    assert!(at(2).ends_with(">just now</time>"), "{}", at(2));
    assert!(at(119).ends_with(">1 min ago</time>"), "{}", at(119));
    assert!(at(-7_300).ends_with(">in 2 h</time>"), "{}", at(-7_300));
    assert!(at(2).contains("datetime=\"2001-09-09T01:46:40Z\""), "{}", at(2));
    assert_eq!([span(0), span(86_400)], ["0 s", "1 d"]);
}

#[test]
fn numbers_are_grouped() {
    let shown = [0, 999, 1_000, 1_234_567].map(|number| grouped(number).replace('\u{202f}', " "));
    assert_eq!(shown, ["0", "999", "1 000", "1 234 567"]);
}

#[test]
fn every_reason_of_the_engine_has_its_words() {
    for word in policy::Reason::ALL.map(policy::Reason::as_str) {
        assert_ne!(reason(word), word);
    }
}

#[test]
fn a_browser_is_named_as_people_say_it() {
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36";
    let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36 Edg/148.0.0.0";
    let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1";
    assert_eq!(browser(chrome), "Chrome on Linux");
    assert_eq!(browser(edge), "Edge on Windows");
    assert_eq!(browser(safari), "Safari on iPhone");
    assert_eq!(browser("Firefox/150.0"), "Firefox");
    for odd in ["curl/8.0", "<script>alert(1)</script>", ""] {
        assert_eq!(browser(odd), odd);
    }
}

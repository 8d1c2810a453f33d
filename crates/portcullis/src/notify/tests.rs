use serde_json::{Value, json};

use super::*;

fn event(name: &str, reason: &str) -> String {
    json!({
        "id": "dlv_0", "event": "approval.decided",
        "approval": {
            "id": "apr_0", "url": "https://console.example/approvals/apr_0", "state": "rejected",
            "server": "pay", "name": name, "risk": "critical", "reason": reason,
            "arguments": { "to": "<!here> `x` https://evil.example" },
            "rules": [{ "rule": "r", "message": "see <https://evil.example|this>" }],
            "expires_at": "2026-01-01T00:00:00Z",
        }
    })
    .to_string()
}

#[test]
fn hostile_texts_mention_nobody_and_link_nowhere_in_a_chat() {
    let hostile = "a`*b*<!channel>\u{202e}\n@here &lt;";
    let message: Value = serde_json::from_str(&slack::message(&event(hostile, hostile))).unwrap();
    let blocks = message["blocks"].as_array().unwrap();
    let texts: Vec<&str> = blocks.iter().map(|b| b["text"]["text"].as_str().unwrap()).collect();
    let (link, others) = texts.split_last().unwrap();
    assert_eq!(
        *link,
        "<https://console.example/approvals/apr_0|Open the call> (until 2026-01-01T00:00:00Z)"
    );
    for text in others {
        assert!(!text.contains('<') && !text.contains('>') && !text.contains('\u{202e}'), "{text}");
        // What others wrote stands between back-ticks, of which there are as many as we made.
        let outside: String = text.split('`').step_by(2).collect();
        assert!(!outside.contains('@') && !outside.contains("evil"), "{outside}");
    }
    assert!(
        others[0].contains("a'*b*&lt;!channel&gt;[U+202E][U+000A]@here &amp;lt;"),
        "{others:?}"
    );
    assert_eq!(message["text"], "A held call was rejected");
}

#[test]
fn a_message_is_tried_again_with_growing_pauses_and_then_given_up() {
    let mut before = 0;
    let mut last = 0;
    loop {
        let now = clock::now();
        match ended(Ok(StatusCode::SERVICE_UNAVAILABLE), before) {
            Attempted::Again(at, Some(503), _) => {
                let pause = at.0 - now.0;
                assert!(pause > last, "{pause}");
                last = pause;
            }
            end @ (Attempted::Again(..) | Attempted::Delivered(_) | Attempted::GivenUp(..)) => {
                assert!(matches!(end, Attempted::GivenUp(Some(503), _)), "{end:?}");
                break;
            }
        }
        before += 1;
    }
    assert_eq!(before, 8);
    assert_eq!(ended(Ok(StatusCode::ACCEPTED), 3), Attempted::Delivered(202));
    assert!(matches!(ended(Ok(StatusCode::GONE), 0), Attempted::GivenUp(Some(410), _)));
    assert!(matches!(ended(Err("no".to_owned()), 0), Attempted::Again(_, None, _)));
}

/// Characters of a section's text that Slack takes.
const SECTION_CHARS_MAX: usize = 3_000;

#[test]
fn no_call_makes_a_message_that_a_chat_refuses() {
    for hostile in ["\u{1}", "&", "<", "`", "\u{202e}", "\u{1F600}", "x"] {
        let long = hostile.repeat(20_000);
        let mut event: Value = serde_json::from_str(&event(&long, &long)).unwrap();
        let rules: Vec<Value> = (0..50).map(|_| json!({ "rule": long, "message": long })).collect();
        event["approval"]["rules"] = json!(rules);
        event["approval"]["rules_count"] = json!(77);
        for (name, of) in [("server", "pay"), ("grant", ""), ("decided_by", ""), ("risk", "")] {
            event["approval"][name] = json!(format!("{of}{long}"));
        }
        event["approval"]["arguments"] = json!({ "to": long });
        let message: Value = serde_json::from_str(&slack::message(&event.to_string())).unwrap();
        let blocks = message["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 3);
        for block in blocks {
            let text = block["text"]["text"].as_str().unwrap();
            assert!(text.chars().count() <= SECTION_CHARS_MAX, "{}", text.chars().count());
        }
        let first = blocks[0]["text"]["text"].as_str().unwrap();
        // Nothing is cut in the middle of what stands for a character.
        let spans = first.split('`').skip(1).step_by(2);
        for span in spans.filter(|span| span.ends_with('…')) {
            let end = span.trim_end_matches('…').chars().next_back().unwrap();
            assert!(matches!(end, ']' | ';' | '\'' | 'x' | '\u{1F600}'), "{span}");
        }
        assert!(first.contains("… and 74 more rules"), "{first}");
    }
    // What is too long for any message is named.
    let mut event: Value = serde_json::from_str(&event("send", "no")).unwrap();
    event["approval"]["arguments"] = Value::Null;
    event["approval"]["arguments_bytes"] = json!(4_000_000);
    let message = slack::message(&event.to_string());
    assert!(message.contains("4000000 bytes, too long to show here"), "{message}");
}

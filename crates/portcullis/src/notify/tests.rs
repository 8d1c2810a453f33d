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

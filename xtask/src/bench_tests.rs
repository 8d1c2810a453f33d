use serde_json::{Value, json};

use super::is_right;

fn results(pace: &Value, answers: u64, denied: u64) -> Value {
    let run = json!({ "answers": answers, "denied": denied, "errors": 0 });
    json!({ "rows": [{ "workload": "W1", "pace": pace, "target": "proxy", "runs": [run] }] })
}

#[test]
fn a_row_must_be_there_and_right() {
    let closed = json!("closed");
    assert!(is_right(&results(&closed, 5, 0), &("W1", "proxy")));
    assert!(!is_right(&results(&closed, 0, 0), &("W1", "proxy")), "no answer");
    assert!(!is_right(&results(&closed, 5, 1), &("W1", "proxy")), "a refusal");
    assert!(!is_right(&results(&closed, 5, 0), &("W1", "portcullis")));
    assert!(!is_right(&results(&closed, 5, 0), &("W2", "proxy")));
    assert!(!is_right(&json!({}), &("W1", "proxy")));
}

#[test]
fn a_fixed_rate_is_a_row_of_its_own() {
    let fixed = json!({ "fixed": 1000.0 });
    assert!(is_right(&results(&fixed, 5, 0), &("W1 fixed", "proxy")));
    assert!(!is_right(&results(&fixed, 5, 0), &("W1", "proxy")));
    assert!(!is_right(&results(&json!("closed"), 5, 0), &("W1 fixed", "proxy")));
}

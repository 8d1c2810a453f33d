use std::sync::Arc;

use super::{GRANT_USE_LAG_MS, GrantUses, grant_of};
use crate::writer::{Job, Waits};

const GRANT: &str = "grt_00000000000000000000000001";

fn call(grant: &str, time: i64) -> Job {
    Job::Open {
        ticket: Arc::default(),
        record: format!("{{\"kind\":\"decision\",\"grant\":\"a\",\"grant_id\":\"{grant}\"}}"),
        ended: None,
        time,
        approval: None,
        waits: Waits::No,
    }
}

#[test]
fn a_use_is_written_once_in_a_while_and_with_its_latest_time() {
    let mut uses = GrantUses::default();
    let first = uses.due(&[call(GRANT, 5), call(GRANT, 9), call(GRANT, 7)]);
    assert_eq!(first, [(GRANT.to_owned(), 9)]);
    // What was not committed is due again.
    assert_eq!(uses.due(&[call(GRANT, 9)]), first);
    uses.saved(first);
    assert!(uses.due(&[call(GRANT, 9 + GRANT_USE_LAG_MS - 1)]).is_empty());
    assert_eq!(uses.due(&[call(GRANT, 9 + GRANT_USE_LAG_MS)]).len(), 1);
}

#[test]
fn the_grant_is_the_gateways_word_and_not_the_agents() {
    assert_eq!(grant_of("{\"grant_id\":\"grt_x\",\"server\":\"s\"}"), Some("grt_x"));
    let label = "{\"grant\":\"\\\"grant_id\\\":\\\"grt_evil\\\"\",\"grant_id\":\"grt_x\"}";
    assert_eq!(grant_of(label), Some("grt_x"));
    assert_eq!(grant_of("{\"kind\":\"rejected\"}"), None);
    assert_eq!(grant_of("{\"arguments\":{\"grant_id\":\"me\"}}"), None);
}

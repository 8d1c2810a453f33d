use super::{Setup, micros};
use crate::workload::Workload;

#[test]
fn a_decision_takes_time() {
    assert!(micros(10).unwrap() > 0.0);
}

#[test]
fn a_policy_may_have_ten_thousand_tools() {
    let setup = Setup { tools: 10_000, conditions: 5, ..Setup::plain(Workload::W1) };
    policy::Document::parse(&setup.policy_of_one().to_string()).unwrap();
}

use clap::Parser;

use super::{Pace, RunArgs, split};
use crate::workload::Workload;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: RunArgs,
}

fn args(line: &str) -> RunArgs {
    Line::parse_from(line.split(' ')).args
}

#[test]
fn everything_is_measured_unless_something_is_named() {
    assert_eq!(args("bench").workloads(), Workload::ALL);
    let some = args("bench -w W6 -w W1");
    assert_eq!(some.workloads(), [Workload::W1, Workload::W6]);
}

#[test]
fn only_w1_has_a_rate_of_its_own() {
    let paces = |line: &str, workload| args(line).paces(workload);
    assert_eq!(paces("bench", Workload::W1), [Pace::Closed, Pace::Fixed(1000.0)]);
    assert_eq!(paces("bench", Workload::W2), [Pace::Closed]);
    assert_eq!(paces("bench --rate 0", Workload::W1), [Pace::Closed]);
    assert_eq!(paces("bench --rate 50", Workload::W2), [Pace::Closed, Pace::Fixed(50.0)]);
    assert_eq!(paces("bench --rate 50", Workload::W5), [Pace::Idle]);
}

#[test]
fn measurements_are_counted_before_they_are_made() {
    assert_eq!(args("bench -w W5 -r 4 proxy portcullis").measurements(), 2);
    assert_eq!(args("bench -w W2 -r 4 proxy portcullis").measurements(), 8);
    assert_eq!(args("bench -w W1 -r 4 proxy portcullis").measurements(), 8 + 12);
}

#[test]
fn one_core_is_not_divided() {
    assert_eq!(split(&[0, 1, 2]), (vec![0], vec![1, 2]));
    assert_eq!(split(&[3]), (vec![], vec![]));
}

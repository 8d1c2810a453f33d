use clap::Parser;

use super::{Pace, Part, RunArgs};
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
    let some = args("bench -o w6 --workload W1");
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
    assert_eq!(args("bench -o W5 -r 4 proxy portcullis").measurements(), 2);
    assert_eq!(args("bench -o W2 -r 4 proxy portcullis").measurements(), 8);
    assert_eq!(args("bench -o W1 -r 4 proxy portcullis").measurements(), 8 + 12);
}

#[test]
fn targets_are_named_for_workloads() {
    let wants = |line: &str, part| args(line).wants(part);
    assert!(wants("bench", Part::Scale) && wants("bench", Part::Limits));
    assert!(!wants("bench proxy portcullis", Part::Scale));
    assert!(wants("bench proxy portcullis", Part::Of(Workload::W1)));
    let one = args("bench --only limits");
    assert!(one.wants(Part::Limits) && !one.wants(Part::Scale) && one.workloads().is_empty());
    assert_eq!(one.measurements(), 0);
}

#[test]
fn a_quick_run_is_short_unless_something_is_said() {
    let quick = args("bench --quick -d 2");
    assert_eq!((quick.rounds, quick.rows), (1, 100_000));
    assert!((quick.duration - 2.0).abs() < f64::EPSILON);
    let whole = args("bench");
    assert_eq!((whole.rounds, whole.rows), (5, 1_000_000));
}

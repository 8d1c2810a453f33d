use super::{Pace, Results, Row, Run};
use crate::load::Found;
use crate::workload::Workload;

fn row(figures: &[f64]) -> Row {
    let mut row = Row::new(Workload::W1, Pace::Closed, "proxy");
    for (round, figure) in (0..).zip(figures) {
        let found = Found { answers: 1, p50_us: *figure, ..Found::default() };
        row.runs.push(Run { round, found });
    }
    row
}

#[test]
fn a_median_is_the_middle() {
    let median = |figures: &[f64]| row(figures).median(|found| Some(found.p50_us));
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[9.0, 1.0, 3.0]), Some(3.0));
    assert_eq!(median(&[9.0, 1.0, 3.0, 5.0]), Some(4.0));
    assert_eq!(row(&[9.0, 1.0, 3.0]).range(|found| found.p50_us), Some((1.0, 9.0)));
}

#[test]
fn one_refusal_spoils_a_run() {
    let mut results = Results { rows: vec![row(&[1.0])], ..Results::of(String::new()) };
    assert_eq!(results.first_problem(), None);
    let found = Found {
        answers: 5,
        denied: 1,
        first_problem: Some("denied by policy".to_owned()),
        ..Found::default()
    };
    results.record(Workload::W1, Pace::Closed, "proxy", Run { round: 1, found });
    assert_eq!(results.first_problem().as_deref(), Some("W1 proxy: denied by policy"));
}

#[test]
fn a_run_without_an_answer_does_not_count() {
    let row = Row::new(Workload::W2, Pace::Closed, "proxy");
    let results = Results { rows: vec![row], ..Results::of(String::new()) };
    assert!(results.first_problem().is_some());
    assert_eq!(results.tables(), [(Workload::W2, Pace::Closed)]);
}

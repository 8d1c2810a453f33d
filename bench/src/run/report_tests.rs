use super::text;
use crate::load::Found;
use crate::run::summary::{Pace, Results, Row, Run};
use crate::workload::Workload;

fn results() -> Results {
    let rate = Pace::Fixed(100.0);
    let of = |pace, target, cpu_us: Option<f64>, p50_us| {
        let mut row = Row::new(Workload::W1, pace, target);
        let found = Found { answers: 1, per_second: 10.0, cpu_us, p50_us, ..Found::default() };
        row.runs.push(Run { round: 0, found });
        row
    };
    let rows = vec![
        of(Pace::Closed, "proxy", Some(20.0), 50.0),
        of(Pace::Closed, "portcullis", Some(30.0), 60.0),
        of(rate, "proxy", Some(20.0), 110.0),
        of(rate, "direct", None, 100.0),
    ];
    Results { rows, ..Results::of("a machine".to_owned()) }
}

#[test]
fn ratios_are_against_the_first_target() {
    let text = text(&results(), true);
    let line = text.lines().find(|line| line.contains("| portcullis ")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    assert_eq!(cells[5..7], ["30.0", "1.50"], "{text}");
}

#[test]
fn latency_is_added_to_that_of_the_server_alone() {
    let text = text(&results(), true);
    let fixed = text.split("100 calls a second").nth(1).unwrap();
    let line = fixed.lines().find(|line| line.contains("| proxy ")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    assert_eq!((cells[2], cells[5]), ("110", "10"), "{text}");
}

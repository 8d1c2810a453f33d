use super::Tally;
use crate::clock;
use crate::load::Found;
use crate::message::Fault;

#[test]
fn only_the_measured_time_counts() {
    let tally = Tally::new().unwrap();
    let from = clock::now();
    tally.right(from, true);
    tally.begin();
    tally.right(from, true);
    tally.right(from, true);
    assert_eq!(tally.end(), 2);
    tally.right(from, true);
    assert_eq!(tally.end(), 2);
}

#[test]
fn a_problem_counts_whenever_it_comes() {
    let tally = Tally::new().unwrap();
    tally.note(&Fault::Denied("no".to_owned()));
    tally.note(&Fault::Wrong("odd".to_owned()));
    let mut found = Found::default();
    tally.report(&mut found);
    assert_eq!((found.denied, found.errors), (1, 1));
    assert_eq!(found.first_problem.as_deref(), Some("no"));
}

#[test]
fn ids_are_never_used_twice() {
    let tally = Tally::new().unwrap();
    assert_ne!(tally.next_id(), tally.next_id());
}

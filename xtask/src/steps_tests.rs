use super::{Tally, summary};

fn of(line: &str, ok: bool) -> Tally {
    summary(&[line.to_owned()], ok)
}

#[test]
fn a_closing_line_is_counted() {
    let line = "     Summary [   9.663s] 12 tests run: 10 passed (1 slow), 2 failed, 3 skipped";
    assert_eq!(of(line, false), Tally { passed: 10, failed: 2 });
}

#[test]
fn a_run_without_failures_passes() {
    let line = "     Summary [   9.663s] 2 tests run: 2 passed, 0 skipped";
    assert_eq!(of(line, true), Tally { passed: 2, failed: 0 });
}

#[test]
fn a_run_that_ran_no_test_has_failed() {
    assert_eq!(of("     Summary [   0.001s] 0 tests run: 0 passed, 9 skipped", true).failed, 1);
    assert_eq!(of("error: could not compile", false).failed, 1);
}

#[test]
fn a_failure_without_a_count_is_still_one() {
    assert_eq!(of("     Summary [   0.1s] 2 tests run: 2 passed, 0 skipped", false).failed, 1);
}

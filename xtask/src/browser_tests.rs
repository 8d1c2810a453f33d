use super::count;

fn report(passed: usize, failed: usize, skipped: usize) -> String {
    format!(
        "TAP version 13\nok 1 - a name\n1..1\n# tests 1\n# suites 0\n# pass {passed}\n# fail {failed}\n\
         # cancelled 0\n# skipped {skipped}\n# todo 0\n# duration_ms 12.5\n"
    )
}

#[test]
fn a_report_is_counted() {
    assert_eq!(count(&report(12, 0, 0), true), Ok((12, 0)));
    assert_eq!(count(&report(10, 2, 0), false), Ok((10, 2)));
}

#[test]
fn a_test_that_was_left_out_has_failed() {
    assert_eq!(count(&report(10, 0, 1), true), Ok((10, 1)));
}

#[test]
fn a_run_that_ran_no_test_has_failed() {
    assert!(count(&report(0, 0, 0), true).is_err());
    assert!(count("", false).is_err());
}

#[test]
fn a_failure_without_a_count_is_still_one() {
    assert_eq!(count(&report(3, 0, 0), false), Ok((3, 1)));
}

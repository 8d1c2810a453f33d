//! How waits grow.

use super::{WAIT_MS_MAX, wait_after};

#[test]
fn waits_double_from_a_second_to_a_quarter_of_an_hour() {
    let waits: Vec<i64> = (0..18).map(|failures| wait_after(failures, 5)).collect();
    let seconds = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900];
    assert_eq!(waits, seconds.map(|s| s * 1_000));
    assert_eq!(wait_after(i64::MAX, 5), WAIT_MS_MAX);
}

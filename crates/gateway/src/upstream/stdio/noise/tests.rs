use std::time::Duration;

use tokio::time::Instant;

use super::{LINES_PER_SECOND_MAX, Noise};

#[test]
fn a_second_has_room_for_some_lines_and_says_how_many_it_left_out() {
    let begun = Instant::now();
    let mut noise = Noise::new(begun);
    for _line in 0..LINES_PER_SECOND_MAX {
        assert_eq!(noise.admits(begun), Some(0));
    }
    for _line in 0..7 {
        assert_eq!(noise.admits(begun + Duration::from_millis(999)), None);
    }
    let later = begun + Duration::from_secs(1);
    assert_eq!(noise.admits(later), Some(7));
    assert_eq!(noise.admits(later), Some(0));
}

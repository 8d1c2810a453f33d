use rustix::process::Rlimit;

use super::{DESCRIPTORS, raised};

fn asked(current: Option<u64>, maximum: Option<u64>) -> Option<(Option<u64>, Option<u64>)> {
    raised(&Rlimit { current, maximum }).map(|limits| (limits.current, limits.maximum))
}

#[test]
fn the_soft_limit_goes_up_as_far_as_allowed_and_the_hard_one_stays() {
    assert_eq!(asked(Some(1024), Some(4096)), Some((Some(4096), Some(4096))));
    assert_eq!(asked(Some(1024), Some(1 << 20)), Some((Some(DESCRIPTORS), Some(1 << 20))));
    assert_eq!(asked(Some(1024), None), Some((Some(DESCRIPTORS), None)));
    assert_eq!(asked(Some(1024), Some(1024)), None);
    assert_eq!(asked(Some(1 << 20), Some(1 << 20)), None, "it never goes down");
    assert_eq!(asked(None, None), None);
}

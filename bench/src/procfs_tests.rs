use std::time::Duration;

use super::{CpuTime, Memory, ticks};

#[test]
fn a_name_with_spaces_and_brackets_is_skipped() {
    let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 1 0 5 1 2";
    assert_eq!(ticks(line), Some(42));
    assert_eq!(ticks("7 (a) S 1"), None);
}

#[test]
fn this_process_has_time_and_memory() {
    let pid = std::process::id();
    let memory = Memory::of(pid).unwrap();
    assert!(memory.resident_kib > 0 && memory.peak_kib >= memory.resident_kib);
    let before = CpuTime::of(pid).unwrap();
    assert!(CpuTime::of(pid).unwrap().since(before).as_secs() < 60);
    assert!(CpuTime::of(u32::MAX).is_err());
}

#[test]
fn a_thread_that_ended_is_not_forgotten() {
    let ms = Duration::from_millis;
    let at = |whole, living| CpuTime { whole: ms(whole), living: ms(living), tick: ms(10) };
    assert_eq!(at(1000, 990).since(at(0, 0)), ms(990));
    assert_eq!(at(1000, 400).since(at(0, 0)), ms(1000));
}

use std::rc::Rc;

use super::{Schedule, Tally};

#[test]
fn rates_are_bounded() {
    assert!(Schedule::new(1000.0).is_ok());
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(Schedule::new(rate).is_err(), "{rate}");
    }
}

/// Slots are an interval apart whenever they are taken, and end with the measurement.
#[test]
fn slots_follow_the_schedule_and_not_the_caller() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let tally = Rc::new(Tally::new().unwrap());
        let schedule = Rc::new(Schedule::new(1000.0).unwrap());
        let ticking = {
            let (tally, schedule) = (Rc::clone(&tally), Rc::clone(&schedule));
            tokio::task::spawn_local(async move { schedule.run(&tally).await })
        };
        let first = schedule.next().await.unwrap();
        assert!(!first.counts);
        tally.begin();
        let mut last = first;
        for _ in 0..20 {
            let slot = schedule.next().await.unwrap();
            assert_eq!(slot.at - last.at, schedule.interval);
            last = slot;
        }
        assert!(last.counts);
        tally.end();
        while schedule.next().await.is_some() {}
        assert_eq!(ticking.await.unwrap(), Ok(()));
        assert!(!schedule.is_late());
    });
}

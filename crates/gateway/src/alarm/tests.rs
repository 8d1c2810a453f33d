use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, advance};

use super::Alarm;

const SECOND: Duration = Duration::from_secs(1);

async fn is_over(alarm: &mut Alarm, by: Instant) -> bool {
    poll_fn(|context| Poll::Ready(alarm.poll(by, context).is_ready())).await
}

#[tokio::test(start_paused = true)]
async fn each_wait_ends_at_its_own_instant() {
    let mut alarm = Alarm::default();
    let start = Instant::now();
    // Later ones, an earlier one, and one that is over already.
    for seconds in [10, 30, 20, 60, 5, 90] {
        let by = start + SECOND * seconds;
        poll_fn(|context| alarm.poll(by, context)).await;
        let now = Instant::now();
        assert!(now >= by && now < by.max(now) + SECOND, "{seconds}");
    }
    assert!(Instant::now() < start + SECOND * 91);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ended_early_says_nothing_of_the_next() {
    let mut alarm = Alarm::default();
    for _ in 0..10 {
        let by = Instant::now() + SECOND * 10;
        assert!(!is_over(&mut alarm, by).await);
        advance(SECOND * 7).await;
        assert!(!is_over(&mut alarm, by).await);
    }
    // A task that sleeps is woken in time though the timer was set for an earlier wait.
    let by = Instant::now() + SECOND * 10;
    poll_fn(|context| alarm.poll(by, context)).await;
    assert!(Instant::now() >= by && Instant::now() < by + SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_wait_does_not_last_as_long_as_the_one_before() {
    let mut alarm = Alarm::default();
    let start = Instant::now();
    assert!(!is_over(&mut alarm, start + SECOND * 1000).await);
    poll_fn(|context| alarm.poll(start + SECOND, context)).await;
    assert!(Instant::now() < start + SECOND * 2);
}

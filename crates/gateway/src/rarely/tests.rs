use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Rarely;

/// Polls once with the waker of whoever runs.
async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

#[tokio::test]
async fn it_is_polled_at_first_and_when_it_was_woken() {
    let (sender, receiver) = oneshot::channel();
    let polls = Cell::new(0);
    let mut receiver = pin!(receiver);
    let counted = std::future::poll_fn(|context| {
        polls.set(polls.get() + 1);
        receiver.as_mut().poll(context)
    });
    let mut rare = Rarely::new(counted);
    for _ in 0..5 {
        assert!(once(&mut rare).await.is_pending());
    }
    assert_eq!(polls.get(), 1);
    sender.send(7).expect("somebody waits");
    assert_eq!(rare.await, Ok(7));
    assert_eq!(polls.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_sleeps_is_woken_by_it() {
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let token = CancellationToken::new();
        let watched = token.clone();
        tasks.spawn(async move {
            let mut cancelled = pin!(watched.cancelled());
            Rarely::new(cancelled.as_mut()).await;
        });
        token.cancel();
        tasks.join_next().await.expect("a task").expect("it ends");
    }
}

#[tokio::test]
async fn it_moves_from_task_to_task() {
    let (sender, receiver) = oneshot::channel::<()>();
    let mut rare = Rarely::new(receiver);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        assert!(once(&mut rare).await.is_pending());
        Box::new(rare) as Box<dyn std::any::Any + Send>
    });
    let rare = tasks.join_next().await.expect("a task").expect("it ends");
    let rare = *rare.downcast::<Rarely<oneshot::Receiver<()>>>().expect("what was handed in");
    let mut tasks = JoinSet::new();
    tasks.spawn(rare);
    tokio::task::yield_now().await;
    sender.send(()).expect("somebody waits");
    assert_eq!(tasks.join_next().await.expect("a task").expect("it ends"), Ok(()));
}

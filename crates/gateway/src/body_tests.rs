use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AnswerBody, Finisher, LiveStream, OnLeave, Pieces};

fn pieces() -> (mpsc::Sender<Bytes>, Pieces) {
    let (sender, receiver) = mpsc::channel(4);
    let pieces =
        futures_util::stream::unfold(receiver, |mut receiver: mpsc::Receiver<Bytes>| async {
            let piece = receiver.recv().await?;
            Some((piece, receiver))
        });
    (sender, pieces.boxed())
}

fn live(ends: [CancellationToken; 2], on_leave: OnLeave) -> (mpsc::Sender<Bytes>, AnswerBody) {
    let (sender, pieces) = pieces();
    (sender, AnswerBody::Live(Box::new(LiveStream::new(pieces, ends, None, on_leave))))
}

async fn next(body: &mut AnswerBody) -> Option<Bytes> {
    let frame = Pin::new(body).frame().await?;
    Some(frame.expect("no error").into_data().expect("data"))
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_sends_a_comment_every_fifteen_seconds() {
    let (sender, mut body) = live(Default::default(), OnLeave::Drop);
    let start = Instant::now();
    assert_eq!(next(&mut body).await.as_deref(), Some(&b":\n\n"[..]), "it opens at once");
    assert_eq!(start.elapsed(), Duration::ZERO);
    for beat in 1..=3 {
        assert_eq!(next(&mut body).await.as_deref(), Some(&b":\n\n"[..]));
        assert_eq!(start.elapsed().as_secs(), beat * 15);
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    sender.send(Bytes::from_static(b"data: 1\n\n")).await.expect("sent");
    assert_eq!(next(&mut body).await.as_deref(), Some(&b"data: 1\n\n"[..]));
    let spoke = Instant::now();
    assert_eq!(next(&mut body).await.as_deref(), Some(&b":\n\n"[..]));
    assert_eq!(spoke.elapsed().as_secs(), 15, "an event puts the next comment off");
    drop(sender);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_grant_ends_is_over_and_its_call_is_finished() {
    let (ended, tracker) = (CancellationToken::new(), TaskTracker::new());
    let ends = [ended.clone(), CancellationToken::new()];
    let finisher = Finisher::new(tracker.clone(), CancellationToken::new());
    let (sender, mut body) = live(ends, OnLeave::Finish(finisher));
    assert!(next(&mut body).await.is_some());
    ended.cancel();
    sender.send(Bytes::from_static(b"data: 1\n\n")).await.expect("sent");
    assert_eq!(next(&mut body).await, None);
    assert_eq!(tracker.len(), 1, "a task reads on");
    drop(sender);
    tracker.close();
    tracker.wait().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_left_is_dropped_where_leaving_cancels() {
    let (sender, body) = live(Default::default(), OnLeave::Drop);
    drop(body);
    sender.closed().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_finished_for_nobody_ends_with_the_gateway() {
    let (over, tracker) = (CancellationToken::new(), TaskTracker::new());
    let finisher = Finisher::new(tracker.clone(), over.clone());
    let (sender, body) = live(Default::default(), OnLeave::Finish(finisher));
    drop(body);
    assert!(!sender.is_closed() && tracker.len() == 1);
    over.cancel();
    sender.closed().await;
    tracker.close();
    tracker.wait().await;
}

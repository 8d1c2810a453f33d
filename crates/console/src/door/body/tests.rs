//! Bodies that come too slowly.

use std::future::pending;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::BodyExt;

use super::{is_late, within};
use std::time::Duration;

fn first_then_nothing() -> Body {
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    Body::from_stream(first.chain(stream::once(pending())))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_fails_when_its_time_is_over() {
    let error = within(first_then_nothing(), Duration::from_secs(30)).collect().await.unwrap_err();
    assert!(is_late(&error), "{error:?}");
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b" ")));
    let endless = endless.then(|piece| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        piece
    });
    let mut endless = within(Body::from_stream(endless), Duration::from_secs(30));
    let mut pieces = 0;
    while let Some(Ok(_piece)) = endless.frame().await {
        pieces += 1;
    }
    assert!((28..=30).contains(&pieces), "{pieces}");
    assert!(endless.frame().await.is_none(), "nothing comes after that");
}

#[tokio::test]
async fn a_body_that_comes_is_left_as_it_is() {
    let whole = within(Body::from("{}"), Duration::from_secs(30)).collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "{}");
    let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("cut off"))]);
    let broken = within(Body::from_stream(broken), Duration::from_secs(30));
    assert!(!is_late(&broken.collect().await.unwrap_err()));
}

use std::io::ErrorKind;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Blocked, GRACE, Impatient, Term, Terms};

const STALL: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_write_of_which_nothing_is_taken_fails_in_time() {
    let (mut reader, writer) = duplex(16);
    let mut writer = Impatient::new(writer, STALL);
    writer.write_all(&[0; 16]).await.expect("there is room");
    let begun = Instant::now();
    let failed = writer.write_all(&[0; 16]).await.expect_err("nobody reads");
    assert_eq!((failed.kind(), begun.elapsed()), (ErrorKind::TimedOut, STALL));
    // Each byte that is taken begins the time anew.
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes).await.expect("read");
    let slowly = async {
        for _byte in 0..4 {
            tokio::time::sleep(STALL.mul_f32(0.9)).await;
            reader.read_exact(&mut bytes[..4]).await.expect("read");
        }
    };
    let (written, ()) = tokio::join!(writer.write_all(&[0; 24]), slowly);
    written.expect("it was taken, slowly");
}

fn pending(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_broken_when_a_stream_outlives_its_term() {
    let by = Instant::now() + Duration::from_secs(5);
    let none = CancellationToken::new;
    let (terms, broken) = Terms::new();
    let mut broken = std::pin::pin!(broken.wait(Blocked::default()));
    assert!(pending(broken.as_mut()));
    let kept = Term::new(Some(by), [none(), none()]);
    terms.begin(&kept);
    assert!(pending(broken.as_mut()));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(pending(broken.as_mut()) && kept.is_late());
    kept.end();
    tokio::time::advance(GRACE * 2).await;
    assert!(pending(broken.as_mut()), "it ended in order, within the grace");
    let revoked = none();
    let outlived = Term::new(None, [none(), revoked.clone()]);
    terms.begin(&outlived);
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(pending(broken.as_mut()));
    revoked.cancel();
    assert!(pending(broken.as_mut()));
    tokio::time::advance(GRACE).await;
    assert!(!pending(broken.as_mut()) && !outlived.is_late());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ended_before_its_term_is_nobodys_concern() {
    let (terms, broken) = Terms::new();
    let mut broken = std::pin::pin!(broken.wait(Blocked::default()));
    assert!(pending(broken.as_mut()));
    let early =
        Term::new(Some(Instant::now()), [CancellationToken::new(), CancellationToken::new()]);
    terms.begin(&early);
    early.end();
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(pending(broken.as_mut()) && !early.is_late());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ended_behind_bytes_that_nobody_takes_has_not_ended() {
    let (mut reader, writer) = duplex(16);
    let mut writer = Impatient::new(writer, STALL);
    let (terms, broken) = Terms::new();
    let mut broken = std::pin::pin!(broken.wait(writer.blocked()));
    for takes in [true, false] {
        let revoked = CancellationToken::new();
        let term = Term::new(None, [revoked.clone(), CancellationToken::new()]);
        terms.begin(&term);
        assert!(pending(broken.as_mut()));
        {
            let mut writing = std::pin::pin!(async {
                writer.write_all(&[0; 32]).await.expect("it is in time");
            });
            assert!(pending(writing.as_mut()), "there is no room");
            revoked.cancel();
            term.end();
            assert!(pending(broken.as_mut()), "it has a moment");
            if takes {
                let mut bytes = [0; 32];
                let ((), read) = tokio::join!(writing, reader.read_exact(&mut bytes));
                read.expect("all of it");
            }
        }
        tokio::time::advance(GRACE * 2).await;
        assert_eq!(pending(broken.as_mut()), takes);
    }
}

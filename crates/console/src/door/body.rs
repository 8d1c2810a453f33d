//! A request's body that must be complete in time, so that nobody holds a connection by sending slowly.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Sleep, sleep};

/// The body was not complete in time.
#[derive(Debug, Error)]
#[error("the body did not arrive in time")]
struct Late;

/// Whether reading a body failed because its time was over.
pub(crate) fn is_late(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<Late>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// `body`, which fails when it is not complete after `time`.
pub(super) fn within(body: Body, time: Duration) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(InTime { body, over: Some(Box::pin(sleep(time))) })
}

struct InTime {
    body: Body,
    /// Until the time is over; nothing after that.
    over: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        // The time first: somebody who never stops sending is late as well.
        let Some(over) = this.over.as_mut() else { return Poll::Ready(None) };
        if over.as_mut().poll(context).is_ready() {
            this.over = None;
            return Poll::Ready(Some(Err(Late.into())));
        }
        Pin::new(&mut this.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;

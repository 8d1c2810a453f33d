//! The work on one message. A legacy client that closes its connection cancels nothing (MCP
//! 2025-11-25): dropped before it is done, its work is finished by a tracked task, until the end of
//! the time in which the gateway shuts down. A modern client that leaves cancels: its work is
//! dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::answer::{Answer, Refused};
use crate::plane::Plane;

/// What there is to do for a message, until its answer.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Answer, Refused>> + Send>>;

/// The work on one message, on its way.
pub(crate) struct Answering {
    work: Option<Work>,
    /// Who finishes the work when nobody waits for it any more.
    plane: Option<Arc<Plane>>,
}

impl Answering {
    /// Work that ends with whoever waits for it.
    pub(super) fn passing(work: Work) -> Self {
        Self { work: Some(work), plane: None }
    }

    /// Work that is finished also when nobody waits for it.
    pub(super) fn lasting(work: Work, plane: Arc<Plane>) -> Self {
        Self { work: Some(work), plane: Some(plane) }
    }
}

impl Future for Answering {
    type Output = Result<Answer, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        match work.as_mut().poll(context) {
            Poll::Ready(output) => {
                self.work = None;
                Poll::Ready(output)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Work that panicked must not be polled again.
        if let (Some(work), Some(plane)) = (self.work.take(), &self.plane)
            && !std::thread::panicking()
        {
            let over = plane.over.clone();
            plane.tracker.spawn(async move {
                tokio::select! {
                    () = over.cancelled() => {}
                    output = work => drop(output),
                }
            });
        }
    }
}

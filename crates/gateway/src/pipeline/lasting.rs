//! Work that outlives its client: when the future is dropped before it is done, a tracked task
//! finishes it. A legacy client that closes its connection cancels nothing (MCP 2025-11-25). The end
//! of the time in which the gateway shuts down does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::plane::Plane;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that is finished also when nobody waits for it.
pub(super) struct Lasting<T: Send + 'static> {
    work: Option<Work<T>>,
    plane: Arc<Plane>,
}

impl<T: Send + 'static> Lasting<T> {
    pub(super) fn new(work: Work<T>, plane: Arc<Plane>) -> Self {
        Self { work: Some(work), plane }
    }
}

impl<T: Send + 'static> Future for Lasting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
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

impl<T: Send + 'static> Drop for Lasting<T> {
    fn drop(&mut self) {
        // Work that panicked must not be polled again.
        if let Some(work) = self.work.take()
            && !std::thread::panicking()
        {
            let over = self.plane.over.clone();
            self.plane.tracker.spawn(async move {
                tokio::select! {
                    () = over.cancelled() => {}
                    output = work => drop(output),
                }
            });
        }
    }
}

//! A future that shares its task with a busy one. Never here: what it waits for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Polls a future when it was woken itself, and not each time that its task runs for another reason.
#[derive(Debug)]
pub(crate) struct Rarely<F> {
    future: F,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Notes that the future was woken, and wakes its task.
#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The task is woken after the note, and leaves its waker before it looks for one: whichever comes first, it sees it.
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F> Rarely<F> {
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&bell));
        Self { future, bell, waker }
    }
}

impl<F: Future + Unpin> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.bell.task.register(context.waker());
        if !this.bell.rung.load(Ordering::Relaxed) || !this.bell.rung.swap(false, Ordering::AcqRel)
        {
            return Poll::Pending;
        }
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests;

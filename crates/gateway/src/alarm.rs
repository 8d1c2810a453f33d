//! A timer that stays set from one wait to the next. Never here: what is waited for, or how long.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Waits for one instant after the other, as a connection does with each of its requests. Most waits end long before their
/// instant, so the timer is not set anew for a later one: it comes too early for that once, and is set again then. That wakes
/// whoever polled it last for nothing, which costs less than to set and unset it for each wait.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready when `by` has come.
    pub(crate) fn poll(&mut self, by: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(by)));
        if timer.deadline() > by {
            timer.as_mut().reset(by);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= by {
                return Poll::Ready(());
            }
            timer.as_mut().reset(by);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;

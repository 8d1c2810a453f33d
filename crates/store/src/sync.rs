//! The primitives at which the threads of the store meet. Unit tests get them from shuttle, which
//! chooses at each of them who goes on: `store/models.rs` runs the store itself under thousands of
//! schedules. Everything else, also the tests beside `src`, gets those of the standard library.
//!
//! What never lives here: a primitive of our own.

#[cfg(not(test))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicI64},
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

#[cfg(test)]
pub(crate) use {
    modelled::{Condvar, timers_ring},
    shuttle::sync::atomic::{AtomicBool, AtomicI64},
    shuttle::sync::{Mutex, MutexGuard},
    shuttle::thread,
};

/// What shuttle leaves out: there, a wait never runs out of time.
#[cfg(test)]
mod modelled {
    use std::cell::Cell;
    use std::sync::{Arc, LockResult};
    use std::time::Duration;

    use shuttle::sync::MutexGuard;

    std::thread_local! {
        /// All threads of a model are one thread of the system.
        static TIMERS_RING: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether waits of the models that follow run out of time, at any moment, or never.
    pub(crate) fn timers_ring(ring: bool) {
        TIMERS_RING.set(ring);
    }

    /// A condition variable whose waits may run out of time whenever the schedule likes.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(Arc<shuttle::sync::Condvar>);

    impl Condvar {
        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        /// The flag says whether the time was over.
        #[expect(clippy::unnecessary_wraps, reason = "the shape is the standard library's")]
        pub(crate) fn wait_timeout_while<'g, T>(
            &self,
            mut guard: MutexGuard<'g, T>,
            _time: Duration,
            mut condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<(MutexGuard<'g, T>, bool)> {
            if !condition(&mut guard) {
                return Ok((guard, false));
            }
            if TIMERS_RING.get() {
                let timer = Arc::clone(&self.0);
                shuttle::thread::spawn(move || timer.notify_all());
            }
            let mut guard = self.0.wait(guard).expect("no holder panics");
            // Whoever notifies has changed the condition; a timer has not.
            let over = condition(&mut guard);
            Ok((guard, over))
        }
    }
}

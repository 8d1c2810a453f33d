//! The bound of what waits for the collector, and the account of what was lost at it. A span that
//! finds no room is dropped and counted, at the price of one addition; the call that it belongs to
//! notices nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use policy::UnixMillis;

/// Losses are logged at most once in so many milliseconds.
const REPORT_MILLIS: i64 = 60_000;

/// Spans that wait, and spans that were lost since it was last said.
#[derive(Debug)]
pub(super) struct Account {
    room: usize,
    waiting: AtomicUsize,
    without_room: AtomicU64,
    undelivered: AtomicU64,
    reported_at: AtomicI64,
}

impl Account {
    /// An account of a queue of `room` spans.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            waiting: AtomicUsize::new(0),
            without_room: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            reported_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Takes a place, or counts the span as lost.
    fn enter(&self) -> Entered {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.room {
            return Entered::Yes;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.without_room.fetch_add(1, Ordering::Relaxed);
        Entered::NoRoom
    }

    /// Gives back the places of spans that were exported or given up.
    pub(super) fn left(&self, spans: usize) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
    }

    /// Counts spans that the collector did not take.
    pub(super) fn lost(&self, spans: usize) {
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.undelivered.fetch_add(spans, Ordering::Relaxed);
    }

    /// Logs what was lost, unless that was done a short while ago.
    pub(super) fn report(&self, now: UnixMillis, why: Option<&OTelSdkError>) {
        let before = self.reported_at.load(Ordering::Relaxed);
        if now.0.saturating_sub(before) < REPORT_MILLIS && now.0 >= before {
            return;
        }
        let losses = self.take();
        if losses == Losses::default() {
            return;
        }
        self.reported_at.store(now.0, Ordering::Relaxed);
        losses.log(why);
    }

    /// Logs what was lost and not said yet, and what still waits: there will be no more.
    pub(super) fn report_all(&self) {
        let waiting = self.waiting.swap(0, Ordering::Relaxed);
        self.lost(waiting);
        let losses = self.take();
        if losses != Losses::default() {
            losses.log(None);
        }
    }

    /// What was lost and not said yet; from here on it counts as said.
    pub(super) fn take(&self) -> Losses {
        Losses {
            without_room: self.without_room.swap(0, Ordering::Relaxed),
            undelivered: self.undelivered.swap(0, Ordering::Relaxed),
        }
    }
}

/// Whether a span found a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entered {
    Yes,
    NoRoom,
}

/// How many spans were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) without_room: u64,
    pub(super) undelivered: u64,
}

impl Losses {
    fn log(self, why: Option<&OTelSdkError>) {
        tracing::warn!(
            undelivered = self.undelivered,
            without_room = self.without_room,
            error = why.map(tracing::field::display),
            "traces were lost; calls are not affected"
        );
    }
}

/// A processor behind a bounded queue.
#[derive(Debug)]
pub(super) struct Queue<P> {
    inner: P,
    account: Arc<Account>,
}

impl<P> Queue<P> {
    /// Hands to `inner` what finds a place in `account`.
    pub(super) fn new(inner: P, account: Arc<Account>) -> Self {
        Self { inner, account }
    }
}

impl<P: SpanProcessor> SpanProcessor for Queue<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.account.enter() == Entered::Yes {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, patience: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(patience)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;

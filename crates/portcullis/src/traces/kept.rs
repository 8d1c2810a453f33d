//! For tests: where spans go so that a test can look at them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

/// Keeps every span, as if the collector never took one.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl Kept {
    /// The spans that have ended, in order.
    pub(super) fn spans(&self) -> Vec<SpanData> {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl SpanProcessor for Kept {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().expect("not poisoned").push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _patience: Duration) -> OTelSdkResult {
        Ok(())
    }
}

//! Exports batches, and says now and then when that does not work. Runs on the exporter's thread;
//! no call waits for it.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::queue::Account;
use crate::clock;

/// An exporter whose losses are counted.
#[derive(Debug)]
pub(super) struct Export<E> {
    inner: E,
    account: Arc<Account>,
}

impl<E> Export<E> {
    /// Counts the losses of `inner` in `account`.
    pub(super) fn new(inner: E, account: Arc<Account>) -> Self {
        Self { inner, account }
    }
}

impl<E: SpanExporter> SpanExporter for Export<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.inner.export(batch).await;
        self.account.left(spans);
        if outcome.is_err() {
            self.account.lost(spans);
        }
        self.account.report(clock::now(), outcome.as_ref().err());
        outcome
    }

    fn shutdown_with_timeout(&self, patience: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(patience)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.inner.shutdown()
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;

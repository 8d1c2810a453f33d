use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};

use super::Export;
use crate::traces::queue::{Account, Losses, Queue};

/// A collector that is away.
#[derive(Debug)]
struct Away;

impl SpanExporter for Away {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        Err(OTelSdkError::InternalFailure("nobody is there".to_owned()))
    }
}

#[test]
fn what_a_collector_does_not_take_makes_room_and_is_counted() {
    let account = Arc::new(Account::new(4));
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(4)
        .with_max_export_batch_size(4)
        .with_scheduled_delay(Duration::from_mins(1))
        .build();
    let batching = BatchSpanProcessor::builder(Export::new(Away, Arc::clone(&account)))
        .with_batch_config(config)
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Queue::new(batching, Arc::clone(&account)))
        .build();
    let tracer = provider.tracer("test");
    tracer.start("said at once").end();
    assert!(provider.force_flush().is_err());
    for name in ["a", "b", "c"] {
        tracer.start(name).end();
        assert!(provider.force_flush().is_err());
    }
    let lost = Losses { without_room: 0, undelivered: 3 };
    assert_eq!(account.take(), lost, "each was given up, and none is without room");
}

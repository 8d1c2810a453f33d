//! The life of the exporter: started from the environment, flushed at the end within a bounded
//! time. What goes into a span stands in `span`, what happens when the collector is away in
//! `export` and `queue`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use gateway::CallObserver;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, Key, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tokio::task::spawn_blocking;

use super::collector::Collector;
use super::export::Export;
use super::queue::{Account, Queue};
use super::settings::{self, Parents, Settings};
use super::span;
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;

/// How long spans that wait may take to leave when the process ends, in seconds.
const FLUSH_SECONDS_MAX: u64 = 5;

/// The name under which this program exports, where the environment gives it no other.
const SERVICE_NAME: &str = "portcullis";

/// What the SDK calls a service that has no name.
const NAMELESS: &str = "unknown_service";

/// The exporter, if the environment asks for one.
#[derive(Debug)]
pub(crate) struct Traces(Option<Running>);

#[derive(Debug)]
struct Running {
    provider: SdkTracerProvider,
    parents: Parents,
    account: Arc<Account>,
}

impl Traces {
    /// Starts to export if the environment names an endpoint; does nothing otherwise. Must be
    /// called on the runtime that exports.
    ///
    /// # Errors
    /// When the endpoint is no URL, or TLS is not available.
    pub(crate) fn start(environment: &Environment) -> Result<Self, Failure> {
        let read = settings::read(environment).map_err(|error| not_exported(&error))?;
        for warning in &read.warnings {
            tracing::warn!("{warning}");
        }
        let Some(settings) = read.settings else { return Ok(Self(None)) };
        let running = Running::start(&settings)?;
        tracing::info!("traces of calls are exported");
        Ok(Self(Some(running)))
    }

    /// Who hears of calls.
    pub(crate) fn observer(&self) -> Option<CallObserver> {
        let running = self.0.as_ref()?;
        let scope = InstrumentationScope::builder(SERVICE_NAME)
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let tracer = running.provider.tracer_with_scope(scope);
        let parents = running.parents;
        Some(CallObserver::new(move |call| span::record(&tracer, parents, call)))
    }

    /// Exports what waits, for at most [`FLUSH_SECONDS_MAX`], and ends the exporter.
    pub(crate) async fn finish(self) {
        let Some(running) = &self.0 else { return };
        let provider = running.provider.clone();
        let patience = Duration::from_secs(FLUSH_SECONDS_MAX);
        // It waits for a thread that needs this runtime to send.
        let ended = spawn_blocking(move || provider.shutdown_with_timeout(patience)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "not all traces could be exported before the end");
        }
        running.account.report_all();
    }
}

impl Drop for Traces {
    /// Exporting that nobody finished is given up without a wait.
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            let _given_up = running.provider.shutdown_with_timeout(Duration::ZERO).is_ok();
        }
    }
}

impl Running {
    fn start(settings: &Settings) -> Result<Self, Failure> {
        let collector = Collector::new(settings.patience).map_err(|error| not_exported(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(settings.patience)
            .build()
            .map_err(|error| unfit(&error))?;
        let account = Arc::new(Account::new(settings.queue_spans));
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(settings.queue_spans)
            .with_max_export_batch_size(settings.batch_spans)
            .with_scheduled_delay(settings.delay)
            .build();
        let batching = BatchSpanProcessor::builder(Export::new(exporter, Arc::clone(&account)))
            .with_batch_config(batches)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Queue::new(batching, Arc::clone(&account)))
            .with_resource(resource())
            .build();
        Ok(Self { provider, parents: settings.parents, account })
    }
}

fn not_exported(error: &dyn Error) -> Failure {
    Failure::because(Exit::Usage, "cannot export traces", error)
}

/// The exporter's own error repeats values of variables, and some hold credentials: only the part
/// that names the variable is shown.
fn unfit(error: &ExporterBuildError) -> Failure {
    let (ExporterBuildError::InvalidConfiguration(text)
    | ExporterBuildError::InternalFailure(text)) = error;
    let part = text.split_once(':').map_or("the exporter", |(part, _value)| part);
    Failure::new(Exit::Usage, format!("cannot export traces: {part} is not as this build needs it"))
}

/// What the environment says of this process (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`),
/// with a name and a version where it says none.
fn resource() -> Resource {
    let stated = Resource::builder().build();
    let name = stated.get(&Key::from_static_str("service.name"));
    let nameless = name.is_none_or(|name| name.as_str().starts_with(NAMELESS));
    let version = Key::from_static_str("service.version");
    let versioned = stated.get(&version).is_some();
    let mut builder = Resource::builder();
    if nameless {
        builder = builder.with_service_name(SERVICE_NAME);
    }
    if !versioned {
        builder = builder.with_attribute(KeyValue::new(version, env!("CARGO_PKG_VERSION")));
    }
    builder.build()
}

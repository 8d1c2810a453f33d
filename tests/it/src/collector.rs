//! A collector of traces: a real OTLP/HTTP receiver on loopback that keeps every byte it was sent
//! and decodes it with the published protobuf definitions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::wait;

/// Largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a collector does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes it.
    Takes,
    /// Never answers.
    Silent,
}

/// One request to the collector.
#[derive(Debug, Clone)]
pub struct Export {
    /// The request target.
    pub path: String,
    /// Header lines, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: Bytes,
    /// The body, decoded.
    pub request: ExportTraceServiceRequest,
}

/// A running collector; it ends when it is dropped.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    exports: Arc<Mutex<Vec<Export>>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Clone)]
struct Desk {
    mood: Mood,
    exports: Arc<Mutex<Vec<Export>>>,
}

impl Collector {
    /// Starts one on a free port.
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let exports = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk { mood, exports: Arc::clone(&exports) };
        let router = axum::Router::new().fallback(take).with_state(desk);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(listener, router).await.expect("it serves until it is dropped");
        });
        Self { port, exports, _tasks: tasks }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every request so far.
    ///
    /// # Panics
    /// When a request before could not be decoded.
    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().expect("every request could be decoded").clone()
    }

    /// Every span so far, in the order in which they came.
    pub fn spans(&self) -> Vec<Span> {
        let exports = self.exports();
        let resources = exports.into_iter().flat_map(|export| export.request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// Waits until so many spans are there.
    ///
    /// # Panics
    /// When they are not there in time.
    pub async fn spans_when(&self, count: usize) -> Vec<Span> {
        wait::until(format!("{count} spans"), || async {
            let spans = self.spans();
            (spans.len() >= count).then_some(spans)
        })
        .await
    }
}

/// Attributes as text.
pub fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &AnyValue| match &value.value {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("an attribute of another kind: {other:?}"),
    };
    let value = |pair: &KeyValue| pair.value.as_ref().map(text).unwrap_or_default();
    pairs.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

async fn take(State(desk): State<Desk>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.expect("a whole body");
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let export = Export {
        path: head.uri.path().to_owned(),
        headers: headers.collect(),
        request: ExportTraceServiceRequest::decode(body.clone()).expect("protobuf"),
        body,
    };
    desk.exports.lock().expect("every request could be decoded").push(export);
    if desk.mood == Mood::Silent {
        std::future::pending::<()>().await;
    }
    let answer = ExportTraceServiceResponse { partial_success: None }.encode_to_vec();
    Response::builder()
        .header("content-type", "application/x-protobuf")
        .body(Body::from(answer))
        .expect("a response")
}

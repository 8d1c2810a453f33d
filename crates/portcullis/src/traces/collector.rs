//! One POST to the collector, over the program's own HTTP and TLS. The exporter has a thread of its
//! own; the request is made on the runtime, so that it costs no second one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::causes::chain;
use crate::outgoing;

/// The longest answer of a collector that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Idle connections that are kept; there is never more than one request under way.
const IDLE_CONNECTIONS_MAX: usize = 1;

/// Sends requests to the collector. Redirects are never followed.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    tasks: TaskTracker,
    patience: Duration,
}

impl Collector {
    /// A client on the current runtime whose requests take at most `patience`.
    ///
    /// # Errors
    /// When TLS is not available.
    pub(super) fn new(patience: Duration) -> io::Result<Self> {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_timer(TokioTimer::new())
            .build(outgoing::connector()?);
        Ok(Self { client, runtime: Handle::current(), tasks: TaskTracker::new(), patience })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let patience = self.patience;
        let exchange = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let exchange = async move { timeout(patience, exchange).await? };
        let answer = self.tasks.spawn_on(exchange, &self.runtime).await?;
        if let Err(error) = &answer {
            tracing::debug!(error = chain(&**error), "the collector does not answer");
        }
        answer
    }
}

impl HttpClient for Collector {
    fn send_bytes<'client, 'sent>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'client: 'sent,
        Self: 'sent,
    {
        Box::pin(self.send(request))
    }
}

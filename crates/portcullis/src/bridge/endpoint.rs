//! The HTTP side of the bridge: requests to one URL with one token, answers whole or as events.
//! Never here: what a message says.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mcp::sse::{Event, FrameSplitter};
use thiserror::Error;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::outgoing::{CONNECT_SECONDS_MAX, connector};

/// Bytes of an answer or of one event, at most: what the gateway takes from a server, and room for
/// what it adds.
const ANSWER_BYTES_MAX: usize = 33 * 1024 * 1024;
/// How long an answer may take to begin, in seconds; servers may be given long times.
const ANSWER_SECONDS_MAX: u64 = 3600;
/// How long a stream may be silent, in seconds. The gateway sends a comment every 15.
const SILENCE_SECONDS_MAX: u64 = 120;
/// Idle connections that are kept.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// Why there is no answer, or no whole one.
#[derive(Debug, Error)]
pub(super) enum ExchangeError {
    /// There is no connection; nothing was sent.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(String),
    /// The connection ended before the answer did; the call may have run.
    #[error("the connection to the gateway broke; the call may have run")]
    CutOff,
    /// It took too long.
    #[error("the gateway did not answer in time; the call may have run")]
    TooSlow,
    /// The answer is over the bound.
    #[error("the answer is over {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

/// The URL cannot be used.
#[derive(Debug, Error)]
pub(super) enum EndpointError {
    /// Not a URL.
    #[error("no URL")]
    Url(#[from] http::uri::InvalidUri),
    /// The token holds what no header can.
    #[error("the token holds characters that no token has")]
    Token,
    /// No TLS.
    #[error("TLS is not available")]
    Tls(#[from] std::io::Error),
}

/// One URL and the token for it.
pub(super) struct Endpoint {
    uri: Uri,
    token: HeaderValue,
    connector: HttpsConnector<HttpConnector>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.uri.host()).finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// A whole body; empty for 202 and the like.
    Whole { status: StatusCode, headers: HeaderMap, body: Bytes },
    /// 2xx with an event stream.
    Events { headers: HeaderMap, events: Events },
}

impl Answer {
    /// The headers.
    pub(super) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Whole { headers, .. } | Self::Events { headers, .. } => headers,
        }
    }
}

impl Endpoint {
    /// A client for `url`. Redirects are never followed; certificates are checked against the web's
    /// roots.
    pub(super) fn new(url: &str, token: &str) -> Result<Self, EndpointError> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_unfit| EndpointError::Token)?;
        bearer.set_sensitive(true);
        let connector = connector()?;
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector.clone());
        Ok(Self { uri: url.parse()?, token: bearer, connector, client })
    }

    /// Whether anything can be connected to there, with TLS where the URL says so. No request is sent: the gateway
    /// would write it down as one that an agent made and that was refused.
    pub(super) async fn probe(&self) -> Result<(), ExchangeError> {
        let connection = self.connector.clone().oneshot(self.uri.clone());
        let patience = Duration::from_secs(CONNECT_SECONDS_MAX);
        match timeout(patience, connection).await {
            Ok(Ok(_connected)) => Ok(()),
            Ok(Err(error)) => Err(ExchangeError::Unreachable(crate::causes::chain(&*error))),
            Err(_elapsed) => {
                Err(ExchangeError::Unreachable(format!("no answer within {CONNECT_SECONDS_MAX} s")))
            }
        }
    }

    /// Sends one request. Dropping the future closes its connection.
    pub(super) async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, ExchangeError> {
        let request = self.request(method, headers, body);
        let answering = async {
            let response = self.client.request(request).await.map_err(|error| failed(&error))?;
            let (head, body) = response.into_parts();
            let media = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let essence = media.and_then(|media| media.split(';').next()).unwrap_or_default();
            if head.status.is_success() && essence.trim().eq_ignore_ascii_case("text/event-stream")
            {
                let events = Events { body, splitter: FrameSplitter::new(ANSWER_BYTES_MAX) };
                return Ok(Answer::Events { headers: head.headers, events });
            }
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
                let long = error.downcast_ref::<http_body_util::LengthLimitError>().is_some();
                if long { ExchangeError::TooLarge } else { ExchangeError::CutOff }
            })?;
            Ok(Answer::Whole { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        timeout(patience, answering).await.unwrap_or(Err(ExchangeError::TooSlow))
    }

    fn request(&self, method: Method, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
        let accept = if method == Method::GET {
            HeaderValue::from_static("text/event-stream")
        } else {
            HeaderValue::from_static("application/json, text/event-stream")
        };
        let posted = method == Method::POST;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request.headers_mut().insert(AUTHORIZATION, self.token.clone());
        request.headers_mut().insert(ACCEPT, accept);
        if posted {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        request
    }
}

fn failed(error: &hyper_util::client::legacy::Error) -> ExchangeError {
    if error.is_connect() {
        ExchangeError::Unreachable(crate::causes::chain(error))
    } else {
        ExchangeError::CutOff
    }
}

/// The events of a stream.
#[derive(Debug)]
pub(super) struct Events {
    body: Incoming,
    splitter: FrameSplitter,
}

impl Events {
    /// The next event; `None` at the orderly end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, ExchangeError> {
        loop {
            match self.splitter.next_event() {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(_too_long) => return Err(ExchangeError::TooLarge),
            }
            let patience = Duration::from_secs(SILENCE_SECONDS_MAX);
            match timeout(patience, self.body.frame()).await {
                Err(_silent) => return Err(ExchangeError::TooSlow),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_broken))) => return Err(ExchangeError::CutOff),
                Ok(Some(Ok(frame))) => {
                    if let Ok(chunk) = frame.into_data() {
                        self.splitter.push(chunk);
                    }
                }
            }
        }
    }
}

//! Streamable HTTP towards a server: one request, one answer, judged by its head.
//! Never here: redirects, decompression, anything of the client's own headers but the mirrored ones.

mod connect;
mod link;
mod stream;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::connect::Dialer;
pub(crate) use self::connect::{Resolve, system_resolver};
use self::link::{Leased, Pool, RequestFailed};
pub(crate) use self::stream::HttpEvents;
use super::message::{
    BadAnswer, Media, Outgoing, Patience, Refused, Reply, SendError, Sent, Unreachable,
    UpstreamSession, Verb,
};
use super::room::{Room, Share};
use super::spec::{HttpTarget, ServerSpec, SpecError, Timeouts};

/// How often a request is handed to another connection because the first one closed before it was written. Connections that
/// were closed while idle are found before that; this is the race in between.
const HANDOVERS_MAX: u32 = 2;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The client to one server on Streamable HTTP.
#[derive(Debug)]
pub(crate) struct HttpClient {
    pool: Arc<Pool>,
    dialer: Dialer,
    uri: Uri,
    host: HeaderValue,
    credentials: Vec<(HeaderName, HeaderValue)>,
    timeouts: Timeouts,
    answer_bytes_max: usize,
    room: Arc<Room>,
}

impl HttpClient {
    pub(crate) fn new(
        target: &HttpTarget,
        spec: &ServerSpec,
        resolve: Resolve,
    ) -> Result<Self, SpecError> {
        Ok(Self {
            pool: Pool::new(spec.connections_max),
            dialer: Dialer::new(target.url.clone(), target.rule, resolve)?,
            uri: origin_form(target.url.target()),
            host: target.url.host_header().clone(),
            credentials: target.credentials.clone(),
            timeouts: spec.timeouts,
            answer_bytes_max: spec.answer_bytes_max,
            room: Arc::clone(&spec.room),
        })
    }

    /// Drops the idle connections and refuses new ones.
    pub(crate) fn stop(&self) {
        self.pool.close();
    }

    /// Sends one message; see `Upstream::send`. Not an `async fn`, as those around it: each would
    /// hold the message once more.
    pub(crate) fn send(
        &self,
        out: Outgoing,
    ) -> impl Future<Output = Result<Reply, SendError>> + Send {
        let asked = Asked {
            verb: out.verb,
            in_session: out.session.is_some(),
            patience: out.patience,
            agent: out.agent,
            cancel: out.cancel.clone(),
        };
        let request = self.request(out);
        // The token is rare, and what it costs is only paid with it.
        match asked.cancel.clone() {
            None => Either::Left(self.exchange(asked, request, None)),
            Some(cancel) => Either::Right(Box::pin(self.cancellable(asked, request, cancel))),
        }
    }

    async fn cancellable(
        &self,
        asked: Asked,
        request: Request<Full<Bytes>>,
        cancel: CancellationToken,
    ) -> Result<Reply, SendError> {
        let sent = AtomicBool::new(false);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                let written = sent.load(Ordering::Relaxed);
                Err(SendError::Cancelled(if written { Sent::Maybe } else { Sent::No }))
            }
            done = self.exchange(asked, request, Some(&sent)) => done,
        }
    }

    /// The whole exchange. `sent` is set before the request can have been written. Futures are
    /// pinned where they are made: handing them on by value would copy them at every step.
    async fn exchange(
        &self,
        asked: Asked,
        mut request: Request<Full<Bytes>>,
        sent: Option<&AtomicBool>,
    ) -> Result<Reply, SendError> {
        // Whoever is ready reads and is decided first, then all write: a server that sleeps is then
        // woken once for many messages. The same is done with the answers (`entry`).
        tokio::task::yield_now().await;
        let started = Instant::now();
        let head_by = started + self.timeouts.first_byte.min(self.timeouts.total);
        let written =
            |now: bool| sent.into_iter().for_each(|sent| sent.store(now, Ordering::Relaxed));
        for _ in 0..HANDOVERS_MAX {
            let mut link = match self.idle_link()? {
                Some(link) => link,
                None => Box::pin(self.link(head_by)).await?,
            };
            written(true);
            let outcome = {
                let mut asking = pin!(link.request(request));
                timeout_at(head_by, asking.as_mut()).await
            };
            match outcome {
                Ok(Ok(response)) => {
                    let whole_by = started + self.timeouts.total;
                    let (bytes_max, share) = (self.answer_bytes_max, self.room.share(asked.agent));
                    let answer = Answer { link, whole_by, bytes_max, share };
                    return read_answer(answer, response, asked).await;
                }
                Ok(Err(RequestFailed::NotSent(back))) => {
                    written(false);
                    request = *back;
                }
                Ok(Err(RequestFailed::Broken)) => return Err(SendError::Broken(Sent::Maybe)),
                Ok(Err(RequestFailed::Unreadable)) => {
                    return Err(SendError::BadAnswer(BadAnswer::Unreadable));
                }
                Err(_elapsed) => return Err(SendError::TimedOut(Sent::Maybe)),
            }
        }
        Err(SendError::Broken(Sent::No))
    }

    /// A connection that is idle, if one is and may be used: the usual case, without a wait.
    fn idle_link(&self) -> Result<Option<Leased>, SendError> {
        if self.pool.is_closed() {
            return Err(SendError::Unreachable(Unreachable::Stopped));
        }
        Ok(self.pool.try_place().and_then(|place| self.pool.take(place).ok()))
    }

    /// A connection: one that is idle, else a new one. While as many are in use as may be, it waits for one of them.
    async fn link(&self, head_by: Instant) -> Result<Leased, SendError> {
        if self.pool.is_closed() {
            return Err(SendError::Unreachable(Unreachable::Stopped));
        }
        let connect_by = head_by.min(Instant::now() + self.timeouts.connect);
        let Ok(place) = timeout_at(connect_by, self.pool.place()).await else {
            return Err(SendError::Unreachable(Unreachable::Busy));
        };
        let place = place?;
        let place = match self.pool.take(place) {
            Ok(link) => return Ok(link),
            Err(place) => place,
        };
        match timeout_at(connect_by, self.dialer.dial()).await {
            Ok(Ok(stream)) => self.pool.lease(stream, place).await,
            Ok(Err(unreachable)) => Err(SendError::Unreachable(unreachable)),
            Err(_elapsed) => Err(SendError::Unreachable(Unreachable::ConnectTimeout)),
        }
    }

    fn request(&self, out: Outgoing) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(out.body));
        *request.uri_mut() = self.uri.clone();
        let (method, accept) = match out.verb {
            Verb::Post => (Method::POST, "application/json, text/event-stream"),
            Verb::Get => (Method::GET, "text/event-stream"),
            Verb::Delete => (Method::DELETE, "application/json"),
        };
        *request.method_mut() = method;
        let expected = 4 + self.credentials.len() + out.headers.len();
        let mut headers = HeaderMap::with_capacity(expected);
        headers.append(HOST, self.host.clone());
        headers.append(ACCEPT, HeaderValue::from_static(accept));
        if out.verb == Verb::Post {
            headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(session) = &out.session {
            headers.append(SESSION, session.header().clone());
        }
        for (name, value) in &self.credentials {
            headers.append(name.clone(), value.clone());
        }
        for (name, value) in out.headers {
            if is_mirrored(&name) {
                headers.append(name, value);
            }
        }
        *request.headers_mut() = headers;
        request
    }
}

/// What the request was, as far as reading the answer depends on it.
struct Asked {
    verb: Verb,
    in_session: bool,
    patience: Patience,
    agent: u64,
    cancel: Option<CancellationToken>,
}

/// The rest of an exchange after the head.
struct Answer {
    link: Leased,
    whole_by: Instant,
    bytes_max: usize,
    share: Share,
}

impl Answer {
    /// The body in one piece, and the connection back into the pool.
    async fn collect(self, body: Incoming) -> Result<Bytes, SendError> {
        let Self { mut link, whole_by, bytes_max, mut share } = self;
        let bytes = {
            let mut collecting = pin!(link.collect(body, bytes_max, &mut share));
            timeout_at(whole_by, collecting.as_mut())
                .await
                .map_err(|_elapsed| SendError::TimedOut(Sent::Maybe))??
        };
        link.give_back();
        Ok(share.keep(bytes))
    }

    /// The body as events.
    fn stream(self, body: Incoming, asked: Asked) -> HttpEvents {
        let by = match asked.patience {
            Patience::Call => Some(self.whole_by),
            Patience::Stream => None,
        };
        HttpEvents::new(self.link, body, self.bytes_max, self.share).end_by(by).end_on(asked.cancel)
    }

    /// A body that nobody reads. A short one that is already there keeps the connection, any other ends it.
    fn skip(self, body: &Incoming) {
        if body.is_end_stream() {
            self.link.give_back();
        }
    }
}

async fn read_answer(
    answer: Answer,
    response: Response<Incoming>,
    asked: Asked,
) -> Result<Reply, SendError> {
    let (head, body) = response.into_parts();
    let status = head.status;
    let bad = |what| Err(SendError::BadAnswer(what));
    if status.is_redirection() {
        return bad(BadAnswer::Redirect(status));
    }
    if status.is_server_error() {
        return bad(BadAnswer::ServerError(status));
    }
    if head.headers.get_all(CONTENT_ENCODING).iter().any(is_encoded) {
        return bad(BadAnswer::Encoded);
    }
    let media = media_of(&head.headers);
    if status.is_client_error() {
        let refused = Refused { status, media, body: answer.collect(body).await? };
        let gone = status == StatusCode::NOT_FOUND && asked.in_session;
        return if gone {
            Err(SendError::SessionGone(refused))
        } else {
            Ok(Reply::Refused(refused))
        };
    }
    let Ok(session) = session_of(&head.headers) else {
        return bad(BadAnswer::Unreadable);
    };
    match (status, media) {
        (StatusCode::ACCEPTED | StatusCode::NO_CONTENT, _) => {
            answer.skip(&body);
            Ok(Reply::Empty { status, session })
        }
        (StatusCode::OK, _) if asked.verb == Verb::Delete || body.is_end_stream() => {
            answer.skip(&body);
            Ok(Reply::Empty { status, session })
        }
        (StatusCode::OK, Media::Json) => {
            Ok(Reply::Json { session, body: answer.collect(body).await? })
        }
        (StatusCode::OK, Media::EventStream) => {
            Ok(Reply::Sse { session, events: answer.stream(body, asked).into() })
        }
        (StatusCode::OK, Media::Other) => bad(BadAnswer::ContentType),
        _ => bad(BadAnswer::Status(status)),
    }
}

/// Path and query as the request line has them.
fn origin_form(target: &PathAndQuery) -> Uri {
    Uri::from(target.clone())
}

fn is_mirrored(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "mcp-protocol-version" | "mcp-method" | "mcp-name" | "last-event-id")
        || name.starts_with("mcp-param-")
}

fn is_encoded(value: &HeaderValue) -> bool {
    !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")
}

/// The session that an answer opens; an unusable or repeated id is an error, since the gateway could not send it back.
fn session_of(headers: &HeaderMap) -> Result<Option<UpstreamSession>, ()> {
    let mut values = headers.get_all(SESSION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => UpstreamSession::new(value.clone()).map(Some).ok_or(()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// The media type of an answer: of exactly one `Content-Type`, ignoring case and parameters (RFC 9110 section 8.3.1).
fn media_of(headers: &HeaderMap) -> Media {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Media::Other;
    };
    let essence = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        Media::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Media::EventStream
    } else {
        Media::Other
    }
}

/// How long an idle connection is kept.
const IDLE_MAX: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;

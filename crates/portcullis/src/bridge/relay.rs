//! The bridge itself: lines of a client to requests of a gateway, answers and events back to lines.
//! Never here: sockets, stdin and stdout.
//!
//! `initialize`, notifications and answers of the client go out one after the other, so that they
//! arrive in order; requests run beside each other. A client of the stateless era cancels with a
//! notification on stdio and with a closed connection over HTTP: the bridge translates.

mod relist;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mcp::{IdKey, ParamHeaders, RawId, code, reply, single_line};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::{Answer, Endpoint, Events, ExchangeError};
use super::message::{
    ClientMessage, Mirror, PROTOCOL_VERSION, Received, SESSION_ID, agreed_version, arguments_of,
    is_header_mismatch, read_client, read_gateway,
};
use super::params::{self, Params};
use crate::input::Line;

/// Requests that run at the same time, at most; further ones are refused.
const REQUESTS_MAX: usize = 256;
/// How long requests that run may take once stdin has ended, in seconds; longer than a held call
/// waits without a progress token.
const FINISH_SECONDS_MAX: u64 = 30;
/// How long the end of the session may take, in seconds.
const FAREWELL_SECONDS_MAX: u64 = 2;
/// How often one cut-off stream is taken up again.
const RESUMES_MAX: u32 = 10;
/// The wait before a stream is taken up again when the server names none, in milliseconds.
const RESUME_MILLIS: u64 = 1_000;
/// The longest wait before a stream is taken up again, in milliseconds.
const RESUME_MILLIS_MAX: u64 = 30_000;
/// Characters of a strange answer that an error shows.
const SHOWN_CHARS_MAX: usize = 300;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How the client stands with the gateway.
#[derive(Debug, Default, Clone)]
struct Standing {
    /// The session of the handshake era.
    session: Option<HeaderValue>,
    /// The revision: what `initialize` agreed on, or what the last stateless request named.
    version: Option<HeaderValue>,
    /// Counts sessions, so that one that is gone is opened anew once.
    generation: u64,
    /// What opens a session anew.
    initialize: Option<Bytes>,
    initialized: Option<Bytes>,
    /// Ends the listening stream of the session.
    listening: CancellationToken,
}

/// Carries one client's messages.
#[derive(Debug)]
pub(super) struct Relay {
    endpoint: Endpoint,
    out: mpsc::Sender<Bytes>,
    standing: Mutex<Standing>,
    running: Mutex<HashMap<IdKey, Running>>,
    reopening: tokio::sync::Mutex<()>,
    params: Params,
    tasks: TaskTracker,
    /// Cancelled when nothing is carried any more.
    over: CancellationToken,
}

/// A request that runs.
#[derive(Debug)]
struct Running {
    stateless: bool,
    cancel: CancellationToken,
}

/// Why a request has no answer: what the client is told.
#[derive(Debug)]
struct Fault {
    code: i64,
    text: String,
}

impl From<ExchangeError> for Fault {
    fn from(error: ExchangeError) -> Self {
        let code = match error {
            ExchangeError::Unreachable(_) => code::UPSTREAM_UNREACHABLE,
            ExchangeError::CutOff | ExchangeError::TooSlow | ExchangeError::TooLarge => {
                code::BAD_UPSTREAM_ANSWER
            }
        };
        Self { code, text: error.to_string() }
    }
}

fn strange(text: impl Into<String>) -> Fault {
    Fault { code: code::BAD_UPSTREAM_ANSWER, text: text.into() }
}

/// How a request ended.
enum Outcome {
    /// With this line.
    Answered(Bytes),
    /// The gateway no longer knows the session; the request was not run.
    SessionGone,
    /// With this line: the headers were not what they should be, so the request was not run.
    Mismatched(Bytes),
}

impl Relay {
    /// A relay to `endpoint` that writes lines to `out`.
    pub(super) fn new(endpoint: Endpoint, out: mpsc::Sender<Bytes>) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            out,
            standing: Mutex::default(),
            running: Mutex::default(),
            reopening: tokio::sync::Mutex::default(),
            params: Params::default(),
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
        })
    }

    /// Carries lines until their end, until nobody reads the answers, or until `stop`. After the end
    /// of the lines, what still runs is finished within bounds; then the session ends.
    pub(super) async fn run(
        self: Arc<Self>,
        mut lines: mpsc::Receiver<Line>,
        stop: CancellationToken,
    ) {
        let taking = async {
            while let Some(line) = lines.recv().await {
                self.take(line).await;
            }
            self.standing().listening.cancel();
            self.tasks.close();
            let finished = timeout(Duration::from_secs(FINISH_SECONDS_MAX), self.tasks.wait());
            if finished.await.is_err() {
                tracing::warn!("requests were still running when stdin had ended for long");
            }
        };
        tokio::select! {
            () = taking => {}
            () = stop.cancelled() => {}
            () = self.out.closed() => tracing::debug!("nobody reads stdout any more"),
        }
        self.over.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let farewell = Duration::from_secs(FAREWELL_SECONDS_MAX);
        if timeout(farewell, self.end_session()).await.is_err() {
            tracing::debug!("the gateway did not hear that the session is over");
        }
    }

    async fn take(self: &Arc<Self>, line: Line) {
        let Line::Whole(body) = line else {
            let text = format!("a message is at most {} bytes", gateway::BODY_BYTES_MAX);
            return self.say(reply::error(None, code::INVALID_REQUEST, &text, None)).await;
        };
        match read_client(&body) {
            ClientMessage::Initialize(id) => self.initialize(&id, body).await,
            ClientMessage::Request(id, mirror) => self.request(id, mirror, body).await,
            ClientMessage::Initialized => {
                self.standing().initialized = Some(body.clone());
                if self.post_quietly(self.legacy_headers(), body).await {
                    self.listen();
                }
            }
            ClientMessage::Cancelled(id, mirror) => {
                let stateless = id.and_then(|id| {
                    let running = self.running();
                    running.get(&id).filter(|one| one.stateless).map(|one| one.cancel.clone())
                });
                match stateless {
                    // The closed connection is the cancellation.
                    Some(cancel) => cancel.cancel(),
                    None => self.notify(&mirror, body).await,
                }
            }
            ClientMessage::Notification(mirror) => self.notify(&mirror, body).await,
            ClientMessage::Response => {
                self.post_quietly(self.legacy_headers(), body).await;
            }
            ClientMessage::Other => {
                let relay = Arc::clone(self);
                let over = self.over.clone();
                self.tasks.spawn(async move {
                    tokio::select! {
                        () = over.cancelled() => {}
                        () = relay.other(body) => {}
                    }
                });
            }
        }
    }

    /// `initialize`: what it answers settles session and revision for all that follows.
    async fn initialize(&self, id: &RawId, body: Bytes) {
        {
            let mut standing = self.standing();
            standing.listening.cancel();
            let generation = standing.generation.saturating_add(1);
            let initialize = Some(body.clone());
            *standing = Standing { generation, initialize, ..Standing::default() };
        }
        let line = match self.open_session(id, body).await {
            Ok(answer) => answer,
            Err(fault) => reply::error(Some(id), fault.code, &fault.text, None),
        };
        self.say(line).await;
    }

    /// Opens a session and keeps what it is; the answer as a line.
    async fn open_session(&self, id: &RawId, body: Bytes) -> Result<Bytes, Fault> {
        let answer = self.endpoint.send(Method::POST, HeaderMap::new(), body).await?;
        let session = answer.headers().get(SESSION_ID).cloned();
        let line = match self.outcome(id, answer, true).await? {
            Outcome::Answered(line) | Outcome::Mismatched(line) => line,
            Outcome::SessionGone => return Err(strange("the gateway answered HTTP 404")),
        };
        let mut standing = self.standing();
        standing.session = session;
        standing.version = agreed_version(&line);
        Ok(line)
    }

    async fn request(self: &Arc<Self>, id: RawId, mirror: Mirror, body: Bytes) {
        let cancel = self.over.child_token();
        let stateless = mirror.version().is_some();
        let refused = {
            let mut running = self.running();
            if running.len() >= REQUESTS_MAX {
                Some(format!("more than {REQUESTS_MAX} requests are running"))
            } else if running.contains_key(id.key()) {
                Some("a request with this id is running".to_owned())
            } else {
                let one = Running { stateless, cancel: cancel.clone() };
                running.insert(id.key().clone(), one);
                None
            }
        };
        if let Some(text) = refused {
            return self.say(reply::error(Some(&id), code::INVALID_REQUEST, &text, None)).await;
        }
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            let line = tokio::select! {
                () = cancel.cancelled() => None,
                line = relay.answer(&id, &mirror, &body) => Some(line),
            };
            relay.running().remove(id.key());
            if let Some(line) = line {
                relay.say(line).await;
            }
        });
    }

    /// The answer to a request, as a line; an error of the bridge's own where there is none.
    async fn answer(self: &Arc<Self>, id: &RawId, mirror: &Mirror, body: &Bytes) -> Bytes {
        let params = mirror.called_tool().map(|tool| self.params.of(tool)).unwrap_or_default();
        let answered = match self.attempt(id, mirror, (body, &params)).await {
            Ok((Outcome::SessionGone, generation)) => match self.reopen(generation).await {
                Ok(()) => self.attempt(id, mirror, (body, &params)).await,
                Err(fault) => Err(fault),
            },
            Ok((Outcome::Mismatched(line), generation)) => {
                match self.learn_anew(mirror, &params).await {
                    Some(params) => self.attempt(id, mirror, (body, &params)).await,
                    None => Ok((Outcome::Answered(line), generation)),
                }
            }
            other @ (Ok((Outcome::Answered(_), _)) | Err(_)) => other,
        };
        match answered {
            Ok((Outcome::Answered(line), _)) if mirror.lists_tools() => self.params.learn(line),
            Ok((Outcome::Answered(line) | Outcome::Mismatched(line), _)) => line,
            Ok((Outcome::SessionGone, _)) => {
                let text = "the gateway has forgotten the session";
                reply::error(Some(id), code::UPSTREAM_UNREACHABLE, text, None)
            }
            Err(fault) => reply::error(Some(id), fault.code, &fault.text, None),
        }
    }

    async fn attempt(
        &self,
        id: &RawId,
        mirror: &Mirror,
        (body, params): (&Bytes, &ParamHeaders),
    ) -> Result<(Outcome, u64), Fault> {
        let generation = self.standing().generation;
        let mut headers = self.headers(mirror);
        if !params.is_empty() {
            params::mirror(&mut headers, params, &arguments_of(body));
        }
        let sessionless = !headers.contains_key(SESSION_ID);
        let answer = self.endpoint.send(Method::POST, headers, body.clone()).await?;
        Ok((self.outcome(id, answer, sessionless).await?, generation))
    }

    /// What an answer of the gateway says to a request.
    async fn outcome(
        &self,
        id: &RawId,
        answer: Answer,
        sessionless: bool,
    ) -> Result<Outcome, Fault> {
        let (status, body) = match answer {
            Answer::Events { events, .. } => {
                return self.follow(id, events, sessionless).await.map(Outcome::Answered);
            }
            Answer::Whole { status, body, .. } => (status, body),
        };
        if status == StatusCode::NOT_FOUND && !sessionless {
            return Ok(Outcome::SessionGone);
        }
        match read_gateway(body.clone(), Some(id)) {
            Ok(Received::Answer(line))
                if status == StatusCode::BAD_REQUEST && is_header_mismatch(&line) =>
            {
                Ok(Outcome::Mismatched(line))
            }
            Ok(Received::Answer(line)) => Ok(Outcome::Answered(line)),
            Ok(Received::Nameless(code, text)) => Err(Fault { code, text }),
            Ok(Received::Aside(_) | Received::Foreign(_)) => {
                Err(strange("the answer is none to this request"))
            }
            Err(_no_message) => Err(strange(refusal(status, &body))),
        }
    }

    /// Reads a stream up to the answer, and passes on what comes before it. A stream of a session
    /// that ends too soon is taken up where it ended (MCP 2025-11-25, "Resumability").
    async fn follow(
        &self,
        id: &RawId,
        mut events: Events,
        sessionless: bool,
    ) -> Result<Bytes, Fault> {
        let mut last: Option<HeaderValue> = None;
        let mut wait = RESUME_MILLIS;
        for _stream in 0..=RESUMES_MAX {
            let fault = loop {
                let event = match events.next().await {
                    Ok(Some(event)) => event,
                    Ok(None) => break Fault::from(ExchangeError::CutOff),
                    Err(ExchangeError::TooLarge) => return Err(ExchangeError::TooLarge.into()),
                    Err(error) => break error.into(),
                };
                wait = event.retry_ms.unwrap_or(wait).min(RESUME_MILLIS_MAX);
                if let Some(id) = &event.id {
                    last = HeaderValue::from_bytes(id).ok().filter(|id| !id.is_empty());
                }
                let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
                match read_gateway(data, Some(id)) {
                    Ok(Received::Answer(line)) => return Ok(line),
                    Ok(Received::Nameless(code, text)) => return Err(Fault { code, text }),
                    Ok(Received::Aside(line)) => self.say(line).await,
                    Ok(Received::Foreign(_)) => tracing::debug!("an answer to another request"),
                    Err(error) => return Err(strange(error.to_string())),
                }
            };
            let Some(from) = last.clone().filter(|_| !sessionless) else { return Err(fault) };
            sleep(Duration::from_millis(wait)).await;
            events = match self.listening_stream(Some(from)).await {
                Some(events) => events,
                None => return Err(fault),
            };
        }
        Err(ExchangeError::CutOff.into())
    }

    /// A GET stream of the session; `None` where there is none.
    async fn listening_stream(&self, from: Option<HeaderValue>) -> Option<Events> {
        let mut headers = self.legacy_headers();
        if let Some(from) = from {
            headers.insert(LAST_EVENT_ID, from);
        }
        match self.endpoint.send(Method::GET, headers, Bytes::new()).await {
            Ok(Answer::Events { events, .. }) => Some(events),
            Ok(Answer::Whole { status, .. }) => {
                tracing::debug!(%status, "the gateway has no listening stream");
                None
            }
            Err(error) => {
                tracing::debug!(%error, "no listening stream");
                None
            }
        }
    }

    /// Listens for what the server says of its own, as long as the session lives.
    fn listen(self: &Arc<Self>) {
        let ended = self.standing().listening.clone();
        let over = self.over.clone();
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = over.cancelled() => {}
                () = relay.hear() => {}
            }
        });
    }

    async fn hear(&self) {
        let mut last = None;
        let mut wait = RESUME_MILLIS;
        let mut failed: u32 = 0;
        while failed <= RESUMES_MAX {
            let Some(mut events) = self.listening_stream(last.clone()).await else {
                // A first stream that there is none of is an answer; later ones may come back.
                if last.is_none() && failed == 0 {
                    return;
                }
                failed = failed.saturating_add(1);
                sleep(Duration::from_millis(wait)).await;
                continue;
            };
            failed = failed.saturating_add(1);
            while let Ok(Some(event)) = events.next().await {
                failed = 0;
                wait = event.retry_ms.unwrap_or(wait).min(RESUME_MILLIS_MAX);
                if let Some(id) = &event.id {
                    last = HeaderValue::from_bytes(id).ok().filter(|id| !id.is_empty());
                }
                let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
                match read_gateway(data, None) {
                    Ok(Received::Aside(line) | Received::Foreign(line)) => self.say(line).await,
                    Ok(Received::Answer(_) | Received::Nameless(..)) => {}
                    Err(error) => tracing::debug!(%error, "an event that is no message"),
                }
            }
            sleep(Duration::from_millis(wait)).await;
        }
    }

    /// Opens the session anew with the client's own `initialize`, unless somebody did already. What
    /// the server was told in the old session beyond that (subscriptions, log levels) is lost.
    async fn reopen(self: &Arc<Self>, generation: u64) -> Result<(), Fault> {
        let _one_at_a_time = self.reopening.lock().await;
        let (initialize, initialized) = {
            let mut standing = self.standing();
            if standing.generation != generation {
                return Ok(());
            }
            standing.listening.cancel();
            standing.listening = CancellationToken::new();
            standing.session = None;
            standing.generation = standing.generation.saturating_add(1);
            (standing.initialize.clone(), standing.initialized.clone())
        };
        let gone = || Fault {
            code: code::UPSTREAM_UNREACHABLE,
            text: "the gateway has forgotten the session".to_owned(),
        };
        let initialize = initialize.ok_or_else(gone)?;
        let ClientMessage::Initialize(id) = read_client(&initialize) else { return Err(gone()) };
        self.open_session(&id, initialize).await?;
        tracing::warn!("the gateway had forgotten the session; it was opened anew");
        if let Some(body) = initialized
            && self.post_quietly(self.legacy_headers(), body).await
        {
            self.listen();
        }
        Ok(())
    }

    async fn notify(&self, mirror: &Mirror, body: Bytes) {
        self.post_quietly(self.headers(mirror), body).await;
    }

    /// Sends what nobody waits for an answer to; whether it was accepted.
    async fn post_quietly(&self, headers: HeaderMap, body: Bytes) -> bool {
        match self.endpoint.send(Method::POST, headers, body).await {
            Ok(Answer::Whole { status, .. }) if status.is_success() => true,
            Ok(Answer::Events { .. }) => true,
            Ok(Answer::Whole { status, .. }) => {
                tracing::warn!(%status, "the gateway did not accept a message");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "a message was not delivered");
                false
            }
        }
    }

    /// What is no single message: the gateway's own words about it, or its answers to a batch.
    async fn other(&self, body: Bytes) {
        let line = match self.endpoint.send(Method::POST, self.legacy_headers(), body).await {
            Ok(Answer::Whole { body, .. })
                if serde_json::from_slice::<&serde_json::value::RawValue>(&body).is_ok() =>
            {
                single_line(&body)
            }
            Ok(Answer::Whole { status, body, .. }) => {
                let text = refusal(status, &body);
                reply::error(None, code::INVALID_REQUEST, &text, None)
            }
            Ok(Answer::Events { mut events, .. }) => {
                while let Ok(Some(event)) = events.next().await {
                    let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
                    self.say(single_line(&data)).await;
                }
                return;
            }
            Err(error) => {
                let fault = Fault::from(error);
                reply::error(None, fault.code, &fault.text, None)
            }
        };
        self.say(line).await;
    }

    async fn end_session(&self) {
        let headers = self.legacy_headers();
        if headers.contains_key(SESSION_ID)
            && let Err(error) = self.endpoint.send(Method::DELETE, headers, Bytes::new()).await
        {
            tracing::debug!(%error, "the session was not ended");
        }
    }

    /// The headers of a message: of its own era if it names a revision, else of the session.
    fn headers(&self, mirror: &Mirror) -> HeaderMap {
        if let Some(version) = mirror.version() {
            let mut standing = self.standing();
            if standing.initialize.is_none() {
                standing.version = Some(version.clone());
            }
            return mirror.headers(version);
        }
        let standing = self.standing();
        match &standing.version {
            Some(version) if standing.initialize.is_none() => mirror.headers(version),
            Some(_) | None => session_headers(&standing),
        }
    }

    fn legacy_headers(&self) -> HeaderMap {
        session_headers(&self.standing())
    }

    async fn say(&self, line: Bytes) {
        // Nobody reads any more: `run` notices by itself.
        drop(self.out.send(line).await);
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<IdKey, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn session_headers(standing: &Standing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(version) = standing.version.clone() {
        headers.insert(PROTOCOL_VERSION, version);
    }
    if let Some(session) = standing.session.clone() {
        headers.insert(SESSION_ID, session);
    }
    headers
}

/// What an HTTP answer without a message means.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    match status {
        StatusCode::UNAUTHORIZED => "the gateway does not accept the token (HTTP 401)".to_owned(),
        StatusCode::NOT_FOUND => "the token opens nothing at this URL (HTTP 404)".to_owned(),
        other => {
            let shown: String =
                String::from_utf8_lossy(body).chars().take(SHOWN_CHARS_MAX).collect();
            format!("the gateway answered HTTP {}: {shown}", other.as_u16())
        }
    }
}

#[cfg(test)]
mod tests;

//! The mock MCP server: legacy sessions, tools, answers of one size as JSON or as an event stream, and
//! GET streams that stay open. It does as little as can be, so that what is measured is what stands
//! in front of it. It knows no policy and keeps no log.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method as Verb, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::http1;
use crate::message::{self, OPENING};
use crate::workload::{Framing, Workload};

/// Which answers it gives.
#[derive(Debug, clap::Args)]
pub(crate) struct UpstreamArgs {
    /// The workload that it serves
    #[arg(long)]
    workload: Workload,
    /// How many tools it has [default: the workload's]
    #[arg(long)]
    tools: Option<usize>,
}

/// Serves until it is ended.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn run(args: UpstreamArgs) -> Result<(), String> {
    let mut shape = args.workload.shape();
    shape.tools = args.tools.unwrap_or(shape.tools);
    let server = Rc::new(Server {
        framing: shape.framing,
        quick: args.workload != Workload::W5,
        list_end: Bytes::from(message::list_answer_end(&shape)),
        call_end: Bytes::from(message::call_answer_end(&shape)),
        sessions: Cell::new(0),
        announced: watch::Sender::new(0),
    });
    http1::serve(move |request| {
        let server = Rc::clone(&server);
        async move { Ok::<_, Infallible>(server.answer(request).await) }
    })
    .await
}

/// How much of a request is looked at, in bytes. Longer ones must begin as the load generator's do.
const HEAD_BYTES_MAX: usize = 4096;

struct Server {
    framing: Framing,
    /// Whether requests that begin as expected are answered without parsing them.
    quick: bool,
    list_end: Bytes,
    call_end: Bytes,
    sessions: Cell<u64>,
    announced: watch::Sender<u64>,
}

/// What a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Initialize,
    List,
    Call,
    Announce,
    Ping,
    Notification,
    Unknown,
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        match *request.method() {
            Verb::POST => self.post(request.into_body()).await,
            Verb::GET => self.stream(),
            Verb::DELETE => bare(StatusCode::OK),
            _ => {
                let mut answer = bare(StatusCode::METHOD_NOT_ALLOWED);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
                answer
            }
        }
    }

    async fn post(&self, body: Incoming) -> Response<Answer> {
        let Ok((head, received)) = read(body).await else {
            return bare(StatusCode::BAD_REQUEST);
        };
        let quick = if self.quick { quick(&head) } else { None };
        let Some((id, asked)) = quick.or_else(|| thorough(&head)) else {
            return bare(StatusCode::BAD_REQUEST);
        };
        match asked {
            Asked::Call => self.result(message::call_answer(id, received), self.call_end.clone()),
            Asked::List => self.result(message::list_answer(id), self.list_end.clone()),
            Asked::Announce => {
                self.announced.send_modify(|count| *count += 1);
                self.result(message::call_answer(id, received), self.call_end.clone())
            }
            Asked::Initialize => self.initialize(id),
            Asked::Ping => self.result(format!("{OPENING}{id},\"result\":{{}}}}"), Bytes::new()),
            Asked::Notification => bare(StatusCode::ACCEPTED),
            Asked::Unknown => {
                let error = r#""error":{"code":-32601,"message":"Method not found"}}"#;
                json(format!("{OPENING}{id},{error}"), Bytes::new())
            }
        }
    }

    fn initialize(&self, id: &str) -> Response<Answer> {
        let number = self.sessions.get().saturating_add(1);
        self.sessions.set(number);
        let revision = message::REVISION;
        let result = format!(
            r#"{OPENING}{id},"result":{{"protocolVersion":"{revision}","capabilities":{{"tools":{{"listChanged":true}},"logging":{{}}}},"serverInfo":{{"name":"bench-upstream","version":"1"}}}}}}"#
        );
        let mut answer = self.result(result, Bytes::new());
        if let Ok(session) = HeaderValue::try_from(format!("bench-session-{number}")) {
            answer.headers_mut().insert("mcp-session-id", session);
        }
        answer
    }

    fn result(&self, begin: String, end: Bytes) -> Response<Answer> {
        match self.framing {
            Framing::Json => json(begin, end),
            Framing::Sse => events(Answer::Parts {
                parts: [
                    Some(Bytes::from(format!("event: message\ndata: {begin}"))),
                    Some(end),
                    Some(Bytes::from_static(b"\n\n")),
                ],
                bytes: None,
            }),
        }
    }

    /// A stream that stays open and says nothing but announcements.
    fn stream(&self) -> Response<Answer> {
        let heard = self.announced.subscribe();
        let stream = futures_util::stream::unfold(heard, |mut heard| async move {
            heard.changed().await.ok()?;
            let event = format!("event: message\ndata: {}\n\n", message::announcement());
            Some((Bytes::from(event), heard))
        });
        // Without a first frame the head would wait for the first announcement.
        let opening = futures_util::stream::iter([Bytes::from_static(b": open\n\n")]);
        let stream = futures_util::StreamExt::chain(opening, stream);
        events(Answer::Open(Box::pin(stream)))
    }
}

/// A body of which all is counted, and the beginning kept.
async fn read(mut body: Incoming) -> Result<(Vec<u8>, usize), hyper::Error> {
    let mut head = Vec::new();
    let mut received = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        received = received.saturating_add(data.len());
        let wanted = HEAD_BYTES_MAX.saturating_sub(head.len()).min(data.len());
        head.extend_from_slice(data.get(..wanted).unwrap_or_default());
    }
    Ok((head, received))
}

/// Reads a request that begins as the load generator's do.
fn quick(head: &[u8]) -> Option<(&str, Asked)> {
    let rest = head.strip_prefix(OPENING.as_bytes())?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (id, rest) = rest.split_at_checked(digits)?;
    let asked = match rest {
        rest if rest.starts_with(br#","method":"tools/call""#) => Asked::Call,
        rest if rest.starts_with(br#","method":"tools/list""#) => Asked::List,
        _ => return None,
    };
    Some((std::str::from_utf8(id).ok()?, asked))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(default)]
    params: Params<'a>,
}

#[derive(Deserialize, Default)]
struct Params<'a> {
    #[serde(default)]
    name: Option<&'a str>,
}

/// Parses any request that is short enough to be whole.
fn thorough(head: &[u8]) -> Option<(&str, Asked)> {
    let envelope: Envelope<'_> = serde_json::from_slice(head).ok()?;
    let Some(id) = envelope.id else {
        return Some(("null", Asked::Notification));
    };
    let asked = match envelope.method {
        "initialize" => Asked::Initialize,
        "tools/list" => Asked::List,
        "tools/call" if envelope.params.name == Some(message::ANNOUNCE) => Asked::Announce,
        "tools/call" => Asked::Call,
        "ping" => Asked::Ping,
        _ => Asked::Unknown,
    };
    Some((id.get(), asked))
}

/// What is sent as one piece although it was made as two, in bytes.
const JOINED_BYTES_MAX: usize = 4096;

fn json(mut begin: String, end: Bytes) -> Response<Answer> {
    let bytes = begin.len() + end.len();
    let mut rest = Some(end).filter(|end| !end.is_empty());
    if let Some(end) = rest.as_deref().filter(|_end| bytes <= JOINED_BYTES_MAX) {
        begin.push_str(std::str::from_utf8(end).unwrap_or_default());
        rest = None;
    }
    let parts = [Some(Bytes::from(begin)), rest, None];
    let mut answer = Response::new(Answer::Parts { parts, bytes: Some(bytes) });
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn events(body: Answer) -> Response<Answer> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer
}

fn bare(status: StatusCode) -> Response<Answer> {
    let mut answer = Response::new(Answer::Parts { parts: [None, None, None], bytes: Some(0) });
    *answer.status_mut() = status;
    answer
}

/// The body of an answer.
enum Answer {
    /// Some pieces, and their length where it is to be stated.
    Parts { parts: [Option<Bytes>; 3], bytes: Option<usize> },
    /// A stream without an end.
    Open(Pin<Box<dyn Stream<Item = Bytes>>>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Parts { parts, .. } => parts.iter_mut().find_map(Option::take),
            Self::Open(stream) => ready!(stream.as_mut().poll_next(cx)),
        };
        Poll::Ready(next.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Parts { parts, .. } => parts.iter().all(Option::is_none),
            Self::Open(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Parts { bytes: Some(bytes), .. } => SizeHint::with_exact(*bytes as u64),
            Self::Parts { bytes: None, .. } | Self::Open(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;

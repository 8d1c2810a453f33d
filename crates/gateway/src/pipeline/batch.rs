//! Batches, for sessions that negotiated 2025-03-26: every element is decided on its own, one after
//! the other, and leaves as a message of its own. No element waits for a person. A batch ends where
//! its grant or session does: what comes after that is neither run nor answered.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::StatusCode;
use http_body_util::BodyExt as _;
use mcp::sse::FrameSplitter;
use mcp::{ClientMessage, ServerMessage};

use super::refusal;
use super::visit::{Visit, Waiting};
use crate::answer::{self, Answer, Refused};
use crate::upstream::{ANSWER_BYTES_MAX, EVENT_BYTES_MAX};

/// A batch whose answers have this many bytes together runs no further request.
const ANSWERS_BYTES_MAX: usize = ANSWER_BYTES_MAX;

/// Answers a batch with an array of the elements' answers, in their order; with 202 when none of
/// them has one.
pub(super) async fn answer(
    mut visit: Box<Visit>,
    messages: Vec<ClientMessage>,
) -> Result<Answer, Refused> {
    visit.waiting = Waiting::No;
    let mut answers = BytesMut::new();
    for message in messages {
        // Each element is judged by what is in force when its turn comes.
        let Some(mut element) = still_open(&visit) else {
            crate::entry::note_visit(&visit, Refused::Unauthorized).await;
            break;
        };
        element.request_id = visit.plane.request_id();
        let answered = if answers.len() >= ANSWERS_BYTES_MAX
            && let ClientMessage::Request(request) = &message
        {
            crate::entry::note_visit(&element, Refused::TooLarge).await;
            Some(refusal::batch_full(request.id()).body)
        } else {
            let answering = match super::one(element, message) {
                Ok(answering) => answering.await,
                Err(refused) => Err(refused),
            };
            match answering {
                Ok(answer) => body_of(answer).await,
                Err(refused) => {
                    crate::entry::note_visit(&visit, refused).await;
                    body_of(answer::refused(refused)).await
                }
            }
        };
        if let Some(body) = answered {
            answers.extend_from_slice(if answers.is_empty() { b"[" } else { b"," });
            answers.extend_from_slice(&body);
        }
    }
    if answers.is_empty() {
        return Ok(answer::empty(StatusCode::ACCEPTED));
    }
    answers.extend_from_slice(b"]");
    Ok(answer::json(StatusCode::OK, answers.freeze()))
}

/// The visit of the next element; `None` when the grant or the session has ended.
fn still_open(visit: &Visit) -> Option<Box<Visit>> {
    if visit.session().is_some_and(|session| session.ended()) {
        return None;
    }
    let mut element = Box::new(visit.clone());
    element.renew()?;
    Some(element)
}

/// The JSON-RPC answer in an element's answer. Of an event stream only the answer counts: a batch
/// has no stream on which notifications could go.
async fn body_of(answer: Answer) -> Option<Bytes> {
    let is_stream = answer
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes() == b"text/event-stream");
    let mut data = answer.into_body().into_data_stream();
    if !is_stream {
        let Some(Ok(body)) = data.next().await else { return None };
        return (!body.is_empty()).then_some(body);
    }
    let mut splitter = FrameSplitter::new(EVENT_BYTES_MAX);
    while let Some(Ok(piece)) = data.next().await {
        splitter.push(piece);
        while let Ok(Some(event)) = splitter.next_event() {
            if let Some(body) = event.data
                && let Ok(ServerMessage::Response(response)) = mcp::read_message(body)
            {
                return Some(response.body().clone());
            }
        }
    }
    None
}

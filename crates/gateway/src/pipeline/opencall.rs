//! A call whose audit record is open: it is closed exactly once, with how the call ended, also when
//! its future or its stream is dropped. Metrics come from the same outcome.

use std::sync::Arc;

use mcp::{Outcome, Request, Response, code};
use policy::Cause;
use store::{Admitted, AuditOutcome};
use tokio::time::Instant;

use super::visit::Visit;
use crate::metrics::OutcomeLabels;
use crate::observer::{CallEnd, Watched};
use crate::plane::Plane;
use crate::upstream::{SendError, Sent};

/// How a call ends that the server ran and answered.
const ANSWERED: &str = "ok";

/// An admitted call on its way.
pub(crate) struct OpenCall {
    plane: Arc<Plane>,
    admitted: Option<Admitted>,
    started: Instant,
    request_bytes: u64,
    watched: Option<Box<Watched>>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
struct End {
    word: &'static str,
    status: Option<u16>,
    code: Option<i64>,
    answer_bytes: u64,
    give_back: Option<Cause>,
}

impl End {
    const fn word(word: &'static str) -> Self {
        Self { word, status: None, code: None, answer_bytes: 0, give_back: None }
    }
}

impl OpenCall {
    /// `watched` is what an observer, if there is one, hears of at the end.
    pub(crate) fn new(
        visit: &Visit,
        request: &Request,
        admitted: Admitted,
        watched: Option<Box<Watched>>,
    ) -> Self {
        Self {
            plane: Arc::clone(&visit.plane),
            admitted: Some(admitted),
            started: visit.started,
            request_bytes: request.body().len() as u64,
            watched,
        }
    }

    /// The server answered.
    pub(crate) fn answered(mut self, response: &Response, status: u16) {
        let mut end = match response.outcome() {
            Outcome::Result if response.is_tool_error() => End::word("is_error"),
            Outcome::Result => End::word(ANSWERED),
            Outcome::Error(error) => End { code: error, ..End::word("error") },
        };
        // The four codes say that the server did not run the call (POLICY.md section 5 rule 3).
        let refused = matches!(
            end.code,
            Some(
                code::PARSE_ERROR
                    | code::INVALID_REQUEST
                    | code::METHOD_NOT_FOUND
                    | code::INVALID_PARAMS
            )
        );
        end.give_back = refused.then_some(Cause::ServerRefused);
        end.status = Some(status);
        end.answer_bytes = response.body().len() as u64;
        self.end(&end);
    }

    /// The server refused the HTTP request with a status of its own and no JSON-RPC answer.
    pub(crate) fn refused(mut self, status: u16) {
        self.end(&End { status: Some(status), ..End::word("error") });
    }

    /// What the server answered, under this status, is no answer to this request.
    pub(crate) fn broken(mut self, status: u16) {
        self.end(&End { status: Some(status), ..End::word("broken") });
    }

    /// There is no answer.
    pub(crate) fn failed(mut self, error: &SendError) {
        let (word, give_back) = match error {
            SendError::Unreachable(_) => ("not_sent", Some(Cause::NeverLeft)),
            // The server says so itself, so what it can give back is bounded.
            SendError::SessionGone(_) => ("not_sent", Some(Cause::ServerRefused)),
            SendError::TimedOut(sent) => ("timeout", never_left(*sent)),
            SendError::Broken(sent) => ("broken", never_left(*sent)),
            SendError::Cancelled(sent) => ("cancelled", never_left(*sent)),
            SendError::TooLarge { .. } | SendError::BadAnswer(_) => ("broken", None),
        };
        self.end(&End { give_back, status: error.status(), ..End::word(word) });
    }

    fn end(&mut self, end: &End) {
        let Some(admitted) = self.admitted.take() else { return };
        let elapsed = self.started.elapsed();
        let outcome = AuditOutcome {
            outcome: end.word,
            upstream_status: end.status,
            error_code: end.code,
            latency_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            request_bytes: self.request_bytes,
            answer_bytes: end.answer_bytes,
        };
        admitted.close(&outcome, end.give_back, self.plane.now());
        if end.word == ANSWERED {
            self.plane.metrics.answered.inc();
        } else {
            let labels = OutcomeLabels { outcome: end.word };
            self.plane.metrics.outcomes.get_or_create(&labels).inc();
        }
        self.plane.metrics.latency.observe(elapsed.as_secs_f64());
        if let Some(watched) = self.watched.take() {
            let end = CallEnd {
                outcome: Some(end.word),
                upstream_status: end.status,
                error_code: end.code,
            };
            watched.ended(end, self.plane.now());
        }
    }
}

fn never_left(sent: Sent) -> Option<Cause> {
    match sent {
        Sent::No => Some(Cause::NeverLeft),
        Sent::Maybe => None,
    }
}

impl Drop for OpenCall {
    /// A call that nobody finished was cancelled: its client left (modern), or its stream ended.
    fn drop(&mut self) {
        self.end(&End::word("cancelled"));
    }
}

impl std::fmt::Debug for OpenCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenCall").field("open", &self.admitted.is_some()).finish_non_exhaustive()
    }
}

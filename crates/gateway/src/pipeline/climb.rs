//! Progress of one call that waited for a person: what the gateway told of the wait, and what the
//! server reports after it, under the one token that the client gave. "The progress value MUST
//! increase with each notification" (MCP, Progress): so the gateway's steps are millionths, and what
//! the server begins with, mostly zero, goes out one step above what was told before. Nothing else of
//! a report changes, and none at all of those that are greater anyway.

use bytes::Bytes;
use mcp::sse::FrameSplitter;
use mcp::{Request, ServerMessage, reply};
use serde_json::Value;

use super::exchange::reframed;
use crate::upstream::EVENT_BYTES_MAX;

/// Steps in one.
const STEPS: u32 = 1_000_000;

/// Where the progress of a call stands.
#[derive(Debug)]
pub(super) struct Climb {
    /// JSON text of the client's token.
    token: Option<Box<str>>,
    /// The steps that were told.
    told: u32,
}

impl Climb {
    /// That of a call of which nothing was told yet.
    pub(super) fn of(request: &Request) -> Self {
        Self { token: request.progress_token().map(Box::from), told: 0 }
    }

    /// Whether the client heard that the call waits.
    pub(super) const fn has_begun(&self) -> bool {
        self.told > 0
    }

    /// Says that the call waits; `None` where the client wants no progress.
    pub(super) fn step(&mut self) -> Option<Bytes> {
        let token = self.token.as_deref()?;
        self.told = self.told.saturating_add(1);
        let params = format!(
            "{{\"progressToken\":{token},\"progress\":{},\
             \"message\":\"waiting for a person's approval\"}}",
            value(self.told)
        );
        Some(reply::notification("notifications/progress", Some(&params)))
    }

    /// An event of the server as it goes out after that.
    pub(super) fn continued(&mut self, piece: Bytes) -> Bytes {
        if self.told == 0 {
            return piece;
        }
        self.raised(&piece).unwrap_or(piece)
    }

    /// The event with more progress, if it reports no more than was told.
    fn raised(&mut self, piece: &Bytes) -> Option<Bytes> {
        let mut frames = FrameSplitter::new(EVENT_BYTES_MAX);
        frames.push(piece.clone());
        let event = frames.next_event().ok()??;
        let data = event.data.clone()?;
        let Ok(ServerMessage::Notification(report)) = mcp::read_message(data.clone()) else {
            return None;
        };
        let (token, own) = (json(report.progress_token()?)?, json(self.token.as_deref()?)?);
        let progress = json(report.params()?.get("progress")?.raw_str())?.as_f64()?;
        if token != own || progress > f64::from(self.told) / f64::from(STEPS) {
            return None;
        }
        self.told = self.told.saturating_add(1);
        let data = mcp::replace_values(&data, &[(&["params", "progress"], &value(self.told))]);
        Some(reframed(&event, &data.ok()?))
    }
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn value(steps: u32) -> String {
    format!("{}.{:06}", steps / STEPS, steps % STEPS)
}

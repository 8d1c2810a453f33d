//! Tells people outside of held calls: one task for each channel, so that a slow receiver holds up
//! nobody but itself. What is to be told lies in the store before it is sent, and is sent at least
//! once under one identifier; a call never waits for any of it.
//!
//! Never here: what a person decides, addresses that are refused (`gateway::Post`).

mod event;
mod slack;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::{AuditValues, Post};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};
use store::{
    Attempted, Delivery, DeliveryId, DeliveryState, Entropy, NewDelivery, Store, sign_delivery,
};
use thiserror::Error;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::causes::chain;
use crate::clock;
use crate::config::{Channel, Kind};

/// How long a receiver may take to answer, in seconds.
const ANSWER_SECONDS_MAX: u64 = 10;
/// The pauses between the attempts of one message, in seconds; after the last it is given up.
const PAUSES_SECONDS: [u32; 8] = [5, 15, 60, 300, 900, 1_800, 3_600, 7_200];
/// An attempt of which nobody heard the end is made again after so many seconds.
const UNKNOWN_SECONDS: u32 = 30;
/// How often is looked for what is to be told, in milliseconds, where nothing says so.
const LOOK_MS: u64 = 1_000;
/// How many messages are made or sent before anything else is looked at: what they tell of lies in
/// memory meanwhile, and agents choose how long that is.
const BATCH_MAX: usize = 8;
/// Characters of an error that the log keeps.
const ERROR_CHARS_MAX: usize = 300;

/// What all channels share.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    pub(crate) store: Store,
    /// What links to the console begin with, without a closing slash.
    pub(crate) console_url: Arc<str>,
    /// How much of arguments is shown.
    pub(crate) values: AuditValues,
}

/// Why a round of a channel ended early.
#[derive(Debug, Error)]
enum RoundError {
    #[error("the outbox cannot be read")]
    Read(#[from] store::ReadError),
    #[error("the outbox cannot be written")]
    Write(#[from] store::WriteError),
    #[error("no identifier for a message")]
    NoEntropy(#[from] store::NoEntropy),
}

impl Notifier {
    /// Serves one channel until `stop`.
    pub(crate) async fn run(self, channel: Channel, stop: CancellationToken) {
        let post = match Post::to(channel.url.expose(), channel.rule) {
            Ok(post) => post,
            // The configuration was checked with the same rule.
            Err(error) => {
                tracing::error!(channel = channel.name, error = chain(&error), "no channel");
                return;
            }
        };
        if let Err(error) = self.store.resume_deliveries(clock::now()).await {
            tracing::error!(channel = channel.name, error = chain(&error), "the outbox");
        }
        let mut changes = self.store.approval_changes();
        loop {
            let round = async {
                self.announce(&channel).await?;
                self.send_due(&channel, &post).await
            };
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = round => done,
            };
            if let Err(error) = done {
                tracing::warn!(channel = channel.name, error = chain(&error), "a notification");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                moved = changes.changed() => if moved.is_err() { return },
                () = sleep_until(Instant::now() + Duration::from_millis(LOOK_MS)) => {}
            }
        }
    }

    /// Puts what the channel was not told yet into the outbox.
    async fn announce(&self, channel: &Channel) -> Result<(), RoundError> {
        let now = clock::now();
        let news = self.store.unannounced(&channel.name, BATCH_MAX, now).await?;
        if news.is_empty() {
            return Ok(());
        }
        let mut made = Vec::with_capacity(news.len());
        for news in news {
            let id = DeliveryId::from_random(Entropy::system().bytes()?);
            let asked = channel.events.contains(&news.occasion);
            let payload = if asked {
                let footing = self.store.approval_footing(&news.record.id, now).await?;
                event::of(self, &id, &news, footing.as_ref())
            } else {
                String::new()
            };
            made.push(NewDelivery {
                id,
                channel: channel.name.clone(),
                occasion: news.occasion,
                subject: Some(news.record.id),
                payload,
                state: if asked { DeliveryState::Pending } else { DeliveryState::Skipped },
            });
        }
        Ok(self.store.make_deliveries(made, now).await?)
    }

    /// Sends what is due, one message after the other.
    async fn send_due(&self, channel: &Channel, post: &Post) -> Result<(), RoundError> {
        for delivery in self.store.due_deliveries(&channel.name, BATCH_MAX, clock::now()).await? {
            // Written first: a process that dies in the attempt makes it again, under the same id.
            let again = clock::now().plus_seconds(UNKNOWN_SECONDS);
            self.store.delivery_begins(&delivery.id, again).await?;
            let attempted = attempt(channel, post, &delivery).await;
            let now = clock::now();
            let end = ended(attempted, delivery.attempts);
            self.store.delivery_ends(&delivery.id, end, now).await?;
        }
        Ok(())
    }
}

/// One attempt: the status of the answer, or why there is none.
async fn attempt(
    channel: &Channel,
    post: &Post,
    delivery: &Delivery,
) -> Result<StatusCode, String> {
    let body = match channel.kind {
        Kind::Webhook => delivery.payload.clone(),
        Kind::Slack => slack::message(&delivery.payload),
    };
    let headers = headers(channel, delivery, &body)?;
    let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
    post.send(headers, Bytes::from(body), patience).await.map_err(|error| chain(&error))
}

fn headers(channel: &Channel, delivery: &Delivery, body: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let Some(secret) = &channel.secret else { return Ok(headers) };
    let seconds = clock::now().0.div_euclid(1000);
    let own = [
        ("portcullis-id", delivery.id.as_str().to_owned()),
        ("idempotency-key", delivery.id.as_str().to_owned()),
        ("portcullis-event", delivery.occasion.as_str().to_owned()),
        ("portcullis-attempt", delivery.attempts.saturating_add(1).to_string()),
        ("portcullis-timestamp", seconds.to_string()),
        ("portcullis-signature", sign_delivery(secret, seconds, body.as_bytes())),
    ];
    for (name, value) in own {
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// What follows from an attempt; `before` were made before it.
fn ended(attempted: Result<StatusCode, String>, before: u32) -> Attempted {
    let pause = usize::try_from(before).ok().and_then(|before| PAUSES_SECONDS.get(before));
    let (status, why) = match attempted {
        Ok(status) if status.is_success() => return Attempted::Delivered(status.as_u16()),
        Ok(status) => (Some(status), format!("the receiver answered {status}")),
        Err(why) => (None, why),
    };
    let why = why.chars().take(ERROR_CHARS_MAX).collect();
    let code = status.map(|status| status.as_u16());
    match pause {
        // A receiver that is gone says so itself.
        Some(pause) if status != Some(StatusCode::GONE) => {
            Attempted::Again(clock::now().plus_seconds(*pause), code, why)
        }
        Some(_) | None => Attempted::GivenUp(code, why),
    }
}

#[cfg(test)]
mod tests;

//! What is to be told to people outside, and how far each message came: an outbox that survives a
//! restart, and the log of it.
//!
//! What never lives here: sending, what a message says, which channels there are.

mod rows;
mod signature;

use policy::{ApprovalId, ApprovalRecord, UnixMillis};

pub use signature::sign_delivery;

use crate::deed::Deed;
use crate::error::{ReadError, WriteError};
use crate::store::Store;

/// Messages in one page of the log, at most.
pub const DELIVERIES_PAGE_ROWS_MAX: usize = 500;

/// Messages of one channel that wait to be sent, at most; a further one is given up at once, and the
/// log says so. A receiver that is away for long must not fill the disk.
pub const DELIVERIES_WAITING_MAX: u32 = 5_000;

/// How long a message that has ended stays in the log, in seconds: longer than any request for an
/// approval lives, so that nothing is announced twice.
const KEPT_SECONDS: u32 = 30 * 24 * 60 * 60;

/// The id of a message, which its receiver knows it by: `dlv_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// An id from random bytes.
    pub fn from_random(bytes: [u8; 16]) -> DeliveryId {
        DeliveryId(format!("dlv_{:032x}", u128::from_be_bytes(bytes)))
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a message tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Occasion {
    /// A call is held and waits for a person.
    Requested,
    /// A person decided.
    Decided,
    /// Nobody decided in time.
    Expired,
    /// Somebody tries the channel.
    Test,
}

impl Occasion {
    /// Those that a channel may be set up for.
    pub const ALL: [Occasion; 3] = [Occasion::Requested, Occasion::Decided, Occasion::Expired];

    /// The word in messages, lists and the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Occasion::Requested => "approval.requested",
            Occasion::Decided => "approval.decided",
            Occasion::Expired => "approval.expired",
            Occasion::Test => "test",
        }
    }

    /// The occasion of this word.
    pub fn parse(word: &str) -> Option<Occasion> {
        let all = Occasion::ALL.into_iter().chain([Occasion::Test]);
        all.into_iter().find(|occasion| occasion.as_str() == word)
    }
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent, for the first time or again.
    Pending,
    /// Its receiver took it.
    Delivered,
    /// It was given up.
    Failed,
    /// Its channel does not ask for it; noted so that what follows can be told.
    Skipped,
}

impl DeliveryState {
    /// The word in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Failed => "failed",
            DeliveryState::Skipped => "skipped",
        }
    }
}

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The channel's name.
    pub channel: String,
    /// What it tells of.
    pub occasion: Occasion,
    /// The approval that it is about; none for a test.
    pub subject: Option<ApprovalId>,
    /// What is sent, byte for byte. Empty for one that is skipped.
    pub payload: String,
    /// Whether it is sent at all: [`DeliveryState::Pending`] or [`DeliveryState::Skipped`].
    pub state: DeliveryState,
}

/// A message and how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Grows with every message.
    pub number: i64,
    /// Its id.
    pub id: DeliveryId,
    /// The channel's name.
    pub channel: String,
    /// What it tells of.
    pub occasion: Occasion,
    /// The approval that it is about.
    pub subject: Option<String>,
    /// What is sent; empty once it was delivered or given up.
    pub payload: String,
    /// How far it came.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: UnixMillis,
    /// The HTTP status that came last.
    pub last_status: Option<u16>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// When it was made.
    pub made_at: UnixMillis,
    /// When it was delivered or given up.
    pub ended_at: Option<UnixMillis>,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// The receiver took it, with this status.
    Delivered(u16),
    /// It did not, and is asked again at this time.
    Again(UnixMillis, Option<u16>, String),
    /// It did not, and is not asked again.
    GivenUp(Option<u16>, String),
}

/// What a channel was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unannounced {
    /// What happened.
    pub occasion: Occasion,
    /// To which request.
    pub record: ApprovalRecord,
}

/// Which messages a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryFilter {
    /// Only those of this channel.
    pub channel: Option<String>,
    /// Only those with a smaller number, for the next page.
    pub before: Option<i64>,
}

impl Store {
    /// What a channel was not told yet, at most `limit` things: requests that wait, and the ends of
    /// those that it knows of. Calls of [`Store::make_deliveries`] make it shorter.
    pub async fn unannounced(
        &self,
        channel: &str,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<Unannounced>, ReadError> {
        let channel = channel.to_owned();
        self.read(move |connection| rows::unannounced(connection, &channel, limit, now)).await
    }

    /// Puts messages into the outbox. One that is there already (the same channel, occasion and
    /// request) is not made again, and one for a channel of which [`DELIVERIES_WAITING_MAX`] wait is
    /// given up. Those that ended long ago leave the log.
    pub async fn make_deliveries(
        &self,
        made: Vec<NewDelivery>,
        now: UnixMillis,
    ) -> Result<(), WriteError> {
        self.change(move |tx| {
            for delivery in &made {
                rows::insert(tx, delivery, now)?;
            }
            let over = now.0.saturating_sub(i64::from(KEPT_SECONDS) * 1000);
            tx.prepare_cached("DELETE FROM deliveries WHERE ended_at < ?1")?.execute([over])?;
            Ok(())
        })
        .await
    }

    /// Puts a message into the outbox by which somebody tries a channel.
    pub async fn try_channel(&self, test: NewDelivery, now: UnixMillis) -> Result<(), WriteError> {
        self.act(move |tx| {
            rows::insert(tx, &test, now)?;
            Ok(((), tx.did(Deed::TryChannel, &test.channel, "")?))
        })
        .await
    }

    /// Has what waits for its next attempt be tried now: after a restart.
    pub async fn resume_deliveries(&self, now: UnixMillis) -> Result<(), WriteError> {
        self.change(move |tx| {
            let sql = "UPDATE deliveries SET next_at = min(next_at, ?1) WHERE state = 'pending'";
            tx.execute(sql, [now.0])?;
            Ok(())
        })
        .await
    }

    /// The messages of a channel that are to be sent by now, oldest first, at most `limit`.
    pub async fn due_deliveries(
        &self,
        channel: &str,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<Delivery>, ReadError> {
        let channel = channel.to_owned();
        self.read(move |connection| rows::due(connection, &channel, limit, now)).await
    }

    /// When the next message of a channel is to be sent; `None` while there is none.
    pub async fn next_delivery(&self, channel: &str) -> Result<Option<UnixMillis>, ReadError> {
        let channel = channel.to_owned();
        self.read(move |connection| rows::next(connection, &channel)).await
    }

    /// Notes that an attempt begins; should nobody tell how it went, the next one is at `again`.
    pub async fn delivery_begins(
        &self,
        id: &DeliveryId,
        again: UnixMillis,
    ) -> Result<(), WriteError> {
        let id = id.clone();
        self.change(move |tx| {
            let sql = "UPDATE deliveries SET attempts = attempts + 1, next_at = ?2
                WHERE id = ?1 AND state = 'pending'";
            tx.prepare_cached(sql)?.execute((id.as_str(), again.0))?;
            Ok(())
        })
        .await
    }

    /// Notes how an attempt went.
    pub async fn delivery_ends(
        &self,
        id: &DeliveryId,
        attempted: Attempted,
        now: UnixMillis,
    ) -> Result<(), WriteError> {
        let id = id.clone();
        self.change(move |tx| Ok(rows::ended(tx, &id, &attempted, now)?)).await
    }

    /// The log, newest first, at most `limit` (bounded by [`DELIVERIES_PAGE_ROWS_MAX`]). What was
    /// skipped is not in it.
    pub async fn deliveries(
        &self,
        filter: DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<Delivery>, ReadError> {
        let limit = limit.min(DELIVERIES_PAGE_ROWS_MAX);
        self.read(move |connection| rows::list(connection, &filter, limit)).await
    }
}

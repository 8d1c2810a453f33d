//! The single place that waits: polls until something holds, and fails at a deadline with a
//! sentence that says what it waited for. No test sleeps.

use std::fmt::Display;
use std::time::Duration;

/// How long anything local may take before a test gives up, in seconds.
pub const PATIENCE_SECONDS_MAX: u64 = 30;

/// Time between two looks, in milliseconds.
const LOOK_EVERY_MS: u64 = 15;

/// Polls `look` until it yields a value.
///
/// # Panics
/// When [`PATIENCE_SECONDS_MAX`] have passed without one.
pub async fn until<T, F>(what: impl Display, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_within(Duration::from_secs(PATIENCE_SECONDS_MAX), what, look).await
}

/// As [`until`], with another deadline.
///
/// # Panics
/// When `patience` has passed without a value.
pub async fn until_within<T, F>(
    patience: Duration,
    what: impl Display,
    look: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Option<T>>,
{
    let found = poll(patience, look).await;
    found.unwrap_or_else(|| panic!("waited {patience:?} in vain for {what}"))
}

/// As [`until_within`], but hands back nothing at the deadline.
pub async fn poll<T, F>(patience: Duration, mut look: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if tokio::time::Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
}

/// Ends a future that takes longer than anything local may take.
///
/// # Panics
/// When [`PATIENCE_SECONDS_MAX`] have passed.
pub async fn bounded<T>(what: impl Display, future: impl Future<Output = T>) -> T {
    bounded_within(Duration::from_secs(PATIENCE_SECONDS_MAX), what, future).await
}

/// As [`bounded`], with another deadline.
///
/// # Panics
/// When `patience` has passed.
pub async fn bounded_within<T>(
    patience: Duration,
    what: impl Display,
    future: impl Future<Output = T>,
) -> T {
    let ended = tokio::time::timeout(patience, future).await;
    ended.unwrap_or_else(|_elapsed| panic!("{what} took longer than {patience:?}"))
}

//! What is hashed, and what is refused.

use std::time::Duration;

use store::{Entropy, PasswordHash, Secret};

use super::{Hashing, Verdict, check_new};
use crate::ops::OpError;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_password_opens_with_itself_alone() {
    let hashing = Hashing::default();
    let hash = hashing.hash(secret("correct horse battery"), &Entropy::system()).await.unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "the parameters");
    assert!(!format!("{hash:?}").contains("argon2"));
    let other = hashing.hash(secret("correct horse battery"), &Entropy::system()).await.unwrap();
    assert_ne!(hash, other, "each has a salt of its own");
    let verdict = async |password: &str, against: Option<&PasswordHash>| {
        let place = hashing.place().await.unwrap();
        hashing.verify(place, secret(password), against.cloned()).await.unwrap()
    };
    assert_eq!(verdict("correct horse battery", Some(&hash)).await, Verdict::Right);
    assert_eq!(verdict("correct horse battery ", Some(&hash)).await, Verdict::Wrong);
    assert_eq!(verdict("", Some(&hash)).await, Verdict::Wrong);
    assert_eq!(verdict("nobody", None).await, Verdict::Wrong);
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_place_is_told_to_come_again() {
    let hashing = Hashing::default();
    let _one = hashing.place().await.unwrap();
    let two = hashing.place().await.unwrap();
    let asked = tokio::time::Instant::now();
    assert!(matches!(hashing.place().await, Err(OpError::Busy)));
    assert!(asked.elapsed() >= Duration::from_secs(super::WAIT_SECONDS_MAX));
    let waiting: Vec<_> = (0..super::WAITING_MAX).map(|_| hashing.place()).collect();
    let mut waiting = std::pin::pin!(futures_util::future::join_all(waiting));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    let asked = tokio::time::Instant::now();
    assert!(matches!(hashing.place().await, Err(OpError::Busy)));
    assert_eq!(asked.elapsed(), Duration::ZERO, "the queue is full");
    drop(two);
    let places = waiting.await.into_iter().flatten().count();
    assert!(places >= 1);
}

#[test]
fn passwords_that_are_guessed_first_are_refused() {
    let names = ["ada.lovelace@example.com", "Ada Lovelace"];
    for bad in
        ["", "short", "elevenchars", "aaaaaaaaaaaaaaaa", "Ada Lovelace", "ADA.lovelace@example.com"]
    {
        assert!(check_new(&secret(bad), &names).is_err(), "{bad}");
    }
    assert!(check_new(&secret(&"abcdef".repeat(200)), &names).is_err(), "too long");
    for good in ["correct horse battery", "zwölf Zeichen", "0123456789abcdef"] {
        assert!(check_new(&secret(good), &names).is_ok(), "{good}");
    }
}

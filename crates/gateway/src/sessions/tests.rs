//! Sessions that nobody ends: bounded in number for each grant, over when they are idle, and never
//! taken from somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::HeaderValue;
use policy::UnixMillis;
use store::{GrantId, ServerSlug};

use super::{Opening, SESSION_IDLE_SECONDS_MAX, SESSIONS_PER_GRANT_MAX, Session, Sessions};
use crate::config::Randomness;
use crate::upstream::UpstreamSession;

/// Counts, so that no two sessions of one test get one name.
fn count(bytes: &mut [u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes();
    bytes.iter_mut().zip(number).for_each(|(byte, digit)| *byte = digit);
}

fn grant(number: u8) -> GrantId {
    GrantId::from_bytes([number; 16])
}

fn server() -> ServerSlug {
    ServerSlug::parse("alpha").expect("a slug")
}

fn open(sessions: &Sessions, owner: &GrantId, now: i64) -> (Arc<Session>, Option<Arc<Session>>) {
    let opening = Opening {
        request: Bytes::new(),
        client_name: None,
        client_version: None,
        client: None,
        takes_links: false,
    };
    let upstream = UpstreamSession::new(HeaderValue::from_static("of-the-server"));
    let edge = (Randomness::new(count), UnixMillis(now));
    sessions.open((owner.clone(), server()), opening, upstream.expect("an id"), edge)
}

#[test]
fn a_client_that_never_ends_its_sessions_ends_its_own_oldest_and_nobody_elses() {
    let sessions = Sessions::default();
    let (quiet, _none) = open(&sessions, &grant(1), 0);
    let most = i64::try_from(SESSIONS_PER_GRANT_MAX).expect("a small number");
    let mut first = None;
    for now in 1..=most {
        let (session, evicted) = open(&sessions, &grant(2), now);
        assert!(evicted.is_none(), "there is room for session {now}");
        first.get_or_insert(session);
    }
    let first = first.expect("one was opened");
    for now in most + 1..most + 20 {
        let (_session, evicted) = open(&sessions, &grant(2), now);
        let evicted = evicted.expect("the cap is reached");
        assert!(evicted.ended() && evicted.grant == grant(2));
        assert_eq!(sessions.len(), SESSIONS_PER_GRANT_MAX + 1);
    }
    assert!(first.ended(), "the one that was idle longest goes first");
    assert!(sessions.find(first.id(), &grant(2), &server(), UnixMillis(most)).is_none());
    let found = sessions.find(quiet.id(), &grant(1), &server(), UnixMillis(most));
    assert!(found.is_some(), "another grant's session stays, however old it is");
}

#[test]
fn a_session_that_nobody_uses_is_swept_under_the_name_that_it_was_kept_under() {
    let sessions = Sessions::default();
    let idle_ms = SESSION_IDLE_SECONDS_MAX * 1000;
    let (used, _none) = open(&sessions, &grant(1), 0);
    let (unused, _none) = open(&sessions, &grant(1), 0);
    let (revoked, _none) = open(&sessions, &grant(2), idle_ms);
    assert!(sessions.sweep(UnixMillis(idle_ms - 1), |_grant| false).is_empty());
    let found = sessions.find(used.id(), &grant(1), &server(), UnixMillis(idle_ms));
    assert!(found.is_some());
    let swept = sessions.sweep(UnixMillis(idle_ms + 1), |owner| *owner == grant(2));
    let mut ids: Vec<&str> = swept.iter().map(|session| session.id()).collect();
    ids.sort_unstable();
    let mut expected = [unused.id(), revoked.id()];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert!(unused.ended() && revoked.ended() && !used.ended());
    assert_eq!(sessions.len(), 1);
    assert!(sessions.find(unused.id(), &grant(1), &server(), UnixMillis(idle_ms)).is_none());
}

use std::sync::Arc;

use mcp::IdKey;

use super::{Answered, Desk, SERVER_REQUESTS_MAX};

fn text(id: &str) -> IdKey {
    IdKey::Text(id.into())
}

#[test]
fn a_request_runs_until_its_mark_is_dropped_also_when_its_identifier_comes_twice() {
    let desk = Arc::new(Desk::default());
    let first = desk.begin(&IdKey::Integer(1));
    let second = desk.begin(&IdKey::Integer(1));
    assert!(desk.runs(&IdKey::Integer(1)) && !desk.runs(&text("1")));
    drop(first);
    assert!(desk.runs(&IdKey::Integer(1)));
    drop(second);
    assert!(!desk.runs(&IdKey::Integer(1)));
}

#[test]
fn a_request_of_the_server_is_answered_once() {
    let desk = Desk::default();
    assert_eq!(desk.answer(&text("7")), Answered::NeverAsked);
    desk.ask(&text("7"));
    assert_eq!(desk.answer(&text("7")), Answered::Yes);
    assert_eq!(desk.answer(&text("7")), Answered::NeverAsked);
}

#[test]
fn a_server_that_leaves_too_many_requests_open_loses_the_oldest() {
    let desk = Desk::default();
    for id in 0..=SERVER_REQUESTS_MAX {
        desk.ask(&text(&id.to_string()));
    }
    assert_eq!(desk.answer(&text("0")), Answered::NeverAsked);
    assert_eq!(desk.answer(&text("1")), Answered::Yes);
    assert_eq!(desk.answer(&text(&SERVER_REQUESTS_MAX.to_string())), Answered::Yes);
}

#[test]
fn an_event_is_known_where_it_was_issued_and_nowhere_else() {
    let (desk, other) = (Desk::default(), Desk::default());
    desk.issued(b"e1");
    assert!(desk.has_issued(b"e1") && !desk.has_issued(b"e2") && !other.has_issued(b"e1"));
}

use std::sync::Arc;

use mcp::IdKey;

use super::{Answered, Desk, DeskFull, SERVER_REQUESTS_MAX};

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
    desk.ask(&text("7")).unwrap();
    assert_eq!(desk.answer(&text("7")), Answered::Yes);
    assert_eq!(desk.answer(&text("7")), Answered::NeverAsked);
}

#[test]
fn a_server_cannot_leave_more_requests_open_than_the_bound() {
    let desk = Desk::default();
    for id in 0..SERVER_REQUESTS_MAX {
        desk.ask(&text(&id.to_string())).unwrap();
    }
    assert_eq!(desk.ask(&text("one more")), Err(DeskFull));
    assert_eq!(desk.answer(&text("0")), Answered::Yes);
    assert_eq!(desk.ask(&text("one more")), Ok(()));
}

use store::Answer;

use super::*;
use crate::manage::watch::board::{Act, Decision};
use crate::manage::watch::keys::{Key, keys_in};

const SIZE: (usize, usize) = (60, 20);
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn held(id: &str, arguments: &str) -> Held {
    Held {
        id: id.to_owned(),
        server: "pay".to_owned(),
        name: "send\u{202e}".to_owned(),
        grant: "g".to_owned(),
        risk: "critical (financial: it moves money)".to_owned(),
        standing: vec!["policy p\u{202e}, version 3".to_owned()],
        tag: "t".to_owned(),
        changed: false,
        arguments: arguments.to_owned(),
        messages: vec!["A person has to agree.\u{1b}[2J".to_owned()],
        expires_at: NOW.plus_seconds(75),
    }
}

fn board(held: Vec<Held>) -> Board {
    let mut board = Board::default();
    board.show(held);
    board
}

fn type_all(board: &mut Board, text: &str) -> Act {
    text.chars().fold(Act::Nothing, |_, c| board.press(Key::Char(c), SIZE))
}

#[test]
fn what_others_wrote_moves_no_cursor_and_what_is_hidden_shows() {
    let shown = picture(&board(vec![held("apr_1", "{\"to\":\"x\u{200b}\"}")]), SIZE, NOW);
    assert!(shown.contains("1:15") && shown.contains("apr_1"), "{shown}");
    assert!(shown.contains("\\u{202e}") && shown.contains("\\u{200b}"), "{shown}");
    // The only sequences are our own: home, end of line, end of screen.
    let foreign = shown.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
    assert!(!foreign.contains('\x1b'), "{foreign:?}");
    assert_eq!(shown.matches("\r\n").count(), SIZE.1 - 1);
}

#[test]
fn risk_and_what_a_decision_depends_on_stand_with_the_call() {
    let mut one = held("apr_1", "{}");
    let shown = picture(&board(vec![one.clone()]), SIZE, NOW);
    assert!(shown.contains("risk: critical (financial: it moves money)"), "{shown}");
    assert!(shown.contains("policy p\\u{202e}, version 3") && !shown.contains("CHANGED"));
    one.changed = true;
    let mut board = board(vec![one]);
    assert!(picture(&board, SIZE, NOW).contains("CHANGED since it was first shown here"));
    // Trouble is said for as long as it lasts, and nothing else is lost by it.
    board.say("apr_9 is approved.".to_owned());
    board.trouble = Some("nobody answers\u{1b}[2J".to_owned());
    let shown = picture(&board, SIZE, NOW);
    assert!(shown.contains("not up to date: nobody answers\u{fffd}[2J"), "{shown}");
    board.trouble = None;
    assert!(picture(&board, SIZE, NOW).contains("apr_9 is approved."));
}

#[test]
fn a_long_call_is_opened_to_its_end_before_it_can_be_approved() {
    let mut board = board(vec![held("apr_1", &"x".repeat(2_000))]);
    assert!(picture(&board, SIZE, NOW).contains("more lines: o opens all of it"));
    assert_eq!(board.press(Key::Char('a'), SIZE), Act::Nothing);
    assert!(board.said.contains("o opens all of it"));
    assert_eq!(type_all(&mut board, "o"), Act::Nothing);
    assert!(picture(&board, SIZE, NOW).contains("lines 1 to 17 of"));
    assert_eq!(type_all(&mut board, "qa"), Act::Nothing);
    assert_eq!(type_all(&mut board, "o   q"), Act::Nothing);
    let approve = Decision { id: "apr_1".to_owned(), answer: Answer::Approve, reason: None };
    assert_eq!(board.press(Key::Char('a'), SIZE), Act::Decide(approve));
}

#[test]
fn a_rejection_takes_a_reason() {
    let mut board = board(vec![held("apr_1", "{}"), held("apr_2", "{}")]);
    type_all(&mut board, "jr");
    assert_eq!(board.press(Key::Enter, SIZE), Act::Nothing);
    type_all(&mut board, "quite wrong!");
    board.press(Key::Backspace, SIZE);
    assert!(picture(&board, SIZE, NOW).contains("quite wrong"));
    let reason = Some("quite wrong".to_owned());
    let reject = Decision { id: "apr_2".to_owned(), answer: Answer::Reject, reason };
    assert_eq!(board.press(Key::Enter, SIZE), Act::Decide(reject));
    type_all(&mut board, "rno");
    assert_eq!(board.press(Key::Escape, SIZE), Act::Nothing);
    assert_eq!(board.mode, Mode::List);
    assert_eq!(board.press(Key::Char('q'), SIZE), Act::Quit);
    assert_eq!(board.press(Key::End, SIZE), Act::Quit);
}

#[test]
fn a_key_never_meets_another_call_than_the_one_that_was_chosen() {
    let mut board = board(vec![held("apr_1", "{}"), held("apr_2", "{}")]);
    // A more urgent one comes: the chosen one stays chosen.
    board.show(vec![held("apr_0", "{}"), held("apr_1", "{}"), held("apr_2", "{}")]);
    assert_eq!(board.chosen().map(|one| one.id.as_str()), Some("apr_1"));
    // It goes: nothing is chosen, also not what stands in its place.
    board.show(vec![held("apr_0", "{}"), held("apr_2", "{}")]);
    assert!(board.said.contains("apr_1 is decided or over"));
    assert_eq!(board.press(Key::Char('a'), SIZE), Act::Nothing);
    assert!(board.said.contains("Choose a call"));
}

#[test]
fn keys_are_read_as_terminals_send_them() {
    let read = |bytes: &[u8]| keys_in(bytes).collect::<Vec<_>>();
    assert_eq!(read(b"a\r"), [Key::Char('a'), Key::Enter]);
    assert_eq!(read(b"\x1b[A"), [Key::Up]);
    assert_eq!(read(b"\x1b"), [Key::Escape]);
    assert_eq!(read(b"\x1b[15~"), []);
    assert_eq!(read(b"\x7f\x03"), [Key::Backspace, Key::End]);
    assert_eq!(read("ü".as_bytes()), [Key::Char('ü')]);
}

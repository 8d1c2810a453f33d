use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::{BYTES_FREE, Room, Share};

const UNIT: usize = 2 * BYTES_FREE;

fn grown(share: &mut Share, length: usize) -> bool {
    share.grow(length).now_or_never().is_some()
}

#[test]
fn short_answers_take_nothing() {
    let room = Arc::new(Room::new(1, 1));
    assert!(grown(&mut room.share(1), BYTES_FREE));
    assert_eq!(room.taken(), 0);
}

#[test]
fn the_gateways_own_questions_need_no_room() {
    let room = Arc::new(Room::new(1, 1));
    assert!(grown(&mut room.share(0), UNIT));
    assert_eq!(room.taken(), 0);
}

#[tokio::test]
async fn an_answer_waits_until_there_is_room() {
    let room = Arc::new(Room::new(2 * UNIT, 2 * UNIT));
    let (mut one, mut other, mut third) = (room.share(1), room.share(2), room.share(3));
    assert!(grown(&mut one, UNIT) && grown(&mut other, UNIT) && !grown(&mut third, UNIT));
    let answer = one.keep(Bytes::from_static(b"answer"));
    let part = answer.slice(2..);
    drop(answer);
    {
        let mut waiting = std::pin::pin!(third.grow(UNIT));
        assert!(waiting.as_mut().now_or_never().is_none(), "a part of the answer is still held");
        drop(part);
        waiting.await;
    }
    drop((other, third));
    assert_eq!(room.taken(), 0);
}

#[test]
fn an_agent_has_a_part_of_the_room_and_its_only_answer_may_be_long() {
    let room = Arc::new(Room::new(8 * UNIT, 2 * UNIT));
    let mut long = room.share(1);
    assert!(grown(&mut long, UNIT) && grown(&mut long, 4 * UNIT), "its only one");
    assert!(!grown(&mut room.share(1), UNIT), "one beside it");
    assert!(grown(&mut room.share(2), 2 * UNIT), "others have room");
    long.clear();
    let (mut one, mut other) = (room.share(1), room.share(1));
    assert!(grown(&mut one, UNIT) && grown(&mut other, UNIT));
    assert!(!grown(&mut other, 2 * UNIT), "together they have no more");
}

#[test]
fn who_has_all_leaves_nothing_to_others() {
    let room = Arc::new(Room::new(4 * UNIT, 2 * UNIT));
    let mut one = room.share(1);
    assert!(grown(&mut one, 4 * UNIT) && !grown(&mut room.share(2), UNIT));
    drop(one);
    assert_eq!(room.taken(), 0);
    assert!(grown(&mut room.share(2), UNIT));
}

#[test]
fn what_is_here_already_is_held_or_refused_at_once() {
    let room = Arc::new(Room::new(UNIT, UNIT));
    let held = room.hold(1, Bytes::from(vec![0; UNIT])).expect("there is room");
    assert!(room.hold(2, Bytes::from(vec![0; UNIT])).is_none());
    assert!(room.hold(2, Bytes::from_static(b"short")).is_some());
    drop(held);
    assert!(room.hold(2, Bytes::from(vec![0; UNIT])).is_some());
}

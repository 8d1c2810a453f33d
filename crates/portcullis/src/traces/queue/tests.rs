use std::sync::Arc;

use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use policy::UnixMillis;

use super::super::kept::Kept;
use super::{Account, Losses, Queue, REPORT_MILLIS};

#[test]
fn a_span_without_room_is_dropped_and_counted() {
    let stuck = Kept::default();
    let account = Arc::new(Account::new(2));
    let queue = Queue::new(stuck.clone(), Arc::clone(&account));
    let provider = SdkTracerProvider::builder().with_span_processor(queue).build();
    let tracer = provider.tracer("test");
    let kept = || stuck.spans().len();
    for name in ["a", "b", "c", "d", "e"] {
        tracer.start(name).end();
    }
    assert_eq!(kept(), 2);
    account.left(1);
    tracer.start("f").end();
    tracer.start("g").end();
    assert_eq!(kept(), 3);
    assert_eq!(account.take(), Losses { without_room: 4, undelivered: 0 });
}

#[test]
fn losses_are_said_now_and_then_and_none_is_forgotten() {
    let account = Account::new(1);
    let at = |millis: i64| UnixMillis(1_767_225_600_000 + millis);
    account.lost(3);
    account.report(at(0), None);
    assert_eq!(account.take(), Losses::default(), "it was said at once");
    account.lost(5);
    account.report(at(REPORT_MILLIS - 1), None);
    account.lost(2);
    assert_eq!(account.take(), Losses { without_room: 0, undelivered: 7 }, "it waits its turn");
    account.lost(1);
    account.report(at(REPORT_MILLIS), None);
    assert_eq!(account.take(), Losses::default());
    account.lost(1);
    account.report(at(0), None);
    assert_eq!(account.take(), Losses::default(), "a clock that went back silences nothing");
}

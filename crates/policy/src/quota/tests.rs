//! Windows against the civil calendar, buckets one by one, and random schedules against a naive model.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::log::LOG_ENTRIES_MAX;
use super::{
    Algorithm, BucketRow, Buckets, Cause, Charge, Exceeded, Receipt, Scope, ScopeIds, Window,
};
use crate::{Micro, UnixMillis, UnixNanos};

const IDS: ScopeIds<'static> =
    ScopeIds { grant: "g", session: None, server: "s", organisation: "default" };

fn limit(counter: &str, window: Window, max: u64, amount: u64) -> Charge {
    Charge {
        counter: counter.into(),
        window,
        scope: Scope::Grant,
        algorithm: Algorithm::Fixed,
        max: Micro(max),
        amount: Micro(amount),
        rule: Arc::from("/tools/a/limits/0"),
        message: None,
    }
}

fn sliding(charge: Charge) -> Charge {
    Charge { algorithm: Algorithm::Sliding, ..charge }
}

/// Milliseconds of a time of 2026-11-20, a Friday.
fn at(time: &str) -> UnixMillis {
    millis(&format!("2026-11-20T{time}Z"))
}

fn millis(time: &str) -> UnixMillis {
    UnixMillis(time.parse::<Timestamp>().unwrap().as_millisecond())
}

fn refused(index: usize, retry_after_ms: Option<u64>) -> Exceeded {
    Exceeded { index, retry_after_ms }
}

proptest! {
    #[test]
    fn spans_are_those_of_the_calendar(second in -60_000_000_000_i64..250_000_000_000) {
        let now = Timestamp::from_second(second).unwrap().to_zoned(TimeZone::UTC);
        let midnight = now.date();
        let begin = |date: jiff::civil::Date| date.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
        let monday = midnight.tomorrow().unwrap().nth_weekday(-1, Weekday::Monday).unwrap();
        let next_monday = midnight.nth_weekday(1, Weekday::Monday).unwrap();
        let month = midnight.first_of_month();
        let next_month = midnight.last_of_month().tomorrow().unwrap();
        for (window, start, end) in [
            (Window::Day, begin(midnight), begin(midnight.tomorrow().unwrap())),
            (Window::Week, begin(monday), begin(next_monday)),
            (Window::Month, begin(month), begin(next_month)),
            (Window::Hour, second - second.rem_euclid(3600), second - second.rem_euclid(3600) + 3600),
            (Window::Seconds(97), second - second.rem_euclid(97), second - second.rem_euclid(97) + 97),
        ] {
            let span = window.span(UnixNanos(i128::from(second) * 1_000_000_000 + 999_999_999));
            prop_assert_eq!(span.start.0, i128::from(start) * 1_000_000_000, "{}", window);
            prop_assert_eq!(span.end.0, i128::from(end) * 1_000_000_000, "{}", window);
        }
        let zoned = UnixMillis(second * 1000 + 999);
        prop_assert_eq!(i64::from(zoned.hour()), i64::from(now.hour()));
        let name = format!("{:?}", now.weekday()).to_lowercase();
        prop_assert!(name.starts_with(zoned.weekday()));
    }
}

#[test]
fn windows_at_the_ends_of_time() {
    for nanos in [i128::MIN, i128::MAX, 0, -1] {
        for window in [Window::Second, Window::Week, Window::Month, Window::Seconds(31_536_000)] {
            let mut buckets = Buckets::new();
            let charges = [limit("c", window, 1, 1), sliding(limit("d", Window::Day, 1, 1))];
            assert!(buckets.charge(&charges, &IDS, UnixNanos(nanos)).is_ok());
            let again = buckets.charge(&charges, &IDS, UnixNanos(nanos));
            // At the very end of time every window is over when it begins.
            assert!(again.is_err() || nanos == i128::MAX);
            buckets.sweep(UnixNanos(nanos));
        }
    }
}

#[test]
fn names_of_windows() {
    for name in Window::NAMES {
        assert_eq!(Window::from_name(name).unwrap().to_string(), name);
    }
    assert_eq!(Window::from_seconds(60).unwrap().to_string(), "60");
    assert_eq!(Window::from_name("year"), None);
    assert_eq!(Window::from_seconds(0), None);
    assert_eq!(Window::from_seconds(31_536_000), Some(Window::Seconds(31_536_000)));
    assert_eq!(Window::from_seconds(31_536_001), None);
    let durable = [Window::Hour, Window::Day, Window::Week, Window::Month, Window::Seconds(3600)];
    assert!(durable.into_iter().all(Window::is_durable));
    let short = [Window::Second, Window::Minute, Window::Seconds(3599), Window::InFlight];
    assert!(!short.into_iter().any(Window::is_durable));
}

#[test]
fn all_or_none() {
    let mut buckets = Buckets::new();
    let charges =
        |spend| [limit("calls", Window::Day, 2, 1), limit("spend", Window::Day, 100, spend)];
    let now = at("10:00:00");
    for _ in 0..5 {
        assert_eq!(buckets.charge(&charges(101), &IDS, now).unwrap_err(), refused(1, None));
    }
    assert!(buckets.is_empty());
    assert!(buckets.charge(&charges(60), &IDS, now).unwrap().durable);
    assert_eq!(buckets.charge(&charges(60), &IDS, now).unwrap_err(), refused(1, Some(50_400_000)));
    buckets.charge(&charges(40), &IDS, now).unwrap();
    assert_eq!(buckets.charge(&charges(0), &IDS, now).unwrap_err().index, 0);
    assert!(buckets.check(&charges(0)[1..], &IDS, now).is_ok());
    assert!(buckets.check(&[], &IDS, now).is_ok());
}

#[test]
fn limits_of_one_call_on_one_bucket_add_up() {
    let mut buckets = Buckets::new();
    let charges = [limit("c", Window::Day, 5, 1), limit("c", Window::Day, 4, 2)];
    buckets.charge(&charges, &IDS, at("10:00:00")).unwrap();
    // Three are used; three more fit neither five nor four.
    assert_eq!(buckets.check(&charges, &IDS, at("10:00:00")).unwrap_err().index, 0);
    assert!(buckets.check(&charges[..1], &IDS, at("10:00:00")).is_ok());
    let wide = [limit("c", Window::Day, 6, 1), limit("c", Window::Day, 5, 2)];
    assert_eq!(buckets.check(&wide, &IDS, at("10:00:00")).unwrap_err().index, 1);
    let too_much = [limit("d", Window::Day, 2, 1), limit("d", Window::Day, 9, 2)];
    assert_eq!(buckets.charge(&too_much, &IDS, at("10:00:00")).unwrap_err(), refused(0, None));
}

#[test]
fn buckets_are_told_apart() {
    let base = limit("c", Window::Minute, 1, 1);
    let other_ids = [
        ScopeIds { grant: "h", ..IDS },
        ScopeIds { server: "t", ..IDS },
        // Lengths stand before the texts, so nothing can be shifted from one id to the next.
        ScopeIds { grant: "g1:g", server: "s", ..IDS },
    ];
    let others = [
        limit("C", Window::Minute, 1, 1),
        limit("c", Window::Seconds(60), 1, 1),
        sliding(base.clone()),
        Charge { scope: Scope::Server, ..base.clone() },
        Charge { scope: Scope::Session, ..base.clone() },
        Charge { scope: Scope::Organisation, ..base.clone() },
        limit("c", Window::InFlight, 1, 1),
    ];
    let mut buckets = Buckets::new();
    let now = at("10:00:00");
    buckets.charge(std::slice::from_ref(&base), &IDS, now).unwrap();
    for ids in other_ids {
        buckets.charge(std::slice::from_ref(&base), &ids, now).unwrap();
    }
    for other in others {
        buckets.charge(std::slice::from_ref(&other), &IDS, now).unwrap();
        assert!(buckets.charge(std::slice::from_ref(&other), &IDS, now).is_err(), "{other:?}");
    }
    assert_eq!(buckets.len(), 11);
}

#[test]
fn scopes_share() {
    let now = at("10:00:00");
    let shares = |scope, ids: ScopeIds<'_>| {
        let mut buckets = Buckets::new();
        let charge = [Charge { scope, ..limit("c", Window::Day, 1, 1) }];
        let first = ScopeIds { session: Some("1"), ..IDS };
        buckets.charge(&charge, &first, now).unwrap();
        buckets.charge(&charge, &ids, now).is_err()
    };
    let first = ScopeIds { session: Some("1"), ..IDS };
    for (ids, grant, session, server, organisation) in [
        (first, true, true, true, true),
        (ScopeIds { session: Some("2"), ..IDS }, true, false, true, true),
        (ScopeIds { session: None, ..IDS }, true, false, true, true),
        (ScopeIds { grant: "h", ..first }, false, false, true, true),
        (ScopeIds { server: "t", ..first }, false, false, false, true),
        (ScopeIds { organisation: "o", ..first }, true, true, true, false),
    ] {
        assert_eq!(shares(Scope::Grant, ids), grant, "{ids:?}");
        assert_eq!(shares(Scope::Session, ids), session, "{ids:?}");
        assert_eq!(shares(Scope::Server, ids), server, "{ids:?}");
        assert_eq!(shares(Scope::Organisation, ids), organisation, "{ids:?}");
    }
}

#[test]
fn sliding_counts_while_less_than_the_window_has_passed() {
    let mut buckets = Buckets::new();
    let charge = [sliding(limit("c", Window::Minute, 2, 1))];
    for (time, passes) in [
        ("10:00:50", true),
        ("10:00:59", true),
        ("10:01:49.999", false),
        ("10:01:50", true),
        ("10:01:51", false),
        ("10:01:59", true),
    ] {
        assert_eq!(buckets.charge(&charge, &IDS, at(time)).is_ok(), passes, "{time}");
    }
}

#[test]
fn when_to_try_again() {
    let mut buckets = Buckets::new();
    let hour = [limit("f", Window::Hour, 1, 1)];
    buckets.charge(&hour, &IDS, at("10:00:00")).unwrap();
    let refusal = buckets.charge(&hour, &IDS, at("10:30:00.750"));
    assert_eq!(refusal.unwrap_err(), refused(0, Some(1_799_250)));
    let refusal = buckets.charge(&hour, &IDS, UnixNanos(UnixNanos::from(at("10:59:59.999")).0 + 1));
    assert_eq!(refusal.unwrap_err(), refused(0, Some(1)));

    let slide = |n| [sliding(limit("s", Window::Minute, 3, n))];
    buckets.charge(&slide(1), &IDS, at("11:00:00")).unwrap();
    let later = UnixNanos(UnixNanos::from(at("11:00:10")).0 + 500_000);
    buckets.charge(&slide(2), &IDS, later).unwrap();
    let now = at("11:00:15");
    assert_eq!(buckets.check(&slide(1), &IDS, now), Err(refused(0, Some(45_000))));
    assert_eq!(buckets.check(&slide(2), &IDS, now), Err(refused(0, Some(55_001))));
    assert_eq!(buckets.check(&slide(4), &IDS, now), Err(refused(0, None)));

    // The call must fit all of its limits.
    let both = [limit("t", Window::Second, 1, 1), limit("m", Window::Month, 1, 1)];
    buckets.charge(&both, &IDS, now).unwrap();
    assert_eq!(buckets.check(&both, &IDS, now), Err(refused(0, Some(910_785_000))));
    let with_flight = [both[0].clone(), limit("i", Window::InFlight, 0, 1)];
    assert_eq!(buckets.check(&with_flight, &IDS, now), Err(refused(0, None)));
}

#[test]
fn running_calls_are_counted_until_they_end() {
    let mut buckets = Buckets::new();
    let charge = [limit("i", Window::InFlight, 2, 1)];
    let now = at("10:00:00");
    let first = buckets.charge(&charge, &IDS, now).unwrap();
    let second = buckets.charge(&charge, &IDS, now).unwrap();
    assert!(!first.durable);
    assert_eq!(buckets.charge(&charge, &IDS, now).unwrap_err(), refused(0, None));
    // What never left is given back elsewhere; here only the end counts, and only once.
    buckets.give_back(&first, Cause::NeverLeft, now);
    assert!(buckets.check(&charge, &IDS, now).is_err());
    buckets.end(&first);
    buckets.end(&first);
    let third = buckets.charge(&charge, &IDS, now).unwrap();
    assert!(buckets.charge(&charge, &IDS, now).is_err());
    buckets.end(&second);
    buckets.end(&third);
    assert!(buckets.is_empty());
    assert!(buckets.changed().iter().all(|row| row.state.is_empty()));
}

#[test]
fn answers_give_back_at_most_max_in_a_window() {
    for slide in [false, true] {
        let charge = if slide {
            [sliding(limit("c", Window::Hour, 2, 1))]
        } else {
            [limit("c", Window::Hour, 2, 1)]
        };
        let mut buckets = Buckets::new();
        for time in ["10:00:00", "11:00:00"] {
            for _ in 0..4 {
                let receipt = buckets.charge(&charge, &IDS, at(time)).unwrap();
                buckets.give_back(&receipt, Cause::ServerRefused, at(time));
            }
            assert!(buckets.charge(&charge, &IDS, at(time)).is_err());
        }
        // What never left does not count against that bound.
        for _ in 0..9 {
            let receipt = buckets.charge(&charge, &IDS, at("12:00:00")).unwrap();
            buckets.give_back(&receipt, Cause::NeverLeft, at("12:00:00"));
            buckets.give_back(&receipt, Cause::NeverLeft, at("12:00:00"));
        }
        for _ in 0..2 {
            buckets.charge(&charge, &IDS, at("12:00:00")).unwrap();
        }
        assert!(buckets.charge(&charge, &IDS, at("12:00:00")).is_err());
    }
}

#[test]
fn it_comes_back_to_the_window_from_which_it_came() {
    let mut buckets = Buckets::new();
    let charge = [limit("c", Window::Minute, 1, 1)];
    let receipt = buckets.charge(&charge, &IDS, at("10:00:59")).unwrap();
    buckets.charge(&charge, &IDS, at("10:01:10")).unwrap();
    buckets.give_back(&receipt, Cause::ServerRefused, at("10:01:20"));
    assert_eq!(buckets.check(&charge, &IDS, at("10:01:20")), Err(refused(0, Some(40_000))));

    let charge = [sliding(limit("d", Window::Minute, 1, 1))];
    let receipt = buckets.charge(&charge, &IDS, at("10:00:00")).unwrap();
    buckets.charge(&charge, &IDS, at("10:01:00")).unwrap();
    buckets.give_back(&receipt, Cause::NeverLeft, at("10:01:10"));
    assert!(buckets.check(&charge, &IDS, at("10:01:59")).is_err());
}

#[test]
fn a_clock_set_back_never_reopens_a_window() {
    for slide in [false, true] {
        let charge = if slide {
            [sliding(limit("c", Window::Minute, 1, 1))]
        } else {
            [limit("c", Window::Minute, 1, 1)]
        };
        let mut buckets = Buckets::new();
        buckets.charge(&charge, &IDS, at("10:05:30")).unwrap();
        for time in ["10:05:29", "10:00:00", "00:00:00"] {
            assert!(buckets.charge(&charge, &IDS, at(time)).is_err(), "{time}");
            buckets.sweep(at(time));
        }
        let again = buckets.check(&charge, &IDS, at("10:05:00")).unwrap_err().retry_after_ms;
        assert_eq!(again, Some(if slide { 90_000 } else { 60_000 }));

        // A window that was full stays full when the one after it has room.
        let charge = |amount| {
            if slide {
                [sliding(limit("d", Window::Minute, 3, amount))]
            } else {
                [limit("d", Window::Minute, 3, amount)]
            }
        };
        buckets.charge(&charge(3), &IDS, at("11:00:59")).unwrap();
        buckets.charge(&charge(1), &IDS, at("11:03:01")).unwrap();
        let refusal = buckets.check(&charge(1), &IDS, at("11:00:58")).unwrap_err();
        assert_eq!(refusal.retry_after_ms, Some(if slide { 61_000 } else { 122_000 }));
        buckets.charge(&charge(2), &IDS, at("11:03:02")).unwrap();
    }
    // One that had room takes no more than that room, however often the clock jumps.
    let mut buckets = Buckets::new();
    let charge = [limit("e", Window::Minute, 5, 1)];
    let mut passed = 0;
    for round in 0..9 {
        for time in ["12:00:00".to_owned(), format!("13:0{round}:00")] {
            for _ in 0..2 {
                let passes = buckets.charge(&charge, &IDS, at(&time)).is_ok();
                passed += u32::from(passes && time == "12:00:00");
            }
        }
    }
    assert!((2..=5).contains(&passed), "{passed}");
}

#[test]
fn amounts_that_overflow_are_refused() {
    let mut buckets = Buckets::new();
    let now = at("10:00:00");
    let max = Micro::LIMIT_MAX.0;
    for make in [|charge| charge, sliding] {
        let charge = |amount| [make(limit("c", Window::Day, max, amount))];
        assert_eq!(buckets.charge(&charge(u64::MAX), &IDS, now).unwrap_err(), refused(0, None));
        buckets.charge(&charge(max), &IDS, now).unwrap();
        assert!(buckets.charge(&charge(1), &IDS, now).is_err());
        let twice = [charge(u64::MAX)[0].clone(), charge(u64::MAX)[0].clone()];
        assert_eq!(buckets.charge(&twice, &IDS, now).unwrap_err(), refused(0, None));
    }
}

#[test]
fn a_full_log_is_coalesced_towards_refusing_more() {
    let mut buckets = Buckets::new();
    let max = 20_000;
    let charge = [sliding(limit("c", Window::Hour, max, 1))];
    let begin = at("10:00:00").0;
    for n in 0..10_000 {
        buckets.charge(&charge, &IDS, UnixMillis(begin + n * 100)).unwrap();
    }
    let row = buckets.changed().remove(0);
    assert!(row.state.len() < LOG_ENTRIES_MAX * 40 + 100, "{}", row.state.len());
    // After 1,000 seconds 10,000 are used; none may be forgotten while less than an hour has passed.
    let rest = |amount, time: i64| {
        buckets.check(
            &[sliding(limit("c", Window::Hour, max, amount))],
            &IDS,
            UnixMillis(begin + time),
        )
    };
    assert!(rest(10_000, 1_000_000).is_ok());
    assert!(rest(10_001, 3_599_999).is_err());
    // Half of them came 500 seconds in; a 128th of the window later at the latest they are over.
    assert!(rest(15_001, 3_600_000 + 500_000 - 100).is_err());
    assert!(rest(15_000, 3_600_000 + 500_000 + 3_600_000 / 128).is_ok());
    assert!(rest(20_000, 3_600_000 + 999_900).is_ok());
}

#[test]
fn buckets_survive_as_rows() {
    let mut buckets = Buckets::new();
    let charges = [
        limit("f", Window::Day, 3, 1),
        sliding(limit("s", Window::Hour, 3, 1)),
        limit("i", Window::InFlight, 3, 1),
    ];
    let receipt = buckets.charge(&charges, &IDS, at("10:00:00")).unwrap();
    buckets.give_back(&receipt, Cause::ServerRefused, at("10:00:01"));
    buckets.charge(&charges, &IDS, at("10:00:02")).unwrap();
    let rows = buckets.changed();
    assert_eq!(rows.len(), 2);
    assert!(buckets.changed().is_empty());
    let restored = Buckets::restore(rows.iter().cloned()).unwrap();
    for row in &rows {
        assert_eq!(restored.buckets.get(row.key.as_str()), buckets.buckets.get(row.key.as_str()));
        for len in 1..row.state.len() {
            let cut = BucketRow { state: row.state[..len].to_vec(), key: row.key.clone() };
            assert!(Buckets::restore([cut].into_iter()).is_err());
        }
        let mut longer = row.clone();
        longer.state.push(0);
        assert!(Buckets::restore([longer].into_iter()).is_err());
    }
    let used_up = [limit("f", Window::Day, 3, 3)];
    assert!(restored.check(&used_up, &IDS, at("10:00:03")).is_err());
    assert_eq!(buckets.sweep(at("23:59:59")), 0);
    assert_eq!(buckets.sweep(millis("2026-11-23T00:00:00Z")), 2);
    let gone = buckets.changed();
    assert!(gone.len() == 2 && gone.iter().all(|row| row.state.is_empty()));
    assert_eq!(buckets.len(), 1);
}

/// One thing that happens in a schedule.
#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Call { limit: usize, amount: u64 },
    GiveBack { call: usize, cause: Cause },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![4 => 0_i64..40_000, 1 => -200_000_i64..0, 1 => 0_i64..200_000];
    let cause = prop_oneof![Just(Cause::NeverLeft), Just(Cause::ServerRefused)];
    let step = prop_oneof![
        3 => wait.prop_map(Step::Wait),
        6 => (0_usize..4, 0_u64..4).prop_map(|(limit, amount)| Step::Call { limit, amount }),
        2 => (any::<prop::sample::Index>(), cause)
            .prop_map(|(call, cause)| Step::GiveBack { call: call.index(1000), cause }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..80)
}

/// A charge as the naive model remembers it.
#[derive(Debug)]
struct Made {
    limit: usize,
    at: i64,
    amount: u64,
    kept: bool,
}

const MAX: u64 = 5;
const WINDOW_MS: i64 = 60_000;

fn schedule_limits(amount: u64) -> [Charge; 4] {
    [
        limit("a", Window::Minute, MAX, amount),
        sliding(limit("a", Window::Minute, MAX, amount)),
        limit("b", Window::Seconds(60), MAX, amount),
        sliding(limit("b", Window::Seconds(60), MAX, amount)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever the clock and the answers do, no window ever holds more than `max` of what was kept, and while
    /// the clock only goes forward and nothing comes back the verdict is exactly the naive one.
    #[test]
    fn no_window_holds_more_than_max(steps in steps()) {
        let mut buckets = Buckets::new();
        let mut made: Vec<(Made, Receipt)> = Vec::new();
        let mut now = at("10:00:00").0;
        let mut latest = now;
        let mut returned: BTreeMap<(usize, i64), u64> = BTreeMap::new();
        let mut simple = true;
        for step in steps {
            match step {
                Step::Wait(ms) => {
                    now += ms;
                    simple &= now >= latest;
                    latest = latest.max(now);
                }
                Step::Restart => {
                    // Rows that are not written are lost: write all that changed, then read only these.
                    for key in buckets.buckets.keys().cloned().collect::<Vec<_>>() {
                        buckets.changed.insert(key);
                    }
                    buckets = Buckets::restore(buckets.changed().into_iter()).unwrap();
                }
                Step::Call { limit, amount } => {
                    let charge = &schedule_limits(amount)[limit..=limit];
                    let slides = charge[0].algorithm == Algorithm::Sliding;
                    let naive: u64 = made
                        .iter()
                        .map(|(made, _)| made)
                        .filter(|made| made.limit == limit && made.kept)
                        .filter(|made| if slides { now - made.at < WINDOW_MS } else { made.at.div_euclid(WINDOW_MS) == now.div_euclid(WINDOW_MS) })
                        .map(|made| made.amount)
                        .sum();
                    let checked = buckets.check(charge, &IDS, UnixMillis(now));
                    let result = buckets.charge(charge, &IDS, UnixMillis(now));
                    prop_assert_eq!(checked.err(), result.as_ref().err().copied());
                    let fits = amount == 0 || naive + amount <= MAX;
                    if simple {
                        prop_assert_eq!(result.is_ok(), fits);
                    }
                    match result {
                        Ok(receipt) => {
                            prop_assert!(fits, "{} kept, {} more", naive, amount);
                            made.push((Made { limit, at: now, amount, kept: true }, receipt));
                        }
                        Err(refusal) => {
                            let retry = refusal.retry_after_ms.unwrap();
                            let then = now + i64::try_from(retry).unwrap();
                            prop_assert!(retry > 0);
                            prop_assert!(buckets.check(charge, &IDS, UnixMillis(then)).is_ok());
                            prop_assert!(buckets.check(charge, &IDS, UnixMillis(then - 1)).is_err());
                        }
                    }
                }
                Step::GiveBack { call, cause } => {
                    let count = made.len();
                    let Some((made, receipt)) = made.get_mut(call % count.max(1)) else { continue };
                    // What an answer gives back is bounded; the model keeps the charge where the bound may bite.
                    let window = made.at.div_euclid(WINDOW_MS);
                    let sum: u64 = (-4..=4).filter_map(|n| returned.get(&(made.limit, window + n))).sum();
                    buckets.give_back(receipt, cause, UnixMillis(now));
                    if cause == Cause::ServerRefused && made.kept {
                        *returned.entry((made.limit, window)).or_default() += made.amount;
                        simple &= sum + made.amount <= MAX;
                    }
                    made.kept = false;
                }
            }
        }
    }

    /// A server that refuses every call never gets more than twice `max` calls in a fixed window.
    #[test]
    fn answers_cannot_hand_out_quota(amounts in prop::collection::vec(1_u64..4, 1..60), slide in any::<bool>()) {
        let mut buckets = Buckets::new();
        let mut passed = 0;
        for amount in amounts {
            let charge = limit("c", Window::Hour, MAX, amount);
            let charge = [if slide { sliding(charge) } else { charge }];
            if let Ok(receipt) = buckets.charge(&charge, &IDS, at("10:00:00")) {
                passed += amount;
                buckets.give_back(&receipt, Cause::ServerRefused, at("10:00:00"));
            }
        }
        prop_assert!(passed <= 2 * MAX, "{}", passed);
    }
}

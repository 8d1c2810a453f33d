//! Charging the limits of a call: arithmetic in memory, whatever the number of buckets.

use std::hint::black_box;

use criterion::Criterion;
use policy::{Algorithm, Buckets, Charge, Micro, Scope, ScopeIds, UnixMillis, Window};

use crate::cpu_time::CpuTime;

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

/// One unit of a counter that has room for so many a minute.
pub(super) fn one(counter: &str, algorithm: Algorithm, max: u64) -> Charge {
    Charge {
        counter: counter.into(),
        window: Window::from_name("minute").expect("a window"),
        scope: Scope::Grant,
        algorithm,
        max: Micro(max.saturating_mul(Micro::ONE.0)),
        amount: Micro::ONE,
        rule: "/tools/tool_005/limits/0".into(),
        message: None,
    }
}

/// The calls of one grant.
pub(super) fn grant(id: &str) -> ScopeIds<'_> {
    ScopeIds { grant: id, session: None, server: "bench", organisation: "default" }
}

/// Buckets of so many grants.
fn filled(grants: usize, charge: &Charge) -> Buckets {
    let mut buckets = Buckets::new();
    for number in 0..grants {
        let id = format!("grant-{number}");
        drop(buckets.charge(std::slice::from_ref(charge), &grant(&id), NOW));
    }
    buckets
}

pub(super) fn all(criterion: &mut Criterion<CpuTime>) {
    const ROOM: u64 = 1_000_000_000_000;
    let mut group = criterion.benchmark_group("charge");
    for (name, algorithm) in [("fixed", Algorithm::Fixed), ("sliding", Algorithm::Sliding)] {
        for grants in [1, 100_000] {
            let charge = one("calls", algorithm, ROOM);
            let mut buckets = filled(grants, &charge);
            let charges = [charge];
            group.bench_function(format!("one {name} limit, {grants} buckets"), |bencher| {
                bencher.iter(|| buckets.charge(black_box(&charges), &grant("grant-0"), NOW));
            });
        }
    }
    let charges = [
        one("a", Algorithm::Fixed, ROOM),
        one("b", Algorithm::Fixed, ROOM),
        one("c", Algorithm::Fixed, ROOM),
    ];
    let mut buckets = Buckets::new();
    group.bench_function("three fixed limits", |bencher| {
        bencher.iter(|| buckets.charge(black_box(&charges), &grant("grant-0"), NOW));
    });
    let full = [one("full", Algorithm::Fixed, 0)];
    assert!(buckets.charge(&full, &grant("grant-0"), NOW).is_err());
    group.bench_function("a limit without room", |bencher| {
        bencher.iter(|| buckets.charge(black_box(&full), &grant("grant-0"), NOW));
    });
    group.finish();
}

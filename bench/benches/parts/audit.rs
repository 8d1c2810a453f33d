//! Writing a call down: what it costs the call itself, and what a row costs until it is on disk. The
//! figures of durable rows are those of the disk below the folder for temporary files.

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::future::join_all;
use policy::{Algorithm, Charge, UnixMillis, Window};
use store::{
    AdmitError, AdmitRequest, AuditMode, AuditOpen, AuditOutcome, Revision, Role, Store,
    StoreConfig,
};
use tokio::runtime::Builder;

use crate::{charge, cpu_time};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
/// Calls that are timed together, far fewer than the writer's queue holds.
const CALLS_TOGETHER: u64 = 1_000;

fn open(folder: &Path, audit_mode: AuditMode) -> Store {
    let data_dir = folder.join("data");
    let config = StoreConfig { data_dir, audit_mode, role: Role::Serve };
    Store::open(&config, NOW).expect("the folder can be written")
}

/// The opening row of a call of [`crate::decode`]'s kind.
fn row() -> AuditOpen<'static> {
    AuditOpen {
        request_id: "req_0123456789abcdef",
        server: Some("bench"),
        session: Some("0123456789abcdef0123456789abcdef"),
        client: Some("bench-load/1"),
        method: Some("tools/call"),
        tool: Some("tool_005"),
        arguments_json: Some(r#"{"note":"[redacted]","amount":"[redacted]"}"#),
        policy: Some("bench"),
        policy_version: Some(1),
        revision: Revision(7),
        verdict: "allow",
        trace_json: Some(r#"[{"rule":"/tools/tool_005/require/0","outcome":"met"}]"#),
        ..AuditOpen::default()
    }
}

/// One call: admitted, then closed.
async fn call(store: &Store, charges: &[Charge]) -> Result<(), AdmitError> {
    let open = row();
    let scope = charge::grant("grant-0");
    let request = AdmitRequest { charges, scope, approval: None, open: &open, now: NOW };
    let admitted = store.admit(&request).await?;
    let outcome = AuditOutcome {
        outcome: "ok",
        upstream_status: Some(200),
        latency_ms: 1,
        request_bytes: 200,
        answer_bytes: 200,
        ..AuditOutcome::default()
    };
    admitted.close(&outcome, None, NOW);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement is made of readings of the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Processor time of so many calls that do not wait for the disk; what they leave to the writer is
/// waited for in between, and not counted.
async fn buffered(store: &Store, calls: u64) -> Duration {
    let limited = [charge::one("calls", Algorithm::Fixed, u64::MAX / 1_000_000)];
    let lasting =
        [Charge { window: Window::from_name("day").expect("a window"), ..limited[0].clone() }];
    let mut spent = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let together = left.min(CALLS_TOGETHER);
        let begun = cpu_time::spent();
        for _ in 0..together {
            call(store, &limited).await.expect("the store admits it");
        }
        spent += cpu_time::spent().saturating_sub(begun);
        // A counter of a day waits for its commit, and with it for all that was queued before.
        call(store, &lasting).await.expect("the store admits it");
        left -= together;
    }
    spent
}

/// Time of so many calls, of which `together` wait for the disk at a time.
async fn durable(store: &Store, calls: u64, together: u64) -> Duration {
    let limited = [charge::one("calls", Algorithm::Fixed, u64::MAX / 1_000_000)];
    let begun = now();
    let mut left = calls;
    while left > 0 {
        let now_together = left.min(together);
        let outcomes = join_all((0..now_together).map(|_| call(store, &limited))).await;
        assert!(outcomes.iter().all(Result::is_ok), "the store admits all");
        left -= now_together;
    }
    begun.elapsed()
}

pub(super) fn all(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("audit append");
    group.throughput(Throughput::Elements(1));
    let store = open(folder.path(), AuditMode::Buffered);
    group.bench_function("buffered, the call's own part", |bencher| {
        bencher.iter_custom(|calls| runtime.block_on(buffered(&store, calls)));
    });
    runtime.block_on(store.close());
    drop(store);
    let store = open(folder.path(), AuditMode::Durable);
    for together in [1, 32, 256] {
        let id = BenchmarkId::new("durable, calls at a time", together);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|calls| runtime.block_on(durable(&store, calls, together)));
        });
    }
    runtime.block_on(store.close());
    group.finish();
}

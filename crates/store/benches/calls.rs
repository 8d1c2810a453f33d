//! What a call costs in the store: callers that admit and close calls on one runtime thread, beside the
//! writer thread, as `serve` runs them. Prints the processor time per call of the whole process and
//! of each thread, and what the system's part of it is; wall time is not judged, so that other work
//! on the machine does not matter much.
//!
//! ```text
//! cargo bench -p store --bench calls -- [MODE] [CALLERS] [SECONDS] [PACE_MS] [LIMIT]
//! ```
//!
//! `MODE` is `durable`, `buffered`, or `none` (the loop alone, to be subtracted); `PACE_MS` is how
//! long a call is away at its server (0: it comes back at once); `LIMIT` is `none`, `minute` or
//! `hour`. Defaults: `durable 32 3 2 minute`. The database is made below the directory for temporary
//! files: `TMPDIR` says on which disk.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use policy::{Algorithm, Charge, Micro, Scope, ScopeIds, UnixMillis, Window};
use store::{
    AdmitRequest, AuditGrant, AuditMode, AuditOpen, AuditOutcome, GrantId, Label, Revision, Role,
    Store, StoreConfig,
};
use tokio::task::JoinSet;

/// 2026-01-01T00:00:00Z.
const T0: UnixMillis = UnixMillis(1_767_225_600_000);
/// A trace and arguments as the gateway writes them for a small policy.
const TRACE: &str = concat!(
    r#"[{"rule":"/tools/pay_invoice/require/0","result":"true"},"#,
    r#"{"rule":"/tools/pay_invoice/deny_if/0","result":"false"},"#,
    r#"{"rule":"/tools/pay_invoice/limits/0","result":"room"}]"#,
);
const ARGUMENTS: &str = r#"{"amount":"[redacted]","currency":"[redacted]","invoice":"[redacted]"}"#;

#[derive(Clone)]
struct Plan {
    mode: Option<AuditMode>,
    callers: u32,
    seconds: u64,
    pace_ms: u64,
    limit: Option<Window>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Plan, Box<dyn Error>> {
        let at = |place: usize, default: &'static str| {
            arguments.get(place).map_or(default, String::as_str)
        };
        Ok(Plan {
            mode: match at(0, "durable") {
                "durable" => Some(AuditMode::Durable),
                "buffered" => Some(AuditMode::Buffered),
                "none" => None,
                other => return Err(format!("no mode: {other}").into()),
            },
            callers: at(1, "32").parse()?,
            seconds: at(2, "3").parse()?,
            pace_ms: at(3, "2").parse()?,
            limit: match at(4, "minute") {
                "none" => None,
                word => Some(Window::from_name(word).ok_or("no limit")?),
            },
        })
    }
}

/// Nanoseconds on a processor, of one thread.
struct Used {
    thread: String,
    name: String,
    nanos: u64,
}

/// Of every thread of this process, and the ticks (10 ms) of the whole process in the system.
fn used() -> Result<(Vec<Used>, u64), Box<dyn Error>> {
    let mut all = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let schedule = fs::read_to_string(task.join("schedstat"))?;
        all.push(Used {
            thread: task.file_name().ok_or("no name")?.to_string_lossy().into_owned(),
            name: fs::read_to_string(task.join("comm"))?.trim().to_owned(),
            nanos: schedule.split(' ').next().ok_or("no time")?.parse()?,
        });
    }
    let whole = fs::read_to_string("/proc/self/stat")?;
    let after_name = whole.rsplit(')').next().ok_or("no name")?;
    Ok((all, after_name.split_whitespace().nth(12).ok_or("no time")?.parse()?))
}

async fn call(store: &Store, charges: &[Charge], number: u64, plan: &Plan) -> bool {
    let now = T0.plus_seconds(u32::try_from(number / 10_000).unwrap_or_default());
    let request_id = format!("req_{number:026}");
    let grant = GrantId::from_bytes([7; 16]);
    let Ok(label) = Label::parse("agent of the bench") else { return false };
    let open = AuditOpen {
        request_id: &request_id,
        grant: Some(AuditGrant { id: &grant, label: &label }),
        server: Some("pay"),
        session: Some("0123456789abcdef0123456789abcdef"),
        client: Some("bench 1.0"),
        method: Some("tools/call"),
        tool: Some("pay_invoice"),
        arguments_json: Some(ARGUMENTS),
        policy: Some("pay-strict"),
        policy_version: Some(3),
        revision: Revision(7),
        verdict: "allow",
        trace_json: Some(TRACE),
        ..AuditOpen::default()
    };
    let scope =
        ScopeIds { grant: grant.as_str(), session: None, server: "pay", organisation: "default" };
    let admitted =
        store.admit(&AdmitRequest { charges, scope, approval: None, open: &open, now }).await;
    let Ok(admitted) = admitted else { return false };
    away(plan.pace_ms).await;
    let outcome = AuditOutcome {
        outcome: "ok",
        upstream_status: Some(200),
        latency_ms: plan.pace_ms,
        request_bytes: 242,
        answer_bytes: 310,
        ..AuditOutcome::default()
    };
    admitted.close(&outcome, None, now);
    true
}

async fn away(pace_ms: u64) {
    if pace_ms == 0 {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(Duration::from_millis(pace_ms)).await;
    }
}

/// How many calls were made.
async fn load(store: Option<Store>, plan: Plan) -> u64 {
    let charges: Vec<Charge> = plan
        .limit
        .iter()
        .map(|window| Charge {
            counter: "calls".into(),
            window: *window,
            scope: Scope::Grant,
            algorithm: Algorithm::Fixed,
            max: Micro(u64::MAX),
            amount: Micro::ONE,
            rule: "/tools/pay_invoice/limits/0".into(),
            message: None,
        })
        .collect();
    let mut callers = JoinSet::new();
    let end = tokio::time::Instant::now() + Duration::from_secs(plan.seconds);
    for caller in 0..plan.callers {
        let (store, charges, plan) = (store.clone(), charges.clone(), plan.clone());
        callers.spawn(async move {
            let mut number = 0;
            while tokio::time::Instant::now() < end {
                let id = number * u64::from(plan.callers) + u64::from(caller);
                match &store {
                    Some(store) if call(store, &charges, id, &plan).await => {}
                    Some(_) => return 0,
                    None => away(plan.pace_ms).await,
                }
                number += 1;
            }
            number
        });
    }
    callers.join_all().await.into_iter().sum()
}

fn run(plan: &Plan, dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = match plan.mode {
        Some(audit_mode) => {
            let config = StoreConfig { data_dir: dir.join("data"), audit_mode, role: Role::Serve };
            Some(Store::open(&config, T0)?)
        }
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (before, system_before) = used()?;
    let calls = runtime.block_on(load(store.clone(), plan.clone()));
    let (after, system_after) = used()?;
    if calls == 0 {
        return Err("no call was made, or one was refused".into());
    }
    let mut out = std::io::stdout().lock();
    let per_call = |nanos: u64| micros(nanos, calls);
    let mut whole = 0;
    let mut threads = String::new();
    for thread in &after {
        let known = before.iter().find(|other| other.thread == thread.thread);
        let nanos = thread.nanos.saturating_sub(known.map_or(0, |known| known.nanos));
        whole += nanos;
        threads.extend([" ", &thread.name, " ", &per_call(nanos)]);
    }
    let system = per_call(system_after.saturating_sub(system_before) * 10_000_000);
    let rate = calls / plan.seconds.max(1);
    let total = per_call(whole);
    writeln!(out, "{total} us/call (system {system}):{threads}; {calls} calls, {rate}/s")?;
    if let Some(store) = store {
        runtime.block_on(store.close());
        let report = runtime.block_on(store.verify_audit(|_| {}))?;
        writeln!(out, "rows {}, openings {}, open {}", report.rows, report.openings, report.open)?;
        let database = fs::metadata(dir.join("data/portcullis.db"))?.len();
        writeln!(out, "{} bytes of database per call", database / calls)?;
    }
    Ok(())
}

/// Nanoseconds for all calls as microseconds for one, with two decimals.
fn micros(nanos: u64, calls: u64) -> String {
    let hundredths = nanos / calls.max(1) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let dir = tempfile::TempDir::new()?;
    run(&Plan::parse(&arguments)?, dir.path())
}

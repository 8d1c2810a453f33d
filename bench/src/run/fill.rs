//! Audit rows of calls that never were, written by the store itself, so that a log of any length need
//! not be called for. Measures nothing.

use std::path::Path;

use policy::{ScopeIds, UnixMillis};
use store::{AdmitRequest, AuditMode, AuditOpen, AuditOutcome, Revision, Role, Store, StoreConfig};

/// 2026-01-01T00:00:00Z. The log begins here, a row each millisecond.
const BEGIN: UnixMillis = UnixMillis(1_767_225_600_000);

/// Makes a data directory whose log has so many rows.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn rows(data: &Path, count: u32) -> Result<(), String> {
    let config = StoreConfig {
        data_dir: data.to_path_buf(),
        audit_mode: AuditMode::Buffered,
        role: Role::Serve,
    };
    let store = Store::open(&config, BEGIN).map_err(|error| error.to_string())?;
    let outcome = AuditOutcome {
        outcome: "ok",
        upstream_status: Some(200),
        latency_ms: 1,
        request_bytes: 220,
        answer_bytes: 200,
        ..AuditOutcome::default()
    };
    let scope =
        ScopeIds { grant: "bench", session: None, server: "bench", organisation: "default" };
    for number in 0..count {
        let now = UnixMillis(BEGIN.0 + i64::from(number));
        let request_id = format!("req_{number:016x}");
        let open = AuditOpen { request_id: &request_id, ..OPENING };
        let request = AdmitRequest { charges: &[], scope, approval: None, open: &open, now };
        let admitted = store.admit(&request).await.map_err(|error| error.to_string())?;
        admitted.close(&outcome, None, now);
    }
    store.close().await;
    Ok(())
}

/// A row as a measured call leaves it.
const OPENING: AuditOpen<'static> = AuditOpen {
    kind: store::AuditKind::Decision,
    request_id: "",
    grant: None,
    server: Some("bench"),
    session: Some("0123456789abcdef0123456789abcdef"),
    client: Some("bench-load/1"),
    method: Some("tools/call"),
    tool: Some("tool_005"),
    arguments_json: Some(
        r#"{"note":"[redacted]","amount":"[redacted]","currency":"[redacted]","recipient":"[redacted]"}"#,
    ),
    policy: Some("bench"),
    policy_version: Some(1),
    revision: Revision(1),
    verdict: "allow",
    reason: None,
    rule: None,
    message: None,
    would: None,
    trace_json: Some(
        r#"[{"rule":"tools.tool_005.require[0]","result":"true","conditions":["true","true"]}]"#,
    ),
    approval_id: None,
};

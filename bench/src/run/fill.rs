//! Audit rows of calls that never were, written by the store itself, so that a log of any length need
//! not be called for. Measures nothing.

use std::path::Path;

use policy::{ScopeIds, UnixMillis};
use store::{
    AdmitRequest, AuditGrant, AuditMode, AuditOpen, AuditOutcome, GrantId, Label, Revision, Role,
    Store, StoreConfig,
};

/// 2026-01-01T00:00:00Z.
const BEGIN: UnixMillis = UnixMillis(1_767_225_600_000);

/// Makes a data directory whose log has so many rows, all of one past day.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn rows(data: &Path, count: u32) -> Result<(), String> {
    write(data, count, BEGIN, same).await
}

/// As many rows as a busy installation has, a row each millisecond from `begin` on: calls of all of so many
/// tools by twenty grants, of which some were denied.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn varied(
    data: &Path,
    (count, tools): (u32, u32),
    begin: UnixMillis,
) -> Result<(), String> {
    write(data, count, begin, |number| Row {
        tool: format!("tool_{:03}", number % tools),
        grant: number % u32::from(GRANTS),
        verdict: if number % DENIED_EACH == 0 { "deny" } else { "allow" },
    })
    .await
}

/// What differs from row to row.
struct Row {
    tool: String,
    /// One of twenty.
    grant: u32,
    verdict: &'static str,
}

/// Grants of varied rows.
const GRANTS: u8 = 20;
/// One in so many varied rows is a call that was denied.
const DENIED_EACH: u32 = 50;

/// The grants whose calls the rows are.
fn grants() -> Result<Vec<(GrantId, Label)>, String> {
    let grant = |number: u8| {
        let label = Label::parse(&format!("agent-{number}")).map_err(|error| error.to_string())?;
        Ok((GrantId::from_bytes([number; 16]), label))
    };
    (0..GRANTS).map(grant).collect()
}

/// A row as a measured call leaves it.
fn same(_number: u32) -> Row {
    Row { tool: "tool_005".to_owned(), grant: 0, verdict: "allow" }
}

async fn write(
    data: &Path,
    count: u32,
    begin: UnixMillis,
    row: impl Fn(u32) -> Row,
) -> Result<(), String> {
    let config = StoreConfig {
        data_dir: data.to_path_buf(),
        audit_mode: AuditMode::Buffered,
        role: Role::Serve,
    };
    let store = Store::open(&config, begin).map_err(|error| error.to_string())?;
    let outcome = AuditOutcome {
        outcome: "ok",
        upstream_status: Some(200),
        latency_ms: 1,
        request_bytes: 220,
        answer_bytes: 200,
        ..AuditOutcome::default()
    };
    let grants = grants()?;
    for number in 0..count {
        let now = UnixMillis(begin.0 + i64::from(number));
        let request_id = format!("req_{number:016x}");
        let Row { tool, grant, verdict } = row(number);
        let (id, label) = grants.get(grant as usize).ok_or("a grant that is none")?;
        let denied = (verdict == "deny").then_some(("require_failed", "/tools/t/require/0"));
        let open = AuditOpen {
            request_id: &request_id,
            grant: Some(AuditGrant { id, label }),
            tool: Some(&tool),
            verdict,
            reason: denied.map(|(reason, _rule)| reason),
            rule: denied.map(|(_reason, rule)| rule),
            ..OPENING
        };
        let scope = ScopeIds {
            grant: id.as_str(),
            session: None,
            server: "bench",
            organisation: "default",
        };
        let request = AdmitRequest { charges: &[], scope, approval: None, open: &open, now };
        let admitted = store.admit(&request).await.map_err(|error| error.to_string())?;
        admitted.close(&outcome, None, now);
    }
    store.close().await;
    Ok(())
}

/// What all rows share.
const OPENING: AuditOpen<'static> = AuditOpen {
    kind: store::AuditKind::Decision,
    request_id: "",
    grant: None,
    server: Some("bench"),
    session: Some("0123456789abcdef0123456789abcdef"),
    client: Some("bench-load/1"),
    method: Some("tools/call"),
    tool: None,
    risk: Some("medium"),
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

//! The format of a bypass case: JSON Lines, one case a line. Unknown members are errors, so that a
//! misspelt expectation is never one that was met.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What a case or a step is expected to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    /// The call ran.
    Allow,
    /// A refusal by policy, of any kind.
    Deny,
    /// A call that waits for a person.
    Hold,
    /// A request that is no request.
    #[serde(rename = "reject_400")]
    Reject,
    /// The server's own error came back.
    Error,
    /// Not allowed, in whichever way.
    Refused,
}

/// A generated body.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Generated {
    pub(super) prefix: String,
    pub(super) suffix: String,
    pub(super) open: Option<String>,
    pub(super) close: Option<String>,
    pub(super) fill: Option<String>,
    pub(super) item: Option<String>,
    pub(super) sep: String,
    pub(super) gzip_of_fill: Option<Value>,
    pub(super) count: usize,
}

/// Departures from the usual request line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpParts {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) query: Option<String>,
}

/// The holder or holders of grants in a step.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Holders {
    One(String),
    Many(Vec<String>),
}

/// One step of a sequence: a request when it has a body, else an action.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) action: Option<String>,
    pub(super) body: Option<String>,
    pub(super) headers: Option<BTreeMap<String, Value>>,
    pub(super) http: Option<HttpParts>,
    #[serde(rename = "as")]
    pub(super) holders: Option<Holders>,
    pub(super) expect: Option<Expect>,
    pub(super) also_ok: Option<Vec<Expect>>,
    pub(super) expect_status: Option<Vec<u16>>,
    pub(super) expect_counts: Option<BTreeMap<Expect, usize>>,
    pub(super) repeat: Option<usize>,
    pub(super) parallel: Option<usize>,
    #[serde(default)]
    pub(super) new_session: bool,
    /// Every request has a connection of its own anyway.
    #[serde(default, rename = "new_connection")]
    _new_connection: Value,
    /// No step has a handshake that it does not ask for.
    #[serde(default, rename = "no_initialize")]
    _no_initialize: Value,
    pub(super) session: Option<String>,
    pub(super) save: Option<String>,
    pub(super) save_event: Option<String>,
    pub(super) last_event_id: Option<String>,
    pub(super) upstream_fault: Option<String>,
    pub(super) disconnect_after_ms: Option<u64>,
    pub(super) within_seconds: Option<u64>,
    pub(super) policy: Option<Value>,
    pub(super) tool: Option<String>,
    pub(super) pairs: Option<usize>,
    #[serde(default)]
    pub(super) may_fail: bool,
    pub(super) seconds: Option<u64>,
    pub(super) offset: Option<Value>,
    pub(super) set: Option<Value>,
}

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// What it tries.
    pub title: String,
    #[serde(default, rename = "n")]
    _number: Value,
    #[serde(default, rename = "group")]
    _group: String,
    #[serde(default, rename = "why")]
    _why: String,
    #[serde(default, rename = "evidence")]
    _evidence: Value,
    pub(super) kind: String,
    #[serde(default, rename = "policy_ref")]
    _policy_name: Value,
    pub(super) policy: Value,
    #[serde(default)]
    pub(super) protocol: Option<String>,
    pub(super) expect: Expect,
    #[serde(default)]
    pub(super) also_ok: Vec<Expect>,
    pub(super) expect_status: Option<Vec<u16>>,
    #[serde(default)]
    pub(super) upstream_calls: Vec<String>,
    #[serde(default)]
    pub(super) upstream_calls_also: Option<Vec<String>>,
    pub(super) max_calls: Option<usize>,
    pub(super) invariant: Option<String>,
    pub(super) needs: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Value>,
    pub(super) content_type: Option<String>,
    pub(super) http: Option<HttpParts>,
    pub(super) body: Option<String>,
    pub(super) request_body_base64: Option<String>,
    pub(super) body_gen: Option<Generated>,
    pub(super) raw_template: Option<String>,
    #[serde(default)]
    pub(super) segments: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    /// Own extension: the names that a list must show, in order.
    pub(super) shows: Option<Vec<String>>,
}

/// A line that is no case.
#[derive(Debug)]
pub struct CaseError {
    /// Its number, from 1; 0 when the file cannot be read.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl Case {
    /// Whether the case needs something that nobody else may share.
    pub(super) fn needs_a_stage_of_its_own(&self) -> bool {
        let wide = self.policy.to_string();
        let shared_counter =
            wide.contains("\"scope\":\"server\"") || wide.contains("\"scope\":\"organisation\"");
        self.kind == "sequence" || self.needs.is_some() || shared_counter
    }

    pub(super) fn needs(&self, what: &str) -> bool {
        self.needs.as_ref().is_some_and(|needs| needs.contains(what))
    }
}

/// Reads the lines of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Case>, CaseError> {
    let lines = (1..).zip(text.lines()).filter(|(_number, line)| !line.trim().is_empty());
    let mut cases: Vec<Case> = Vec::new();
    for (line, text) in lines {
        let case: Case = serde_json::from_str(text)
            .map_err(|problem| CaseError { line, problem: problem.to_string() })?;
        if cases.iter().any(|known| known.id == case.id) {
            return Err(CaseError { line, problem: format!("{} stands twice", case.id) });
        }
        cases.push(case);
    }
    Ok(cases)
}

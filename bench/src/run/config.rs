//! The configuration and the policy of a measured gateway. Writes files and nothing else.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::message::ANNOUNCE;
use crate::workload::{HIDDEN_GLOB, Workload, tool_name};

/// The grant's token: worthless outside a loopback listener of a run.
pub(super) const TOKEN: &str = "token-of-a-benchmark-on-loopback";
/// The slug of the mock server.
pub(super) const SLUG: &str = "bench";

/// How a gateway is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// `buffered` or `durable`.
    pub(super) audit: &'static str,
    /// Tools that the policy lists.
    pub(super) tools: usize,
    /// Conditions of each.
    pub(super) conditions: usize,
    /// Whether one tool in ten is hidden.
    pub(super) hides: bool,
}

/// Where it listens, and where its server is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) door: SocketAddr,
    pub(super) console: SocketAddr,
    pub(super) upstream: SocketAddr,
}

impl Setup {
    /// Buffered audit, ten tools with two conditions; all tools where a list is measured.
    pub(super) fn plain(workload: Workload) -> Self {
        let is_list = workload == Workload::W4;
        let tools = if is_list { workload.shape().tools } else { 10 };
        Self { audit: "buffered", tools, conditions: 2, hides: is_list }
    }

    /// The policy: every tool has its own conditions, and all share one limit.
    pub(super) fn policy(&self) -> Value {
        let rule = |number: usize| {
            let require = json!([{ "conditions": self.conditions_of(number) }]);
            let limit = json!({ "counter": "calls", "window": "minute", "max": 1_000_000_000 });
            json!({ "require": require, "limits": [limit] })
        };
        let mut tools: Map<String, Value> =
            (0..self.tools).map(|number| (tool_name(number), rule(number))).collect();
        tools.insert(ANNOUNCE.to_owned(), json!({}));
        let hide: &[&str] = if self.hides { &[HIDDEN_GLOB] } else { &["delete_*"] };
        json!({ "version": "1", "default": "deny", "hide": hide, "tools": tools })
    }

    /// The first of five conditions, with figures of the tool's own, so that no two are the same.
    fn conditions_of(&self, number: usize) -> Vec<Value> {
        let all = [
            json!({ "path": "args.amount", "op": "lte", "value": 5000 + number }),
            json!({ "path": "args.currency", "op": "in", "value": ["CHF", "EUR", "USD"] }),
            json!({ "path": "args.recipient", "op": "starts_with", "value": "acct-" }),
            json!({ "path": "args.note", "op": "not_regex", "value": "(?i)urgent|wire transfer" }),
            json!({ "path": "args.note", "op": "length_lte", "value": 2000 + number }),
        ];
        all.into_iter().take(self.conditions).collect()
    }

    /// Writes both files.
    pub(super) fn write(&self, folder: &Path, at: Addresses) -> Result<(), String> {
        let policy = self.policy().to_string();
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
        };
        write("bench.policy.json", &policy)?;
        write("portcullis.toml", &self.text(at))
    }

    fn text(&self, at: Addresses) -> String {
        let Addresses { door, console, upstream } = at;
        let audit = self.audit;
        format!(
            r#"data_dir = "data"
public_url = "http://{door}"
drain_seconds = 1

[listen]
gateway = "{door}"
console = "{console}"

[audit]
mode = "{audit}"

[[server]]
slug = "{SLUG}"
url = "http://{upstream}/mcp"
allow_private_address = true
accept_first = true

[[policy]]
name = "bench"
server = "{SLUG}"
file = "bench.policy.json"

[[grant]]
label = "bench"
server = "{SLUG}"
policy = "bench"
token = "{TOKEN}"
"#
        )
    }
}

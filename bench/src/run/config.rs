//! The configuration and the policy of a measured gateway. Writes files and nothing else.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::message::ANNOUNCE;
use crate::workload::{CALLED, HIDDEN_GLOB, Workload, tool_name};

/// The grant's token: worthless outside a loopback listener of a run.
pub(super) const TOKEN: &str = "token-of-a-benchmark-on-loopback";
/// The token of the second grant, which holds sessions that only wait.
pub(super) const WAITING_TOKEN: &str = "token-of-grant-0001-on-loopback";
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
    /// Policies of that kind, at least one; the measured grant has the first.
    pub(super) policies: usize,
    /// Grants, at least one; the first is measured.
    pub(super) grants: usize,
}

/// Where it listens, where its server is, and where its data lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) door: SocketAddr,
    pub(super) console: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) data: &'a Path,
}

impl Setup {
    /// Buffered audit, ten tools with two conditions; all tools where a list is measured.
    pub(super) fn plain(workload: Workload) -> Self {
        let is_list = workload == Workload::W4;
        let tools = if is_list { workload.shape().tools } else { 10 };
        Self { audit: "buffered", tools, conditions: 2, hides: is_list, policies: 1, grants: 1 }
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

    /// The same with no tool beside the numbered ones, of which only the called one has its rules: a
    /// policy has at most 10,000 selectors, and so many long ones would be longer than a policy may be.
    pub(super) fn policy_of_one(&self) -> Value {
        let mut policy = self.policy();
        let short = json!({ "require": [{ "conditions": [
            { "path": "args.note", "op": "exists", "value": true },
        ] }] });
        if let Some(tools) = policy.get_mut("tools").and_then(Value::as_object_mut) {
            tools.remove(ANNOUNCE);
            let others = tools.iter_mut().filter(|(name, _)| *name != CALLED);
            others.for_each(|(_, rule)| *rule = short.clone());
        }
        if let Some(policy) = policy.as_object_mut() {
            policy.remove("hide");
        }
        policy
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

    /// Writes the configuration and the policies that it names.
    pub(super) fn write(&self, folder: &Path, at: Places<'_>) -> Result<(), String> {
        let policy = self.policy().to_string();
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
        };
        for number in 0..self.policies {
            write(&format!("{}.policy.json", name(number)), &policy)?;
        }
        write("portcullis.toml", &self.text(at))
    }

    fn text(&self, at: Places<'_>) -> String {
        let Places { door, console, upstream, data } = at;
        let data = Value::from(data.to_string_lossy());
        let audit = self.audit;
        let head = format!(
            r#"data_dir = {data}
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
"#
        );
        let policies = (0..self.policies).map(|number| {
            let name = name(number);
            format!(
                r#"
[[policy]]
name = "{name}"
server = "{SLUG}"
file = "{name}.policy.json"
"#
            )
        });
        let grants = (0..self.grants).map(|number| {
            let (label, policy) = (name(number), name(number % self.policies.max(1)));
            let token = if number == 0 {
                TOKEN.to_owned()
            } else {
                format!("token-of-grant-{number:04}-on-loopback")
            };
            format!(
                r#"
[[grant]]
label = "{label}"
server = "{SLUG}"
policy = "{policy}"
token = "{token}"
"#
            )
        });
        std::iter::once(head).chain(policies).chain(grants).collect()
    }
}

/// The name of the n-th policy and of the n-th grant; the first ones are measured.
fn name(number: usize) -> String {
    if number == 0 { "bench".to_owned() } else { format!("other-{number:04}") }
}

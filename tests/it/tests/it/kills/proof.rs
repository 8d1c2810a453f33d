//! What must hold once a killed gateway runs again, as an outsider sees it.

use std::collections::{BTreeMap, BTreeSet};

use it::gateway::Config;
use it::recorder::Executed;
use it::scene::{SERVER, Scene, decision, denied, ran};
use serde_json::{Value, json};

use super::load::{PAYERS, Told, arguments, mark_key};
use super::{TIGHT_MAX, WIDE_MAX};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// One round's evidence.
pub(super) struct Proof<'a> {
    pub(super) scene: &'a Scene,
    /// The round's grant.
    pub(super) label: &'a str,
    /// What the server saw of the round.
    pub(super) executed: &'a [Executed],
    /// What outsiders were told in it.
    pub(super) told: &'a Told,
    /// Whether every call waited for its row.
    pub(super) durable: bool,
}

impl Proof<'_> {
    /// Everything; says how much of it there was.
    pub(super) async fn check(&self) -> String {
        let rows = self.rows().await;
        self.check_rows(&rows);
        self.check_limits(&rows).await;
        self.check_approvals().await;
        self.check_objects().await;
        let verified = self.scene.gateway.command(&["audit", "verify"]).output().await;
        let verified = verified.expect("it runs");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        let told = self.told;
        format!(
            "{} executed, {} rows of calls, {} approved, {} waiting, {} granted, {} revoked, {} saved",
            self.executed.len(),
            rows.len(),
            told.approved.len(),
            told.waiting.len(),
            told.granted.len(),
            told.revoked.len(),
            told.saved.len(),
        )
    }

    /// The marks of the calls that the audit says were let through, by tool.
    async fn rows(&self) -> BTreeSet<(String, String)> {
        let path = format!("audit?format=jsonl&grant={}", self.label);
        let answer = self.scene.gateway.api("GET", &path, None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let allowed = rows.filter(|row| row["verdict"] == "allow");
        allowed.filter_map(|row| Some((row["tool"].as_str()?.to_owned(), mark_in(&row)?))).collect()
    }

    /// Each call that the server saw has its row, and was seen once.
    fn check_rows(&self, rows: &BTreeSet<(String, String)>) {
        let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
        for call in self.executed {
            let mark = call.arguments[mark_key(&call.tool)].as_str().expect("a mark");
            *times.entry((call.tool.clone(), mark.to_owned())).or_default() += 1;
        }
        for (call, times) in times {
            assert_eq!(times, 1, "{call:?} ran so often");
            // In buffered mode a kill may take the last rows of calls without a limit or an approval.
            let must = self.durable || call.0 != "run_sql";
            assert!(!must || rows.contains(&call), "{call:?} ran without a row");
        }
    }

    fn count(&self, tool: &str) -> usize {
        self.executed.iter().filter(|call| call.tool == tool).count()
    }

    /// No counter is above its max, none has lost a charge, and none holds more than was charged.
    async fn check_limits(&self, rows: &BTreeSet<(String, String)>) {
        let mut tight = self.count("read_item");
        while self.runs("read_item", arguments("read_item", &format!("more-{tight}"))).await {
            tight += 1;
            assert!(tight <= TIGHT_MAX, "{tight} calls ran of {TIGHT_MAX}");
        }
        assert!(tight <= TIGHT_MAX, "{tight} calls ran of {TIGHT_MAX}");
        let asks = |amount: usize| json!({ "amount": amount, "currency": "probe" });
        let seen = self.count("pay");
        let probe = self.scene.call(self.label, "pay", asks(WIDE_MAX - seen + 1)).await;
        assert_eq!(decision(&probe)["reason"], "limit_exceeded", "a charge is lost");
        assert!(denied(&probe));
        // A call may be charged whose row was still on its way.
        let charged_most = rows.iter().filter(|(tool, _mark)| tool == "pay").count() + PAYERS;
        let probe = self.scene.call(self.label, "pay", asks(WIDE_MAX - charged_most)).await;
        assert!(ran(&probe), "more was charged than called: {}", probe.text());
    }

    async fn runs(&self, tool: &str, arguments: Value) -> bool {
        ran(&self.scene.call(self.label, tool, arguments).await)
    }

    /// An approval serves one call; one that nobody used serves still, and a question still waits.
    async fn check_approvals(&self) {
        for (scope, tried) in &self.told.approved {
            let before = self.runs_of(scope);
            let now = self.runs("delete_all", arguments("delete_all", scope)).await;
            assert!(before == 0 || !now, "the approval of {scope} was used twice");
            assert!(*tried || now, "the approval of {scope} is lost");
            let again = self.runs("delete_all", arguments("delete_all", scope)).await;
            assert!(!again, "the approval of {scope} was used again");
        }
        for (scope, id) in &self.told.waiting {
            let decided = self.scene.gateway.decide(id, "approve").await;
            assert_eq!(decided.status / 100, 2, "{scope} waits no longer: {}", decided.text());
            let wanted = arguments("delete_all", scope);
            assert!(self.runs("delete_all", wanted.clone()).await, "{scope} was approved");
            assert!(!self.runs("delete_all", wanted).await, "{scope} was approved once");
        }
    }

    fn runs_of(&self, scope: &str) -> usize {
        self.executed.iter().filter(|call| call.arguments["scope"] == scope).count()
    }

    /// Grants and policies are as people were told that they are.
    async fn check_objects(&self) {
        let gateway = &self.scene.gateway;
        for token in &self.told.granted {
            assert_eq!(gateway.post(SERVER, token, PING).await.status, 200, "{token} is lost");
        }
        for token in &self.told.revoked {
            assert_eq!(gateway.post(SERVER, token, PING).await.status, 401, "{token} is back");
        }
        for name in &self.told.saved {
            let found = gateway.api("GET", &format!("policies/{name}"), None).await;
            assert_eq!(found.status, 200, "the policy {name} is lost");
        }
        let own = gateway.post(SERVER, &Config::token_of(self.label), PING).await;
        assert_eq!(own.status, 200, "{}", own.text());
    }
}

/// The mark of a row's call.
fn mark_in(row: &Value) -> Option<String> {
    let tool = row["tool"].as_str()?;
    let arguments = match &row["arguments"] {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    arguments[mark_key(tool)].as_str().map(str::to_owned)
}

//! The load that a gateway is killed under: agents who call, people who approve, and administrators
//! who make and revoke grants and save policies; and what they were told. Judges nothing.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use it::gateway::{ADMIN_TOKEN, Config};
use it::long::Draws;
use it::scene::{SERVER, Scene, call_body, decision, held};
use it::wire::{self, Answer, Ask};
use serde_json::{Value, json};

/// Callers of the tool whose units are counted.
pub(super) const PAYERS: usize = 4;
/// Callers of each other tool.
const CALLERS: usize = 2;
/// Retries of an approved call at the same time.
const RETRIES: usize = 3;

/// What outsiders were told, and must find again.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Calls (their `scope`) that a person approved, and whether they were tried again.
    pub(super) approved: Vec<(String, bool)>,
    /// Calls (their `scope`) that wait for a person, and the request's identifier.
    pub(super) waiting: Vec<(String, String)>,
    /// Tokens of grants that were made.
    pub(super) granted: Vec<String>,
    /// Tokens of grants that were revoked.
    pub(super) revoked: Vec<String>,
    /// Names of policies that were saved.
    pub(super) saved: Vec<String>,
}

/// The load of one round.
pub(super) struct Load {
    door: SocketAddr,
    console: SocketAddr,
    label: String,
    over: AtomicBool,
    numbers: AtomicUsize,
    draws: Mutex<Draws>,
    told: Mutex<Told>,
}

impl Load {
    pub(super) fn new(scene: &Scene, label: &str, seed: usize) -> Self {
        Self {
            door: scene.gateway.door,
            console: scene.gateway.console,
            label: label.to_owned(),
            over: AtomicBool::new(false),
            numbers: AtomicUsize::new(0),
            draws: Mutex::new(Draws::from(u64::try_from(seed).expect("64 bits"))),
            told: Mutex::default(),
        }
    }

    /// Nobody asks any more.
    pub(super) fn is_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn told(self) -> Told {
        self.told.into_inner().expect("no holder panics")
    }

    /// Until it is over.
    pub(super) async fn run(&self) {
        let payers = join_all((0..PAYERS).map(|_n| self.calls("pay")));
        let readers = join_all((0..CALLERS).map(|_n| self.calls("read_item")));
        let others = join_all((0..CALLERS).map(|_n| self.calls("run_sql")));
        let held = join_all((0..CALLERS).map(|_n| self.held_calls()));
        tokio::join!(payers, readers, others, held, self.grants(), self.policies());
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// What no other request of this round has.
    fn mark(&self) -> String {
        format!("{}-{}", self.label, self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    fn one_in(&self, many: usize) -> bool {
        self.draws.lock().expect("no holder panics").below(many) == 0
    }

    fn tell(&self, what: impl FnOnce(&mut Told)) {
        what(&mut self.told.lock().expect("no holder panics"));
    }

    async fn call(&self, tool: &str, arguments: &Value) -> Answer {
        let token = Config::token_of(&self.label);
        let body = call_body(1, tool, arguments);
        let ask = Ask::mcp(&format!("/mcp/{SERVER}"), &token, body);
        wire::ask(self.door, &ask).await.unwrap_or_default()
    }

    async fn api(&self, path: &str, body: Value) -> Answer {
        let mut ask = Ask::bare("POST", &format!("/api/v1/{path}"))
            .with("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
            .with("Content-Type", "application/json");
        ask.body = body.to_string().into_bytes();
        wire::ask(self.console, &ask).await.unwrap_or_default()
    }

    async fn calls(&self, tool: &str) {
        while self.goes_on() {
            self.call(tool, &arguments(tool, &self.mark())).await;
        }
    }

    async fn held_calls(&self) {
        while self.goes_on() {
            let scope = self.mark();
            let wanted = arguments("delete_all", &scope);
            let answer = self.call("delete_all", &wanted).await;
            let id = decision(&answer)["approval"]["id"].as_str().map(str::to_owned);
            let Some(id) = id.filter(|_id| held(&answer)) else { continue };
            if self.one_in(4) {
                self.tell(|told| told.waiting.push((scope, id)));
                continue;
            }
            let path = format!("approvals/{id}/approve");
            let said = self.api(&path, json!({ "reason": "it is fine" })).await;
            if said.status / 100 != 2 {
                continue;
            }
            let again = !self.one_in(3);
            self.tell(|told| told.approved.push((scope, again)));
            if again {
                join_all((0..RETRIES).map(|_n| self.call("delete_all", &wanted))).await;
            }
        }
    }

    async fn grants(&self) {
        while self.goes_on() {
            let label = format!("made-{}", self.mark());
            let token = Config::token_of(&label);
            let wanted = json!({ "label": label, "server": SERVER, "token": token });
            let made = self.api("grants", wanted).await;
            if made.status != 201 {
                continue;
            }
            let view: Value = serde_json::from_slice(&made.body).expect("JSON");
            let id =
                view["grant"]["id"].as_str().or(view["id"].as_str()).expect("an id").to_owned();
            if !self.one_in(2) {
                self.tell(|told| told.granted.push(token));
                continue;
            }
            let revoked = self.api(&format!("grants/{id}/revoke"), json!({})).await;
            if revoked.status / 100 == 2 {
                self.tell(|told| told.revoked.push(token));
            }
        }
    }

    async fn policies(&self) {
        while self.goes_on() {
            let name = format!("saved-{}", self.mark());
            let document = json!({ "version": "1", "default": "deny", "tools": {} });
            let saved = self.api("policies", json!({ "name": name, "document": document }));
            if saved.await.status / 100 == 2 {
                self.tell(|told| told.saved.push(name));
            }
        }
    }
}

/// The argument in which a call of that tool carries its mark.
pub(super) fn mark_key(tool: &str) -> &'static str {
    match tool {
        "read_item" => "id",
        "pay" => "currency",
        "delete_all" => "scope",
        _ => "sql",
    }
}

/// What a call of that tool asks for.
pub(super) fn arguments(tool: &str, mark: &str) -> Value {
    let mut arguments = json!({ mark_key(tool): mark });
    if tool == "pay" {
        arguments["amount"] = 1.into();
    }
    arguments
}

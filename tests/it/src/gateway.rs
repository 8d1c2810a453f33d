//! The product under test as a process: its configuration file, its life (start, kill, reload, stop)
//! and its doors. Speaks to it only as an outsider can; knows no crate of the product.

mod config;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::ports::Port;
use crate::wire::{self, Answer, Ask};
use crate::{places, wait};

pub use config::{Config, Grant, Server};

/// The API token of the configuration, with the role of an administrator.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-integration-tests";

/// A running `portcullis serve`.
#[derive(Debug)]
pub struct Gateway {
    folder: TempDir,
    config: Config,
    child: Option<Child>,
    /// Where agents connect.
    pub door: SocketAddr,
    /// Where administrators connect.
    pub console: SocketAddr,
    probes: usize,
    clock: Option<PathBuf>,
    /// Its listeners' ports, after the process: they are its own until it ends.
    _ports: [Port; 2],
}

impl Gateway {
    /// Writes the configuration, starts the process and waits until it is ready.
    pub async fn start(config: Config) -> Self {
        Self::launch(config, None, "+0").await
    }

    /// As [`Gateway::start`], with a clock that [`Gateway::set_clock`] moves.
    ///
    /// # Panics
    /// When libfaketime is not installed.
    pub async fn start_with_clock(config: Config) -> Self {
        Self::start_at(config, "+0").await
    }

    /// As [`Gateway::start_with_clock`], from that offset on.
    ///
    /// # Panics
    /// When libfaketime is not installed.
    pub async fn start_at(config: Config, offset: &str) -> Self {
        let library = fake_time_library();
        assert!(
            library.is_some(),
            "libfaketime is missing (Debian: `apt-get install libfaketime`)"
        );
        Self::launch(config, library, offset).await
    }

    async fn launch(config: Config, clock: Option<PathBuf>, offset: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = [Port::take(), Port::take()];
        let [door, console] = ports.each_ref().map(Port::address);
        let mut gateway =
            Self { folder, config, child: None, door, console, probes: 0, clock, _ports: ports };
        if gateway.clock.is_some() {
            gateway.set_clock(offset);
        }
        gateway.write();
        gateway.spawn();
        gateway.ready().await;
        gateway
    }

    /// The folder of its configuration, data and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of the configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder().join("portcullis.toml")
    }

    /// What it is configured with.
    pub fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    fn write(&self) {
        self.config.write(self.folder(), self.door, self.console);
    }

    /// Starts the process on what is there, and waits for nothing.
    pub fn spawn(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder().join("serve.log"))
            .expect("a log file");
        let mut command = Command::new(&self.config.program);
        command
            .arg("serve")
            .arg("--config")
            .arg(self.config_file())
            .current_dir(self.folder())
            .env_clear()
            .envs(self.config.environment())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .kill_on_drop(true);
        if let Some(library) = &self.clock {
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME_TIMESTAMP_FILE", self.folder().join("clock"))
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        self.child = Some(command.spawn().expect("the product starts"));
    }

    /// Moves the process's wall clock, as libfaketime understands it: `+1h`, `-3600`, …
    pub fn set_clock(&self, offset: &str) {
        // It is read at every look at the clock: never half of it.
        let beside = self.folder().join("clock.new");
        std::fs::write(&beside, offset).expect("a clock file");
        std::fs::rename(beside, self.folder().join("clock")).expect("a clock file");
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("serve.log")).unwrap_or_default()
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Panics
    /// When the process ends first, or is not ready in time; shows its log.
    pub async fn ready(&mut self) {
        let console = self.console;
        let patience = Duration::from_secs(wait::PATIENCE_SECONDS_MAX);
        let child = self.child.as_mut().expect("it was started");
        let ready = wait::poll(patience, || {
            let ended = child.try_wait().expect("a child can be asked");
            async move {
                if ended.is_some() {
                    return Some(false);
                }
                let answer = wire::ask(console, &Ask::bare("GET", "/readyz")).await.ok()?;
                (answer.status == 200).then_some(true)
            }
        })
        .await;
        assert!(ready == Some(true), "the gateway is not ready; its log:\n{}", self.log());
    }

    /// The process, for whoever looks at its memory or its children.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> Pid {
        let id = self.child.as_ref().and_then(Child::id).expect("it runs");
        let id = i32::try_from(id).expect("a process id");
        Pid::from_raw(id).expect("a process id")
    }

    /// Kills the process without a warning.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("it can be killed");
    }

    /// Starts it again on the same data, and waits until it is ready.
    pub async fn restart(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Waits for the process to end.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        wait::bounded("the end of the gateway", child.wait()).await.expect("it can be awaited")
    }

    /// From now on no file of the process can grow beyond `bytes`; nothing: no limit.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("its limits can be set");
    }

    /// Writes the changed configuration and waits until it is in force: a grant that only the new
    /// file holds is let in.
    ///
    /// # Panics
    /// When it does not come into force in time.
    pub async fn reload(&mut self) {
        self.probes += 1;
        let token = format!("probe-token-number-{}", self.probes);
        let server = self.config.servers.first().expect("a server").slug.clone();
        self.config.grants.retain(|grant| grant.label != "probe");
        self.config.grants.push(Grant::new("probe", &server, None, &token));
        self.write();
        self.signal(Signal::HUP);
        let (door, target) = (self.door, format!("/mcp/{server}"));
        let look = || {
            let ask = Ask::mcp(&target, &token, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
            async move { wire::ask(door, &ask).await.ok().filter(|answer| answer.status != 401) }
        };
        let patience = Duration::from_secs(wait::PATIENCE_SECONDS_MAX);
        let seen = wait::poll(patience, look).await;
        assert!(seen.is_some(), "the reload is not in force; the log:\n{}", self.log());
    }

    /// Writes a policy's file anew, without a signal.
    pub fn set_policy(&mut self, name: &str, policy: &Value) {
        self.config.policies.insert(name.to_owned(), policy.clone());
    }

    /// A request to the administrators' door.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut ask = Ask::bare(method, &format!("/api/v1/{path}"))
            .with("Authorization", &format!("Bearer {ADMIN_TOKEN}"));
        if let Some(body) = body {
            ask = ask.with("Content-Type", "application/json");
            ask.body = body.to_string().into_bytes();
        }
        wire::ask(self.console, &ask).await.expect("the console answers")
    }

    /// Every row of the audit, oldest first.
    ///
    /// # Panics
    /// When the console does not hand them out.
    pub async fn audit(&self) -> Vec<Value> {
        let answer = self.api("GET", "audit?format=jsonl", None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
    }

    /// Waits until the audit satisfies `found`, and hands back what it found.
    ///
    /// # Panics
    /// When it does not in time; shows every row.
    pub async fn audited<T>(&self, what: &str, found: impl Fn(&[Value]) -> Option<T>) -> T {
        let patience = Duration::from_secs(wait::PATIENCE_SECONDS_MAX / 3);
        let seen = wait::poll(patience, || async { found(&self.audit().await) }).await;
        match seen {
            Some(seen) => seen,
            None => panic!("waited in vain for {what}; the rows are {:#?}", self.audit().await),
        }
    }

    /// Decides a held call: `approve` or `reject`.
    pub async fn decide(&self, approval: &str, decision: &str) -> Answer {
        let reason = json!({ "reason": "the test says so" });
        self.api("POST", &format!("approvals/{approval}/{decision}"), Some(reason)).await
    }

    /// A JSON-RPC request as the holder of a token, on a connection of its own. Status 0 stands for
    /// no answer.
    pub async fn post(&self, server: &str, token: &str, body: &str) -> Answer {
        let ask = Ask::mcp(&format!("/mcp/{server}"), token, body);
        wire::ask(self.door, &ask).await.unwrap_or_default()
    }

    /// A call of a tool as the holder of a token.
    pub async fn call(&self, server: &str, token: &str, tool: &str, arguments: Value) -> Answer {
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        self.post(server, token, &body.to_string()).await
    }

    /// From now on the process opens no descriptor whose number is `count` or higher; what the limit was before.
    pub fn limit_descriptors(&self, count: Option<u64>) -> Option<u64> {
        // Only the mightiest may raise the upper limit, so that it stays what it was inherited as.
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: count, maximum };
        prlimit(Some(self.pid()), Resource::Nofile, limit).expect("its limits can be set").current
    }

    /// The `portcullis` program with this configuration.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_of(&places::binary("portcullis"), words)
    }

    /// As [`Gateway::command`], with another program in its place.
    pub fn command_of(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .arg("--config")
            .arg(self.config_file())
            .current_dir(self.folder())
            .env_clear()
            .envs(self.config.environment())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

fn fake_time_library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    folders
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.is_file())
}

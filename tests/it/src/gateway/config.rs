//! The configuration file of a test's gateway, as data, and how it is written. Secrets go through
//! the environment, as an administrator would have it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ADMIN_TOKEN;
use crate::places;
use crate::recorder::{CREDENTIAL_VARIABLE, Recorder};

/// A `[[server]]` block.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its slug.
    pub slug: String,
    /// The line that says how it is reached: `url = …` or `command = …`.
    pub transport: String,
    /// Its credential's variable and value.
    pub credential: Option<(String, String)>,
    /// More lines of the block.
    pub lines: Vec<String>,
}

impl Server {
    /// A server reached over HTTP, with a credential of the gateway's own.
    pub fn http(slug: &str, url: &str, credential: &str) -> Self {
        let variable = format!("CREDENTIAL_{}", slug.to_uppercase().replace('-', "_"));
        let lines = vec![
            format!("headers = {{ Authorization = \"env:{variable}\" }}"),
            "allow_private_address = true".to_owned(),
            "accept_first = true".to_owned(),
        ];
        Self {
            slug: slug.to_owned(),
            transport: format!("url = {}", quoted(url)),
            credential: Some((variable, credential.to_owned())),
            lines,
        }
    }

    /// A recorder over HTTP.
    pub fn of(slug: &str, recorder: &Recorder) -> Self {
        Self::http(slug, &recorder.url(), &recorder.options().credential)
    }

    /// A child process.
    pub fn stdio(slug: &str, command: &[String]) -> Self {
        let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
        Self {
            slug: slug.to_owned(),
            transport: format!("command = [{}]", words.join(", ")),
            credential: None,
            lines: vec!["accept_first = true".to_owned()],
        }
    }

    /// A recorder that the gateway starts as a child.
    pub fn piped(slug: &str, recorder: &Recorder) -> Self {
        let bridge = places::binary("stdio-bridge").to_string_lossy().into_owned();
        let variable = format!("CREDENTIAL_{}", slug.to_uppercase().replace('-', "_"));
        let mut server = Self::stdio(slug, &[bridge, recorder.pipe_port().to_string()]);
        server.lines.push(format!("env = {{ {CREDENTIAL_VARIABLE} = \"env:{variable}\" }}"));
        server.credential = Some((variable, recorder.options().credential.clone()));
        server
    }

    /// Adds a line to the block.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }
}

/// A `[[grant]]` block.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Its label.
    pub label: String,
    /// The slug of its server.
    pub server: String,
    /// The name of its policy, if it has one.
    pub policy: Option<String>,
    /// Its token.
    pub token: String,
    /// More lines of the block.
    pub lines: Vec<String>,
}

impl Grant {
    /// A grant without tags or end.
    pub fn new(label: &str, server: &str, policy: Option<&str>, token: &str) -> Self {
        Self {
            label: label.to_owned(),
            server: server.to_owned(),
            policy: policy.map(str::to_owned),
            token: token.to_owned(),
            lines: Vec::new(),
        }
    }
}

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program that serves.
    pub program: PathBuf,
    /// Lines before the first table.
    pub lines: Vec<String>,
    /// Lines of `[approvals]`.
    pub approvals: Vec<String>,
    /// Lines of `[audit]`.
    pub audit: Vec<String>,
    /// The servers.
    pub servers: Vec<Server>,
    /// Policies by name; each becomes a file beside the configuration.
    pub policies: BTreeMap<String, Value>,
    /// Policies that are written as text, by name; they win over [`Config::policies`].
    pub policy_texts: BTreeMap<String, String>,
    /// More lines of the block of a policy, by name.
    pub policy_lines: BTreeMap<String, Vec<String>>,
    /// The grants.
    pub grants: Vec<Grant>,
    /// More variables of the process.
    pub variables: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            program: places::binary("portcullis"),
            lines: Vec::new(),
            approvals: vec![
                "wait_seconds = 0".to_owned(),
                "wait_seconds_with_progress = 0".to_owned(),
            ],
            audit: vec!["values = \"full\"".to_owned()],
            servers: Vec::new(),
            policies: BTreeMap::new(),
            policy_texts: BTreeMap::new(),
            policy_lines: BTreeMap::new(),
            grants: Vec::new(),
            variables: Vec::new(),
        }
    }
}

impl Config {
    /// A configuration with these servers.
    pub fn with_servers(servers: Vec<Server>) -> Self {
        Self { servers, ..Self::default() }
    }

    /// Adds a policy and a grant that has it, for the first server; the grant's token is
    /// [`Config::token_of`] its label.
    #[must_use]
    pub fn granting(mut self, label: &str, policy: &Value) -> Self {
        let server = self.servers.first().expect("a server").slug.clone();
        self.policies.insert(label.to_owned(), policy.clone());
        self.grants.push(Grant::new(label, &server, Some(label), &Self::token_of(label)));
        self
    }

    /// The token of a grant that a test made without saying one.
    pub fn token_of(label: &str) -> String {
        format!("token-of-the-grant-{label}")
    }

    /// The environment: what the file refers to, and the variables.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let credentials = self.servers.iter().filter_map(|server| server.credential.clone());
        let own = [("API_TOKEN".to_owned(), ADMIN_TOKEN.to_owned())];
        credentials.chain(own).chain(self.variables.clone()).collect()
    }

    /// Writes the file and its policies.
    pub(super) fn write(&self, folder: &Path, door: SocketAddr, console: SocketAddr) {
        for (name, policy) in &self.policies {
            let text = self.policy_texts.get(name).cloned().unwrap_or_else(|| policy.to_string());
            let file = folder.join(format!("{name}.policy.json"));
            std::fs::write(file, text).expect("a policy file");
        }
        let text = self.text(door, console);
        // A reload must never see half a file: write beside it, then move.
        let beside = folder.join("portcullis.toml.new");
        std::fs::write(&beside, text).expect("a configuration file");
        std::fs::rename(beside, folder.join("portcullis.toml")).expect("a configuration file");
    }

    fn text(&self, door: SocketAddr, console: SocketAddr) -> String {
        let mut text = String::from("data_dir = \"data\"\n");
        let mut line = |line: &str| writeln!(text, "{line}").expect("a string takes everything");
        line(&format!("public_url = \"http://{door}\""));
        self.lines.iter().for_each(|own| line(own));
        line(&format!("[listen]\ngateway = \"{door}\"\nconsole = \"{console}\""));
        line("[audit]");
        self.audit.iter().for_each(|own| line(own));
        line("[approvals]");
        self.approvals.iter().for_each(|own| line(own));
        for server in &self.servers {
            line(&format!("[[server]]\nslug = {}\n{}", quoted(&server.slug), server.transport));
            server.lines.iter().for_each(|own| line(own));
        }
        for name in self.policies.keys() {
            let server = self.server_of(name);
            line(&format!("[[policy]]\nname = {}\nserver = {}", quoted(name), quoted(&server)));
            line(&format!("file = {}", quoted(&format!("{name}.policy.json"))));
            self.policy_lines.get(name).into_iter().flatten().for_each(|text| line(text));
        }
        for grant in &self.grants {
            line(&format!("[[grant]]\nlabel = {}", quoted(&grant.label)));
            line(&format!("server = {}", quoted(&grant.server)));
            line(&format!("token = {}", quoted(&grant.token)));
            if let Some(policy) = &grant.policy {
                line(&format!("policy = {}", quoted(policy)));
            }
            grant.lines.iter().for_each(|own| line(own));
        }
        line("[[api_token]]\nlabel = \"tests\"\nrole = \"admin\"\ntoken = \"env:API_TOKEN\"");
        text
    }

    /// The server of the first grant that has that policy.
    fn server_of(&self, policy: &str) -> String {
        let grant = self.grants.iter().find(|grant| grant.policy.as_deref() == Some(policy));
        let first = self.servers.first().expect("a server");
        grant.map_or_else(|| first.slug.clone(), |grant| grant.server.clone())
    }
}

/// A TOML basic string; JSON's escapes are a part of TOML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

//! `doctor`: looks at everything that `serve` needs and says what is wrong. Changes nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use gateway::address::{AddressRule, Host, check_url};
use serde::Serialize;
use store::{ServerRecord, Transport};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::causes::chain;
use crate::cli::ConfigArg;
use crate::config::{self, Config, Environment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// How long one server may take to accept a connection.
const CONNECT_SECONDS_MAX: u64 = 5;

/// What `doctor` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 2 when the configuration is refused, 3 when a policy is, 20 when only servers do not
answer, 1 when anything else is wrong.

Example:
  portcullis doctor --config portcullis.toml")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    json: JsonSwitch,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    state: State,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Failed,
    Unreachable,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
        }
    }
}

fn finding(check: impl Into<String>, state: State, detail: impl Into<String>) -> Finding {
    Finding { check: check.into(), state, detail: detail.into() }
}

/// Looks at everything.
pub(crate) async fn run(args: DoctorArgs, environment: Environment) -> Result<Exit, Failure> {
    let path = config::find(args.config.config.as_deref(), &environment)?;
    let config = config::load(&config::Source { path: path.clone(), environment: &environment })?;
    let mut findings = vec![finding(
        "configuration",
        State::Ok,
        format!(
            "{}: {} servers, {} policies, {} grants",
            path.display(),
            config.servers.len(),
            config.policies.len(),
            config.grants.len()
        ),
    )];
    for grant in config.grants.iter().filter(|grant| grant.policy.is_none()) {
        let detail = "it has no policy: everything is denied";
        findings.push(finding(format!("grant {}", grant.label), State::Warning, detail));
    }
    findings.push(data_dir(&config.data_dir));
    for (key, address) in
        [("listen.gateway", config.listen.gateway), ("listen.console", config.listen.console)]
    {
        findings.push(listener(key, address).await);
    }
    for server in &config.servers {
        findings.push(self::server(server, &environment).await);
    }
    show(&findings, &config, args.json.form());
    Ok(exit(&findings))
}

fn exit(findings: &[Finding]) -> Exit {
    if findings.iter().any(|finding| finding.state == State::Failed) {
        Exit::Failed
    } else if findings.iter().any(|finding| finding.state == State::Unreachable) {
        Exit::Unreachable
    } else {
        Exit::Good
    }
}

fn show(findings: &[Finding], config: &Config, form: Form) {
    match form {
        Form::Json => output::json(&findings),
        Form::Text => {
            let rows: Vec<Vec<String>> = findings
                .iter()
                .map(|finding| {
                    vec![
                        finding.check.clone(),
                        finding.state.word().to_owned(),
                        finding.detail.clone(),
                    ]
                })
                .collect();
            output::table(&["check", "state", "detail"], &rows);
            let url = config.public_url.as_deref().unwrap_or("the gateway's own address");
            output::line(format!("agents reach the gateway under {url}"));
        }
    }
}

/// Whether the data directory can be used; one that is not there is made by `serve`.
fn data_dir(path: &Path) -> Finding {
    let check = "data directory";
    let name = path.display();
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return finding(check, State::Ok, format!("{name} will be made"));
        }
        Err(error) => return finding(check, State::Failed, format!("{name}: {error}")),
    };
    if !meta.is_dir() {
        return finding(check, State::Failed, format!("{name} is no directory"));
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&meta) & 0o777;
    if mode & 0o077 != 0 {
        let detail = format!("{name} is open to others (mode {mode:o}): set it to 700");
        return finding(check, State::Failed, detail);
    }
    let writable = rustix::fs::access(path, rustix::fs::Access::WRITE_OK);
    match writable {
        Ok(()) => finding(check, State::Ok, name.to_string()),
        Err(error) => finding(check, State::Failed, format!("{name}: {error}")),
    }
}

/// Whether the listener can be had, or is had by a process that answers.
async fn listener(key: &str, address: SocketAddr) -> Finding {
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => finding(key, State::Ok, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let detail = format!("{address} is in use; fine if that is this gateway");
            finding(key, State::Warning, detail)
        }
        Err(error) => finding(key, State::Failed, format!("{address}: {error}")),
    }
}

async fn server(record: &ServerRecord, environment: &Environment) -> Finding {
    let check = format!("server {}", record.slug);
    match &record.transport {
        Transport::Http { url, .. } => match connect(url).await {
            Ok(()) => finding(check, State::Ok, "it accepts connections"),
            Err(problem) => finding(check, State::Unreachable, problem),
        },
        Transport::Stdio { command, .. } => {
            let program = command.first().map_or("", String::as_str);
            if found(program, environment) {
                finding(check, State::Ok, format!("{program} is there"))
            } else {
                finding(check, State::Unreachable, format!("{program} is not in PATH"))
            }
        }
    }
}

async fn connect(url: &str) -> Result<(), String> {
    let url = check_url(url, AddressRule::AllowPrivate).map_err(|error| chain(&error))?;
    let connecting = async {
        match url.host() {
            Host::Name(name) => TcpStream::connect((&**name, url.port())).await,
            Host::Address(address) => TcpStream::connect((*address, url.port())).await,
        }
    };
    match timeout(Duration::from_secs(CONNECT_SECONDS_MAX), connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {CONNECT_SECONDS_MAX} s")),
    }
}

/// Whether a program can be started by this name.
fn found(program: &str, environment: &Environment) -> bool {
    let runs = |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return runs(Path::new(program));
    }
    let folders = environment.get("PATH").unwrap_or_default();
    std::env::split_paths(folders).any(|folder| runs(&folder.join(program)))
}

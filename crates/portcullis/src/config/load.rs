//! Finding the file, reading it, and putting its parts together.

use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::DeTable;

use super::place::{FileProblems, Problem};
use super::policies::PolicyDraft;
use super::section::{Problems, Section};
use super::token::{Literals, Secrets};
use super::{Config, Environment, listen, notifications, policies, principals, servers, sign_on};
use crate::text_file;

/// The largest configuration file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The longest drain that the file may ask for.
const DRAIN_SECONDS_MAX: u32 = 3600;
/// The drain when the file names none.
const DRAIN_SECONDS: u32 = 20;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// No file at any of the usual places.
    #[error("no configuration file found")]
    NotFound {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is refused.
    #[error("{} has {} problem(s)", .0.path.display(), .0.problems.len())]
    Invalid(FileProblems),
    /// The file is good, but policies that it names are not.
    #[error("{} policy file(s) refused", .0.len())]
    Policies(Vec<FileProblems>),
}

impl ConfigError {
    /// One line a problem, for logs and for `/readyz`.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::NotFound { .. } => vec![self.to_string()],
            Self::Unreadable { source, .. } => {
                vec![format!("{self}: {source}")]
            }
            Self::Invalid(file) => file.lines(),
            Self::Policies(files) => files.iter().flat_map(FileProblems::lines).collect(),
        }
    }
}

/// What a configuration is read with.
#[derive(Debug)]
pub(crate) struct Source<'e> {
    /// The file.
    pub(crate) path: PathBuf,
    /// The variables that `env:` may name.
    pub(crate) environment: &'e Environment,
}

/// The file to read: the one that was asked for, else the first that is there of
/// `$PORTCULLIS_CONFIG`, `portcullis.toml` here, the user's and the machine's.
pub(crate) fn find(
    asked: Option<&Path>,
    environment: &Environment,
) -> Result<PathBuf, ConfigError> {
    if let Some(path) = asked {
        return Ok(path.to_owned());
    }
    if let Some(path) = environment.get_non_empty("PORTCULLIS_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    let user = environment
        .get_non_empty("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| environment.get_non_empty("HOME").map(|home| Path::new(home).join(".config")));
    let mut looked = vec![PathBuf::from("portcullis.toml")];
    looked.extend(user.map(|folder| folder.join("portcullis/config.toml")));
    looked.push(PathBuf::from("/etc/portcullis/config.toml"));
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(ConfigError::NotFound { looked }),
    }
}

/// Reads and checks the file and the policies that it names. The policies' own tests are not run
/// here: see [`policies::run_tests`].
pub(crate) fn load(source: &Source<'_>) -> Result<Config, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: source.path.clone(), source: error };
    let text = text_file::read(&source.path, FILE_BYTES_MAX).map_err(unreadable)?;
    parse(&text, source)
}

/// Checks a text that was read from `source.path`.
pub(crate) fn parse(text: &str, source: &Source<'_>) -> Result<Config, ConfigError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors
            .iter()
            .map(|error| Problem {
                span: error.span().unwrap_or(0..0),
                message: error.message().replace('\n', ", "),
                help: None,
            })
            .collect();
        return Err(ConfigError::Invalid(FileProblems::new(&source.path, text, problems)));
    }
    let mut problems = Problems::default();
    let mut root = Section::new("the file", table.get_ref(), 0..0);
    let (mut config, drafts) = assemble(&mut root, source, &mut problems);
    root.finish(&mut problems);
    if !problems.is_empty() {
        let problems = FileProblems::new(&source.path, text, problems.into_vec());
        return Err(ConfigError::Invalid(problems));
    }
    config.policies = policies::parse(drafts).map_err(ConfigError::Policies)?;
    Ok(config)
}

fn assemble(
    root: &mut Section<'_, '_>,
    source: &Source<'_>,
    problems: &mut Problems,
) -> (Config, Vec<PolicyDraft>) {
    let base = source.path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let data_dir = data_dir(root, &base, problems);
    let public_url = listen::own_url("public_url", root, problems);
    let console_url = listen::own_url("console_url", root, problems);
    let drain_seconds = root.whole("drain_seconds", 0..=DRAIN_SECONDS_MAX, DRAIN_SECONDS, problems);
    let listen = listen::listen(root, problems);
    listen::backends(root, problems);
    let (audit_mode, audit_values) = listen::audit(root, problems);
    let hold_waits = listen::hold_waits(root, problems);
    let loopback = listen.gateway.ip().is_loopback() && listen.console.ip().is_loopback();
    let mut secrets = Secrets {
        environment: source.environment,
        base: &base,
        literals: if loopback { Literals::Allowed } else { Literals::Refused },
        files: Vec::new(),
    };
    let servers = servers::read(root, &mut secrets, problems);
    let drafts = policies::read(root, &base, &servers, problems);
    let grants = principals::grants(root, &mut secrets, (&servers, &drafts), problems);
    let api_tokens = principals::api_tokens(root, &mut secrets, problems);
    let channels = notifications::read(root, &mut secrets, problems);
    let sign_on = sign_on::read(root, &mut secrets, problems);
    principals::refuse_shared_tokens(&grants, &api_tokens, problems);
    let mut watched = vec![source.path.clone()];
    watched.append(&mut secrets.files);
    watched.extend(drafts.iter().flat_map(PolicyDraft::files));
    let config = Config {
        path: source.path.clone(),
        data_dir,
        public_url,
        console_url,
        drain_seconds,
        listen,
        audit_mode,
        audit_values,
        hold_waits,
        servers: servers.into_iter().map(|server| server.value).collect(),
        policies: Vec::new(),
        channels,
        grants: grants.into_iter().map(|grant| grant.value).collect(),
        api_tokens: api_tokens.into_iter().map(|token| token.value).collect(),
        sign_on,
        watched,
    };
    (config, drafts)
}

fn data_dir(root: &mut Section<'_, '_>, base: &Path, problems: &mut Problems) -> PathBuf {
    let Some(text) = root.text("data_dir", problems) else { return base.join("data") };
    if text.value.is_empty() {
        problems.add(text.span, "`data_dir` must not be empty");
    }
    base.join(text.value)
}

#[cfg(test)]
mod tests;

//! The servers that stand in a client's file.
//!
//! Clients differ in a few names, and people paste what they find: an entry is read by all names that any client
//! uses, so that `url`, `serverUrl`, `httpUrl` and `uri` are one thing wherever they stand.
//!
//! What never lives here: which file it was; the value of a secret in anything that is handed out, except to
//! [`Entry::settings`], which exist to be sealed.

use store::Secret;

use super::node::{Node, Value};
use super::{CLIENTS, Format, Package, SyntaxError};

/// Entries of one file, at most; further ones are not read.
pub const ENTRIES_MAX: usize = 1_000;

/// One server of a client's file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the client calls it.
    pub name: String,
    /// The project whose entry it is, where the container names one.
    pub project: Option<String>,
    /// How the client reaches it.
    pub transport: EntryTransport,
    /// Whether the client uses it.
    pub enabled: bool,
    /// What it gets from the file: variables and headers with their values, to be sealed and never shown.
    pub settings: Vec<Setting>,
    /// The names of what holds a secret in clear: variables, headers, switches, parts of the URL.
    pub secrets: Vec<String>,
}

/// How a client reaches a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryTransport {
    /// It starts a program.
    Program(Vec<String>),
    /// It speaks HTTP to a URL.
    Url(String),
    /// Something that is not known: the entry has neither.
    Unknown,
}

/// A value that an entry hands to its server.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Whether it is a variable or a header.
    pub kind: SettingKind,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Secret<String>,
    /// Whether the client fills the value in from elsewhere (`${NAME}` and the like).
    pub refers: bool,
}

/// What a [`Setting`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// A variable of a program.
    Variable,
    /// A header of a request.
    Header,
}

impl Entry {
    /// The package that the entry runs.
    pub fn package(&self) -> Option<Package> {
        match &self.transport {
            EntryTransport::Program(command) => Package::of(command),
            EntryTransport::Url(_) | EntryTransport::Unknown => None,
        }
    }

    /// Whether the entry goes through a gateway of ours: it starts `portcullis run` or `connect`, or its URL begins
    /// with one of `gateways`.
    pub fn behind_gateway(&self, gateways: &[String]) -> bool {
        match &self.transport {
            EntryTransport::Program(command) => is_ours(command),
            EntryTransport::Url(url) => gateways.iter().any(|gateway| {
                let gateway = gateway.trim_end_matches('/');
                url.strip_prefix(gateway).is_some_and(|rest| rest.starts_with("/mcp/"))
            }),
            EntryTransport::Unknown => false,
        }
    }

    /// How it is reached, without anything secret: the program's name, or the URL without user, query and fragment.
    pub fn summary(&self) -> String {
        match &self.transport {
            EntryTransport::Program(command) => match self.package() {
                Some(package) => package.name,
                None => command.first().cloned().unwrap_or_default(),
            },
            EntryTransport::Url(url) => bare_url(url),
            EntryTransport::Unknown => String::new(),
        }
    }
}

/// Whether a command is `portcullis run …` or `portcullis connect …`.
fn is_ours(command: &[String]) -> bool {
    let [program, verb, ..] = command else { return false };
    let program = program.rsplit(['/', '\\']).next().unwrap_or(program);
    program.strip_suffix(".exe").unwrap_or(program) == "portcullis"
        && matches!(verb.as_str(), "run" | "connect")
}

/// A URL without what may be secret in it.
fn bare_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = url.get(..end).unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(host_end).unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

/// The servers of a file whose containers stand at these places.
///
/// # Errors
/// When the text is not of the format.
pub fn entries(
    format: Format,
    text: &str,
    containers: &[&[&str]],
) -> Result<Vec<Entry>, SyntaxError> {
    let root = Node::parse(format, text)?;
    let mut found = Vec::new();
    for container in containers {
        for (project, node) in reach(&root, container, None) {
            for (name, entry) in named(node) {
                if found.len() < ENTRIES_MAX {
                    found.extend(read(name, project, entry));
                }
            }
        }
    }
    Ok(found)
}

/// The servers of a text that somebody pasted: a whole file of any client, the object with the entries, or one entry.
///
/// # Errors
/// When the text is of no format that a client's file has; the error is that of the likeliest one.
pub fn pasted(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let formats = likely(text);
    let mut first = None;
    for format in formats {
        match Node::parse(format, text) {
            Ok(root) => {
                let found = anywhere(&root);
                if !found.is_empty() {
                    return Ok(found);
                }
                first.get_or_insert(Ok(Vec::new()));
            }
            Err(error) => {
                first.get_or_insert(Err(error));
            }
        }
    }
    first.unwrap_or(Ok(Vec::new()))
}

/// The formats to try, the likeliest one first.
fn likely(text: &str) -> Vec<Format> {
    match text.trim_start().chars().next() {
        Some('{') => vec![Format::Json],
        Some('[') => vec![Format::Toml, Format::Json],
        // `"pay": { … }`, as it is cut out of the middle of a file, is YAML of one line of flow.
        _ => vec![Format::Toml, Format::Yaml],
    }
}

fn anywhere(root: &Node) -> Vec<Entry> {
    let places = CLIENTS.iter().flat_map(|client| client.places).map(|place| place.container);
    let mut containers: Vec<&[&str]> = places.collect();
    containers.sort_unstable();
    containers.dedup();
    let mut found: Vec<Entry> = Vec::new();
    for container in containers {
        for (project, node) in reach(root, container, None) {
            let entries = named(node).into_iter().filter_map(|(name, e)| read(name, project, e));
            found.extend(entries.take(ENTRIES_MAX.saturating_sub(found.len())));
        }
    }
    let known = |entry: &Entry| entry.transport != EntryTransport::Unknown;
    found.retain(known);
    if found.is_empty() {
        found.extend(read("server", None, root).filter(known));
    }
    if found.is_empty() {
        let entries = named(root).into_iter().filter_map(|(name, e)| read(name, None, e));
        found.extend(entries.filter(known).take(ENTRIES_MAX));
    }
    found
}

/// The nodes that a container's names lead to, with the name that `*` stood for.
pub(super) fn reach<'n>(
    node: &'n Node,
    path: &[&str],
    project: Option<&'n str>,
) -> Vec<(Option<&'n str>, &'n Node)> {
    match path.split_first() {
        None => vec![(project, node)],
        Some((&"*", rest)) => {
            node.table().iter().flat_map(|(name, below)| reach(below, rest, Some(name))).collect()
        }
        Some((name, rest)) => {
            node.get(name).map(|below| reach(below, rest, project)).unwrap_or_default()
        }
    }
}

/// The entries of a container with their names: a table of them, or a list where each has a `name`.
pub(super) fn named(container: &Node) -> Vec<(&str, &Node)> {
    if let Some(items) = container.list() {
        let named = items.iter().filter_map(|item| Some((item.get("name")?.text()?, item)));
        return named.collect();
    }
    container.table().iter().map(|(name, node)| (name.as_str(), node)).collect()
}

const URLS: [&str; 4] = ["url", "serverUrl", "httpUrl", "uri"];
const ENVS: [&str; 3] = ["env", "environment", "envs"];
const HEADERS: [&[&str]; 3] = [&["headers"], &["http_headers"], &["requestOptions", "headers"]];

fn read(name: &str, project: Option<&str>, node: &Node) -> Option<Entry> {
    if !matches!(node.value, Value::Table(_)) {
        return None;
    }
    let transport = transport(node);
    let mut settings = Vec::new();
    for env in ENVS.iter().filter_map(|name| node.get(name)) {
        settings.extend(values(SettingKind::Variable, env));
    }
    for path in HEADERS {
        for (_, headers) in reach(node, path, None) {
            settings.extend(values(SettingKind::Header, headers));
        }
    }
    let on = node.get("enabled").and_then(Node::flag).unwrap_or(true);
    let off = node.get("disabled").and_then(Node::flag).unwrap_or(false);
    Some(Entry {
        name: name.to_owned(),
        project: project.map(str::to_owned),
        secrets: secrets(&transport, &settings, node),
        transport,
        enabled: on && !off,
        settings,
    })
}

fn transport(node: &Node) -> EntryTransport {
    let program = node.get("command").or_else(|| node.get("cmd"));
    if let Some(program) = program {
        let within = program.get("path").unwrap_or(program);
        let arguments = program.get("args").or_else(|| node.get("args"));
        let mut command = within.texts().unwrap_or_default();
        command.extend(within.text().map(str::to_owned));
        command.extend(arguments.and_then(Node::texts).unwrap_or_default());
        if !command.is_empty() {
            return EntryTransport::Program(command);
        }
    }
    let url = URLS.iter().find_map(|name| node.get(name)?.text());
    url.map_or(EntryTransport::Unknown, |url| EntryTransport::Url(url.to_owned()))
}

fn values(kind: SettingKind, node: &Node) -> Vec<Setting> {
    let texts = node.table().iter().filter_map(|(name, value)| Some((name, value.text()?)));
    texts
        .map(|(name, value)| Setting {
            kind,
            name: name.clone(),
            value: Secret::new(value.to_owned()),
            refers: refers(value),
        })
        .collect()
}

/// Whether a client fills a value in from a variable, an input or a store of secrets.
fn refers(value: &str) -> bool {
    let value = value.strip_prefix("Bearer ").unwrap_or(value).trim();
    value.is_empty()
        || value.starts_with("${") && value.ends_with('}')
        || value.starts_with("{env:") && value.ends_with('}')
        || value.starts_with("{file:") && value.ends_with('}')
        || value.strip_prefix('$').is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

/// Members of an entry that hold a token themselves.
const TOKEN_MEMBERS: [&str; 4] = ["bearer_token", "apiKey", "api_key", "token"];

fn secrets(transport: &EntryTransport, settings: &[Setting], node: &Node) -> Vec<String> {
    let mut found: Vec<String> = settings
        .iter()
        .filter(|setting| !setting.refers)
        .filter(|setting| is_secret(&setting.name, setting.value.expose()))
        .map(|setting| setting.name.clone())
        .collect();
    let members = TOKEN_MEMBERS
        .iter()
        .filter(|name| node.get(name).and_then(Node::text).is_some_and(|value| !refers(value)));
    found.extend(members.map(|name| (*name).to_owned()));
    match transport {
        EntryTransport::Program(command) => found.extend(secret_switches(command)),
        EntryTransport::Url(url) => found.extend(secret_parts(url)),
        EntryTransport::Unknown => {}
    }
    found.sort();
    found.dedup();
    found
}

/// Parts of a name that say that its value is a secret.
const SECRET_WORDS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "cookie",
    "connectionstring",
    "databaseurl",
];

/// What well-known secrets begin with.
const SECRET_BEGINNINGS: [&str; 17] = [
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "AIza",
    "npm_",
    "pypi-",
    "pcl_",
    "eyJ",
];

fn is_secret(name: &str, value: &str) -> bool {
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let bare = bare.to_ascii_lowercase();
    bare.ends_with("key")
        || bare.ends_with("pat")
        || SECRET_WORDS.iter().any(|word| bare.contains(word))
        || looks_secret(value)
}

fn looks_secret(value: &str) -> bool {
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    SECRET_BEGINNINGS.iter().any(|beginning| value.starts_with(beginning) && value.len() >= 16)
        || !secret_parts(value).is_empty()
}

/// The names of the switches of a command whose values are secrets.
fn secret_switches(command: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, word) in command.iter().enumerate() {
        let next = command.get(at.saturating_add(1)).filter(|next| !next.starts_with('-'));
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), next.map(String::as_str)),
        };
        let is_switch = name.starts_with('-') || word.contains('=');
        // `--token-env NAME` and the like say where a secret is.
        let elsewhere = ["env", "env-var", "file", "path"].iter().any(|end| name.ends_with(end));
        match value {
            // `-e NAME=value` of container programs: the name is that of the variable.
            Some(value) if is_switch && !elsewhere && !refers(value) && is_secret(name, value) => {
                found.push(if is_name(name) { name.to_owned() } else { format!("argument {at}") });
            }
            _ if looks_secret(word) => found.push(format!("argument {at}")),
            _ => {}
        }
    }
    found
}

/// Characters of a name that is shown, at most: longer ones may be a secret themselves.
const NAME_CHARS_MAX: usize = 64;

/// Whether what stands where a name does is one, and not a secret with an `=` in it.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && !SECRET_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// The names of the parts of a URL that are secrets.
fn secret_parts(url: &str) -> Vec<String> {
    let Some((_, rest)) = url.split_once("://") else { return Vec::new() };
    let mut found = Vec::new();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
        found.push("password in the URL".to_owned());
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let bare = name.to_ascii_lowercase().replace(['_', '-'], "");
        let named = bare.ends_with("key") || SECRET_WORDS.iter().any(|word| bare.contains(word));
        if named && !value.is_empty() && !refers(value) {
            let shown = if is_name(name) { name } else { "a part of the URL" };
            found.push(shown.to_owned());
        }
    }
    found
}

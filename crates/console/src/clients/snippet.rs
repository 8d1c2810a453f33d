//! What people paste into a client so that it reaches a server through the gateway: the block for its file, and the
//! command or link where it has one.
//!
//! What never lives here: making tokens; files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::quote::{percent, shell_word, string};
use super::{Client, Format, Http, Naming, Place, Remote, Scope, Shortcut, System, VariableSyntax};

/// What a client is to reach.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// What the client calls the server.
    pub name: &'a str,
    /// The server's URL at the gateway.
    pub url: &'a str,
    /// Where the grant's token comes from.
    pub token: TokenSource<'a>,
}

/// Where the grant's token comes from.
#[derive(Debug, Clone, Copy)]
pub enum TokenSource<'a> {
    /// It stands in the file.
    Literal(&'a str),
    /// A variable holds it.
    Variable(&'a str),
}

/// What to paste into one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The client.
    pub client: &'static Client,
    /// The file that the block goes into.
    pub place: &'static Place,
    /// The block.
    pub text: String,
    /// A line for a POSIX shell that does the same.
    pub command: Option<String>,
    /// A link that does the same, for the address bar: never made a link of a page.
    pub link: Option<String>,
    /// What else somebody must know.
    pub note: Option<&'static str>,
}

impl Snippet {
    /// The file on a system.
    pub fn file(&self, system: System) -> String {
        let same = |place: &&Place| {
            place.systems.contains(&system)
                && place.scope == self.place.scope
                && place.container == self.place.container
        };
        self.client.places.iter().find(same).unwrap_or(self.place).shown(system)
    }
}

/// The variable that snippets name for a grant's token.
pub const TOKEN_VARIABLE: &str = "PORTCULLIS_TOKEN";

/// What to paste into `client`; nothing for a client without a file of the user's.
pub fn of(client: &'static Client, access: Access<'_>) -> Option<Snippet> {
    let usual = |place: &&Place| place.scope == Scope::User && !place.container.contains(&"*");
    let place = client.places.iter().find(usual)?;
    let written = written(client, access);
    let (command, link) = shortcut(client, access, &written);
    Some(Snippet {
        client,
        place,
        text: block(client, place.container, access.name, &written),
        command,
        link,
        note: written.note,
    })
}

/// A value to be written.
#[derive(Debug)]
enum Part {
    Text(String),
    /// As it stands: flags, numbers and lists of the table of clients.
    Raw(&'static str),
    List(Vec<String>),
    Table(Vec<(String, Part)>),
}

/// An entry, and what goes with it.
#[derive(Debug)]
struct Written {
    entry: Vec<(String, Part)>,
    /// The id of an input that the client asks for.
    input: Option<String>,
    note: Option<&'static str>,
}

fn text(value: &str) -> Part {
    Part::Text(value.to_owned())
}

fn written(client: &Client, access: Access<'_>) -> Written {
    match (client.remote, access.token) {
        (Remote::Http(http), TokenSource::Literal(token)) => {
            remote(http, access, Some(&format!("Bearer {token}")))
        }
        (Remote::Http(http), TokenSource::Variable(name)) => match http.variable {
            VariableSyntax::Braces => remote(http, access, Some(&format!("Bearer ${{{name}}}"))),
            VariableSyntax::EnvBraces => {
                remote(http, access, Some(&format!("Bearer ${{env:{name}}}")))
            }
            VariableSyntax::EnvCurly => {
                remote(http, access, Some(&format!("Bearer {{env:{name}}}")))
            }
            VariableSyntax::Asked => {
                let input = format!("portcullis-{}", access.name);
                let value = format!("Bearer ${{input:{input}}}");
                Written { input: Some(input), ..remote(http, access, Some(&value)) }
            }
            VariableSyntax::Member(member) => {
                let mut written = remote(http, access, None);
                written.entry.push((member.to_owned(), text(name)));
                written
            }
            VariableSyntax::None => bridged(client, access),
        },
        (Remote::ProgramsOnly, _) => bridged(client, access),
    }
}

fn remote(http: Http, access: Access<'_>, header: Option<&str>) -> Written {
    let mut entry = Vec::new();
    entry.extend(http.kind.map(|(key, value)| (key.to_owned(), text(value))));
    entry.push((http.url.to_owned(), text(access.url)));
    if let Some(value) = header {
        let mut part = Part::Table(vec![("Authorization".to_owned(), text(value))]);
        let (first, rest) = http.headers.split_first().unwrap_or((&"headers", &[]));
        for name in rest.iter().rev() {
            part = Part::Table(vec![((*name).to_owned(), part)]);
        }
        entry.push(((*first).to_owned(), part));
    }
    entry.extend(http.fixed.iter().map(|(key, raw)| ((*key).to_owned(), Part::Raw(raw))));
    Written { entry, input: None, note: None }
}

const BRIDGED: &str = "This client starts `portcullis connect`, so the program `portcullis` must be \
     found on its machine.";
const BRIDGED_VARIABLE: &str = "This client starts `portcullis connect`, so the program `portcullis` must be \
     found on its machine; the variable must be set where the client itself is started.";

/// The entry for `portcullis connect`, which carries a program's messages to the gateway.
fn bridged(client: &Client, access: Access<'_>) -> Written {
    let (name, token, note) = match access.token {
        TokenSource::Literal(token) => (TOKEN_VARIABLE, Some(token), BRIDGED),
        TokenSource::Variable(name) => (name, None, BRIDGED_VARIABLE),
    };
    let mut arguments = vec!["connect", access.url, "--token-env", name];
    if !is_loopback_or_https(access.url) {
        arguments.push("--allow-http");
    }
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let local = client.local;
    let mut entry = Vec::new();
    entry.extend(local.kind.map(|(key, value)| (key.to_owned(), text(value))));
    match local.arguments {
        super::Arguments::Beside => {
            entry.push((local.command.to_owned(), text("portcullis")));
            entry.push(("args".to_owned(), Part::List(arguments)));
        }
        super::Arguments::Within => {
            let whole = std::iter::once("portcullis".to_owned()).chain(arguments).collect();
            entry.push((local.command.to_owned(), Part::List(whole)));
        }
    }
    let env = token.map(|token| Part::Table(vec![(name.to_owned(), text(token))]));
    entry.extend(env.map(|env| (local.env.to_owned(), env)));
    Written { entry, input: None, note: Some(note) }
}

fn is_loopback_or_https(url: &str) -> bool {
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    url.starts_with("https://")
        || loopback.iter().any(|start| {
            let rest = url.strip_prefix(start);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        })
}

fn block(client: &Client, container: &[&str], name: &str, written: &Written) -> String {
    match client.format {
        Format::Json => json_block(container, name, written),
        Format::Toml => toml_block(client.naming, container, name, written),
        Format::Yaml => yaml_block(client.naming, container, name, written),
    }
}

fn json_block(container: &[&str], name: &str, written: &Written) -> String {
    let mut out = String::from("{\n");
    if let Some(input) = &written.input {
        let id = string(Format::Json, input);
        out.push_str("  \"inputs\": [\n    {\n      \"type\": \"promptString\",\n");
        put(&mut out, format_args!("      \"id\": {id},\n"));
        out.push_str("      \"description\": \"Token of the Portcullis grant\",\n");
        out.push_str("      \"password\": true\n    }\n  ],\n");
    }
    let mut depth = 1;
    for key in container.iter().copied().chain([name]) {
        push_indent(&mut out, depth);
        out.push_str(&string(Format::Json, key));
        out.push_str(": ");
        if depth <= container.len() {
            out.push_str("{\n");
        }
        depth = depth.saturating_add(1);
    }
    push_json(&mut out, &written.entry, depth.saturating_sub(1));
    out.push('\n');
    for depth in (0..=container.len()).rev() {
        push_indent(&mut out, depth);
        out.push_str("}\n");
    }
    out
}

/// Appends what cannot fail to be appended.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = std::fmt::Write::write_fmt(out, text);
}

fn push_indent(out: &mut String, depth: usize) {
    out.push_str(&"  ".repeat(depth));
}

fn push_json(out: &mut String, entries: &[(String, Part)], depth: usize) {
    out.push_str("{\n");
    for (at, (key, part)) in entries.iter().enumerate() {
        push_indent(out, depth.saturating_add(1));
        out.push_str(&string(Format::Json, key));
        out.push_str(": ");
        match part {
            Part::Text(value) => out.push_str(&string(Format::Json, value)),
            Part::Raw(raw) => out.push_str(raw),
            Part::List(items) => out.push_str(&flow_list(Format::Json, items)),
            Part::Table(below) => push_json(out, below, depth.saturating_add(1)),
        }
        let last = at.saturating_add(1) == entries.len();
        out.push_str(if last { "\n" } else { ",\n" });
    }
    push_indent(out, depth);
    out.push('}');
}

/// A list in one line, the same in all formats.
fn flow_list(format: Format, items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| string(format, item)).collect();
    format!("[{}]", items.join(", "))
}

/// A key of TOML: bare where it may be.
fn toml_key(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let is_bare = !key.is_empty() && key.bytes().all(bare);
    if is_bare { key.to_owned() } else { string(Format::Toml, key) }
}

fn toml_block(naming: Naming, container: &[&str], name: &str, written: &Written) -> String {
    let path: Vec<String> = container.iter().map(|key| toml_key(key)).collect();
    let path = path.join(".");
    let mut out = match naming {
        Naming::Key | Naming::Both => format!("[{path}.{}]\n", toml_key(name)),
        Naming::Member => format!("[[{path}]]\n"),
    };
    if naming != Naming::Key {
        put(&mut out, format_args!("name = {}\n", string(Format::Toml, name)));
    }
    for (key, part) in &written.entry {
        put(&mut out, format_args!("{} = {}\n", toml_key(key), toml_value(part)));
    }
    out
}

fn toml_value(part: &Part) -> String {
    match part {
        Part::Text(value) => string(Format::Toml, value),
        Part::Raw(raw) => (*raw).to_owned(),
        Part::List(items) => flow_list(Format::Toml, items),
        Part::Table(below) => {
            let pairs: Vec<String> = below
                .iter()
                .map(|(key, part)| format!("{} = {}", toml_key(key), toml_value(part)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn yaml_block(naming: Naming, container: &[&str], name: &str, written: &Written) -> String {
    let mut out = String::new();
    for (depth, key) in container.iter().enumerate() {
        push_indent(&mut out, depth);
        put(&mut out, format_args!("{}:\n", yaml_key(key)));
    }
    let depth = container.len();
    let literal = string(Format::Yaml, name);
    push_indent(&mut out, depth);
    match naming {
        Naming::Key => put(&mut out, format_args!("{literal}:\n")),
        Naming::Member => put(&mut out, format_args!("- name: {literal}\n")),
        Naming::Both => {
            put(&mut out, format_args!("{literal}:\n"));
            push_indent(&mut out, depth.saturating_add(1));
            put(&mut out, format_args!("name: {literal}\n"));
        }
    }
    push_yaml(&mut out, &written.entry, depth.saturating_add(1));
    out
}

/// A key of YAML: bare where it is a plain word.
fn yaml_key(key: &str) -> String {
    let plain = key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let word = matches!(key, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if plain && !word && !key.is_empty() { key.to_owned() } else { string(Format::Yaml, key) }
}

fn push_yaml(out: &mut String, entries: &[(String, Part)], depth: usize) {
    for (key, part) in entries {
        push_indent(out, depth);
        put(out, format_args!("{}:", yaml_key(key)));
        match part {
            Part::Text(value) => put(out, format_args!(" {}\n", string(Format::Yaml, value))),
            Part::Raw(raw) => put(out, format_args!(" {raw}\n")),
            Part::List(items) => put(out, format_args!(" {}\n", flow_list(Format::Yaml, items))),
            Part::Table(below) => {
                out.push('\n');
                push_yaml(out, below, depth.saturating_add(1));
            }
        }
    }
}

/// The entry as JSON in one line, with further members first.
fn compact(first: &[(&str, &str)], written: &Written) -> String {
    let named = first.iter().map(|(key, value)| ((*key).to_owned(), text(value)));
    let named: Vec<(String, Part)> = named.collect();
    let pairs: Vec<String> = named.iter().chain(&written.entry).map(compact_pair).collect();
    format!("{{{}}}", pairs.join(","))
}

fn compact_pair((key, part): &(String, Part)) -> String {
    let value = match part {
        Part::Text(value) => string(Format::Json, value),
        Part::Raw(raw) => (*raw).to_owned(),
        Part::List(items) => flow_list(Format::Json, items),
        Part::Table(below) => {
            let pairs: Vec<String> = below.iter().map(compact_pair).collect();
            format!("{{{}}}", pairs.join(","))
        }
    };
    format!("{}:{value}", string(Format::Json, key))
}

/// The command and the link of a client that has them. A name that looks like a switch gets no command.
fn shortcut(
    client: &Client,
    access: Access<'_>,
    written: &Written,
) -> (Option<String>, Option<String>) {
    let line = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| switch_or_word(word)).collect();
        (!access.name.starts_with('-')).then(|| words.join(" "))
    };
    let header = match access.token {
        TokenSource::Literal(token) => format!("Authorization: Bearer {token}"),
        TokenSource::Variable(name) => format!("Authorization: Bearer ${{{name}}}"),
    };
    let added = |program: &str| {
        let scope = ["--transport", "http", "--scope", "user", "--header", header.as_str()];
        let mut words = vec![program, "mcp", "add"];
        words.extend(scope);
        words.extend([access.name, access.url]);
        line(&words)
    };
    match (client.shortcut, access.token) {
        (Shortcut::ClaudeCode, _) => (added("claude"), None),
        (Shortcut::Gemini, _) => (added("gemini"), None),
        (Shortcut::Codex, TokenSource::Variable(name)) => {
            let words = ["codex", "mcp", "add", access.name, "--url", access.url];
            let token = ["--bearer-token-env-var", name];
            (line(&[words.as_slice(), token.as_slice()].concat()), None)
        }
        (Shortcut::VsCode, TokenSource::Literal(_)) => {
            let json = compact(&[("name", access.name)], written);
            let link = format!("vscode:mcp/install?{}", percent(&json));
            (line(&["code", "--add-mcp", &json]), Some(link))
        }
        (Shortcut::Cursor, _) => {
            let config = STANDARD.encode(compact(&[], written));
            let (name, config) = (percent(access.name), percent(&config));
            let start = "cursor://anysphere.cursor-deeplink/mcp/install";
            (None, Some(format!("{start}?name={name}&config={config}")))
        }
        // The input that is asked for cannot be added that way, and Codex takes no literal token there.
        (Shortcut::VsCode, TokenSource::Variable(_))
        | (Shortcut::Codex, TokenSource::Literal(_))
        | (Shortcut::None, _) => (None, None),
    }
}

/// Our own switches stay readable; everything else is quoted where it must be.
fn switch_or_word(word: &str) -> String {
    let own = word.strip_prefix("--").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    });
    if own { word.to_owned() } else { shell_word(word) }
}

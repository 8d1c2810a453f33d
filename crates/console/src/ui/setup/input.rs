//! What somebody typed or pasted, as a server.
//!
//! What never lives here: saving it.

use std::collections::BTreeMap;

use serde::Deserialize;
use store::{
    FromServer, NewTools, Revision, Secret, ServerRecord, ServerSlug, Timeouts, Transport,
};

use crate::clients::read::{self, Entry, EntryTransport, SettingKind};
use crate::ops::OpError;
use crate::ops::servers::check_header;

/// Words of a command, at most.
const WORDS_MAX: usize = 200;
/// Headers and variables of one server that a form takes, at most.
const SETTINGS_MAX: usize = 100;
/// The gateway's own search path, as a value of `PATH`.
pub(super) const OWN_PATH: &str = "env:PATH";
/// Seconds between two listings of a server's tools.
const REFRESH_SECONDS: u32 = 60;
/// Characters of a slug, at most (GATEWAY section 1).
const SLUG_CHARS_MAX: usize = 63;

/// The form of the first step.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(in crate::ui) struct ServerForm {
    /// `url`, `command` or `paste`.
    pub(super) way: String,
    /// Its name in addresses.
    pub(super) slug: String,
    /// Where it is.
    pub(super) url: String,
    /// `Name: value`, one a line.
    pub(super) headers: String,
    /// The program and its arguments, one a line.
    pub(super) command: String,
    /// `NAME=value`, one a line.
    pub(super) env: String,
    /// A client's configuration, or a part of it.
    pub(super) text: String,
    /// Which entry of it.
    pub(super) entry: String,
    /// The revision of the server that this one takes the place of, under the same name.
    pub(super) instead: String,
    /// Ticked: it may be at a private address.
    pub(super) private: Option<String>,
}

/// What a form asks for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A server.
    Server(Box<ServerRecord>),
    /// One of several that were pasted.
    OneOf(Vec<Choice>),
}

/// An entry to choose.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Its name.
    pub(super) name: String,
    /// How it is reached, without anything secret.
    pub(super) summary: String,
}

fn invalid(text: impl Into<String>) -> OpError {
    OpError::Invalid(text.into())
}

impl ServerForm {
    /// The form of a server that is there: all but the values of its headers and variables, which only go in.
    pub(super) fn of(record: &ServerRecord) -> ServerForm {
        let blank = |pairs: &[(String, Secret<String>)], between: &str| {
            let lines = pairs.iter().map(|(name, value)| {
                let kept = if value.expose() == OWN_PATH { OWN_PATH } else { "" };
                format!("{name}{between}{kept}\n")
            });
            lines.collect::<String>()
        };
        let mut form = ServerForm {
            slug: record.slug.to_string(),
            instead: record.revision.0.to_string(),
            private: record.allow_private_address.then(|| "1".to_owned()),
            ..ServerForm::default()
        };
        match &record.transport {
            Transport::Http { url, headers } => {
                "url".clone_into(&mut form.way);
                form.url.clone_from(url);
                form.headers = blank(headers, ": ");
            }
            Transport::Stdio { command, env } => {
                "command".clone_into(&mut form.way);
                form.command = match command.as_slice() {
                    // A single line is taken apart.
                    [only] if only.contains('\'') => format!("\"{only}\""),
                    [only] => format!("'{only}'"),
                    words => words.join("\n"),
                };
                form.env = blank(env, "=");
            }
        }
        form
    }

    /// Reads the form.
    pub(super) fn wanted(&self) -> Result<Wanted, OpError> {
        match self.way.as_str() {
            "url" => {
                let url = self.url.trim();
                if url.is_empty() {
                    return Err(invalid("the URL is missing"));
                }
                let headers = pairs(&self.headers, ':', "Name: value")?;
                self.server(Transport::Http { url: url.to_owned(), headers }, None)
            }
            "command" => {
                let command = words(&self.command)?;
                let env = pairs(&self.env, '=', "NAME=value")?;
                let blank = env.iter().find(|(_, value)| value.expose().is_empty());
                if let Some((name, _)) = blank.filter(|_| !self.instead.is_empty()) {
                    return Err(invalid(format!(
                        "the value of {name} is missing: secrets only go in, so type it again or take its line out"
                    )));
                }
                self.server(Transport::Stdio { command, env }, None)
            }
            "paste" => self.pasted(),
            _ => Err(invalid("choose how the server is reached")),
        }
    }

    fn server(&self, transport: Transport, name: Option<&str>) -> Result<Wanted, OpError> {
        if let Transport::Http { headers, .. } = &transport {
            for (name, value) in headers {
                check_header(name, value.expose())?;
            }
        }
        let typed = Some(self.slug.trim()).filter(|slug| !slug.is_empty());
        let slug = match (typed, name) {
            (Some(slug), _) => ServerSlug::parse(slug)?,
            (None, Some(name)) => ServerSlug::parse(&slug_of(name))?,
            (None, None) => return Err(invalid("the name is missing")),
        };
        Ok(Wanted::Server(Box::new(ServerRecord {
            slug,
            transport,
            allow_private_address: self.private.is_some(),
            timeouts: Timeouts::default(),
            refresh_seconds: REFRESH_SECONDS,
            new_tools: NewTools::Quarantine,
            accept_first: false,
            classes: BTreeMap::new(),
            from_server: FromServer::default(),
            managed_by_file: false,
            revision: Revision::default(),
        })))
    }

    fn pasted(&self) -> Result<Wanted, OpError> {
        let found = read::pasted(&self.text);
        let found = found.map_err(|error| invalid(format!("what was pasted: {error}")))?;
        let chosen = Some(self.entry.as_str()).filter(|entry| !entry.is_empty());
        let mut fitting = found.iter().filter(|e| chosen.is_none_or(|name| e.name == name));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => self.of_entry(only),
            (None, _) => Err(invalid(
                "no server is in what was pasted: paste the client’s whole file, or one entry of it",
            )),
            (Some(_), Some(_)) => Ok(Wanted::OneOf(found.iter().map(choice).collect())),
        }
    }

    fn of_entry(&self, entry: &Entry) -> Result<Wanted, OpError> {
        // Entries of Portcullis itself would go round in circles.
        if entry.behind_gateway(&[]) {
            return Err(invalid("this entry goes through Portcullis already"));
        }
        let elsewhere: Vec<&str> = entry
            .settings
            .iter()
            .filter(|setting| setting.refers && !setting.value.expose().is_empty())
            .map(|setting| setting.name.as_str())
            .collect();
        if !elsewhere.is_empty() {
            return Err(invalid(format!(
                "the client takes these values from elsewhere: {}. Put the values themselves in \
                 their places in what you pasted",
                elsewhere.join(", ")
            )));
        }
        let of = |kind: SettingKind| -> Vec<(String, Secret<String>)> {
            let wanted = entry.settings.iter().filter(|setting| setting.kind == kind);
            wanted.map(|setting| (setting.name.clone(), setting.value.clone())).collect()
        };
        let transport = match &entry.transport {
            EntryTransport::Url(url) => {
                Transport::Http { url: url.clone(), headers: of(SettingKind::Header) }
            }
            EntryTransport::Program(command) => {
                let mut env = of(SettingKind::Variable);
                // The client gave it its own.
                if !env.iter().any(|(name, _)| name.eq_ignore_ascii_case("PATH")) {
                    env.push(("PATH".to_owned(), Secret::new(OWN_PATH.to_owned())));
                }
                Transport::Stdio { command: command.clone(), env }
            }
            EntryTransport::Unknown => return Err(invalid("this entry is no server")),
        };
        self.server(transport, Some(&entry.name))
    }
}

fn choice(entry: &Entry) -> Choice {
    Choice { name: entry.name.clone(), summary: entry.summary() }
}

/// The words of a command: one a line; a single line is taken apart at its spaces, where quotes keep words together. There
/// is no shell, so that nothing else means anything.
fn words(text: &str) -> Result<Vec<String>, OpError> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let [only] = lines.as_slice() else {
        let whole = text.lines().map(|line| line.trim_end_matches('\r'));
        let words = whole.filter(|word| !word.is_empty()).take(WORDS_MAX);
        return Ok(words.map(str::to_owned).collect());
    };
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    for c in only.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(invalid("a quote in the command is never closed"));
    }
    words.extend(word);
    words.truncate(WORDS_MAX);
    Ok(words)
}

/// Lines of a name and a value.
fn pairs(
    text: &str,
    between: char,
    form: &'static str,
) -> Result<Vec<(String, Secret<String>)>, OpError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = lines.take(SETTINGS_MAX.saturating_add(1)).map(|line| {
        let pair = line.split_once(between).filter(|(name, _)| !name.trim().is_empty());
        let pair = pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        let (name, value) = pair.ok_or_else(|| invalid(format!("write {form}, one a line")))?;
        if value.is_empty() && between == ':' {
            return Err(invalid(format!("the value of {name} is missing")));
        }
        Ok((name, Secret::new(value)))
    });
    let pairs: Vec<_> = pairs.collect::<Result<_, OpError>>()?;
    if pairs.len() > SETTINGS_MAX {
        return Err(invalid(format!("at most {SETTINGS_MAX} lines")));
    }
    Ok(pairs)
}

/// A client's name for a server, as far as a slug has such characters.
fn slug_of(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(SLUG_CHARS_MAX)
        .collect();
    let kept = kept.trim_matches('-');
    if kept.is_empty() { "server".to_owned() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests;

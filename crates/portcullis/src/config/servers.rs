//! `[[server]]`: one MCP server, reached over HTTP or started as a child process.

use std::collections::{BTreeMap, BTreeSet};

use gateway::address::{AddressRule, check_url};
use policy::Class;
use store::{
    FromServer, NewTools, Revision, Secret, ServerRecord, ServerSlug, Timeouts, Transport,
};

use super::section::{Flag, Located, Problems, Section};
use super::token::Secrets;

/// The most servers of one file.
const SERVERS_MAX: usize = 1_000;
/// The longest time-out that the file may ask for: a day.
const TIMEOUT_SECONDS_MAX: u32 = 86_400;

/// Reads every `[[server]]`.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Vec<Located<ServerRecord>> {
    let mut seen = BTreeSet::new();
    let mut servers = Vec::new();
    for (index, mut section) in root.sections("server", problems).into_iter().enumerate() {
        let span = section.span();
        if index >= SERVERS_MAX {
            problems.add(span, format!("at most {SERVERS_MAX} servers"));
            break;
        }
        let slug = slug(&mut section, &mut seen, problems);
        let entry = entry(&mut section, slug, secrets, problems);
        section.finish(problems);
        servers.extend(entry.map(|value| Located { value, span }));
    }
    servers
}

fn slug(
    section: &mut Section<'_, '_>,
    seen: &mut BTreeSet<ServerSlug>,
    problems: &mut Problems,
) -> Option<ServerSlug> {
    let text = section.required_text("slug", problems)?;
    let Ok(slug) = ServerSlug::parse(text.value) else {
        problems.add_with_help(
            text.span,
            "a slug is 1 to 63 lower-case letters, digits and `-`",
            "it becomes the end of the URL: /mcp/<slug>",
        );
        return None;
    };
    if !seen.insert(slug.clone()) {
        problems.add(text.span, format!("the server `{slug}` is there twice"));
    }
    Some(slug)
}

fn entry(
    section: &mut Section<'_, '_>,
    slug: Option<ServerSlug>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Option<ServerRecord> {
    let allow_private_address = section.flag("allow_private_address", Flag::No, problems);
    let transport = transport(section, allow_private_address, secrets, problems);
    let timeouts = timeouts(section, problems);
    let refresh = section.whole("refresh_seconds", 1..=TIMEOUT_SECONDS_MAX, 60, problems);
    let words = [("quarantine", NewTools::Quarantine), ("allow", NewTools::Allow)];
    let new_tools = section.word("new_tools", &words, problems);
    let accept_first = section.flag("accept_first", Flag::No, problems);
    let classes = classes(section, problems);
    let from_server = from_server(section, problems);
    Some(ServerRecord {
        slug: slug?,
        transport: transport?,
        allow_private_address: allow_private_address.is_yes(),
        timeouts,
        refresh_seconds: refresh,
        new_tools: new_tools.unwrap_or(NewTools::Quarantine),
        accept_first: accept_first.is_yes(),
        classes,
        from_server,
        managed_by_file: true,
        revision: Revision::default(),
    })
}

fn transport(
    section: &mut Section<'_, '_>,
    private: Flag,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Option<Transport> {
    let url = section.text("url", problems);
    let command = section.texts("command", problems);
    let headers = headers(section, secrets, problems);
    let env = env(section, secrets, problems);
    if section.has("url") && section.has("command") {
        problems.add_with_help(
            section.key_span("command"),
            "a server has a `url` or a `command`, not both",
            "remove one of them",
        );
        return None;
    }
    if section.has("url") {
        refuse_with("env", "command", section, problems);
        let url = url?;
        return accepted_url(&url, private, problems)
            .then(|| Transport::Http { url: url.value.to_owned(), headers });
    }
    if section.has("command") {
        refuse_with("headers", "url", section, problems);
        return command_line(command?, problems).map(|command| Transport::Stdio { command, env });
    }
    problems.add_with_help(
        section.span(),
        "[[server]] needs a `url` or a `command`",
        "url = \"http://127.0.0.1:9000/mcp\", or command = [\"npx\", \"-y\", \"some-server\"]",
    );
    None
}

fn refuse_with(key: &'static str, wants: &str, section: &Section<'_, '_>, problems: &mut Problems) {
    if section.has(key) {
        problems.add(section.key_span(key), format!("`{key}` goes with `{wants}` only"));
    }
}

fn accepted_url(url: &Located<&str>, private: Flag, problems: &mut Problems) -> bool {
    let rule = if private.is_yes() { AddressRule::AllowPrivate } else { AddressRule::PublicOnly };
    let Err(error) = check_url(url.value, rule) else { return true };
    let message = format!("`url` is refused: {error}");
    if check_url(url.value, AddressRule::AllowPrivate).is_ok() {
        problems.add_with_help(
            url.span.clone(),
            message,
            "add `allow_private_address = true` if the server really is there",
        );
    } else {
        problems.add(url.span.clone(), message);
    }
    false
}

fn command_line(
    command: Located<Vec<Located<&str>>>,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let first = command.value.first().map(|program| program.value);
    if first.is_none_or(str::is_empty) {
        problems.add_with_help(
            command.span,
            "`command` names a program and its arguments",
            "for example [\"npx\", \"-y\", \"some-server\"]; there is no shell",
        );
        return None;
    }
    if let Some(word) = command.value.iter().find(|word| word.value.contains('\0')) {
        problems.add(word.span.clone(), "`command` must not hold a NUL");
        return None;
    }
    Some(command.value.into_iter().map(|word| word.value.to_owned()).collect())
}

/// Headers that the gateway sets itself or that belong to one connection.
const HEADERS_REFUSED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
    "upgrade",
];

fn headers(
    section: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Vec<(String, Secret<String>)> {
    let mut headers: Vec<(String, Secret<String>)> = Vec::new();
    for (name, entry) in section.text_map("headers", problems) {
        let lower = name.to_ascii_lowercase();
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            problems.add(entry.key, format!("`{name}` is no header name"));
            continue;
        }
        if HEADERS_REFUSED.contains(&lower.as_str()) || lower.starts_with("mcp-") {
            problems.add(entry.key, format!("the gateway sets the header `{name}` itself"));
            continue;
        }
        if headers.iter().any(|(other, _)| *other == lower) {
            problems.add(entry.key, format!("the header `{name}` is there twice"));
            continue;
        }
        let Some(value) = secrets.follow("the value of a header", &entry.value, problems) else {
            continue;
        };
        if http::HeaderValue::from_str(value.expose()).is_err() {
            problems.add(entry.value.span, format!("the value of `{name}` cannot be a header's"));
            continue;
        }
        headers.push((lower, value));
    }
    headers
}

fn env(
    section: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Vec<(String, Secret<String>)> {
    let mut env = Vec::new();
    for (name, entry) in section.text_map("env", problems) {
        if name.is_empty() || name.contains(['=', '\0']) {
            problems.add(entry.key, format!("`{name}` is no name of a variable"));
            continue;
        }
        // Settings such as NODE_ENV are no secrets, so that a literal is accepted here.
        let literal = !["env:", "file:"].iter().any(|way| entry.value.value.starts_with(way));
        let value = if literal {
            Some(Secret::new(entry.value.value.to_owned()))
        } else {
            secrets.follow("a variable", &entry.value, problems)
        };
        env.extend(value.map(|value| (name.to_owned(), value)));
    }
    env
}

fn timeouts(section: &mut Section<'_, '_>, problems: &mut Problems) -> Timeouts {
    let mut read = Timeouts::default();
    let Some(mut section) = section.section("timeouts", problems) else { return read };
    let mut seconds = |key, ms: &mut u32| {
        let range = 1..=TIMEOUT_SECONDS_MAX;
        *ms = section.whole(key, range, *ms / 1000, problems).saturating_mul(1000);
    };
    seconds("connect_seconds", &mut read.connect_ms);
    seconds("first_byte_seconds", &mut read.first_byte_ms);
    seconds("total_seconds", &mut read.total_ms);
    section.finish(problems);
    read
}

fn classes(section: &mut Section<'_, '_>, problems: &mut Problems) -> BTreeMap<String, Class> {
    let mut classes = BTreeMap::new();
    for (tool, entry) in section.text_map("classes", problems) {
        match entry.value.value.parse::<Class>() {
            Ok(class) => {
                classes.insert(tool.to_owned(), class);
            }
            Err(_) => problems.add_with_help(
                entry.value.span,
                format!("`{}` is no class", entry.value.value),
                "one of \"read\", \"write\", \"execute\", \"destructive\", \"financial\"",
            ),
        }
    }
    classes
}

fn from_server(section: &mut Section<'_, '_>, problems: &mut Problems) -> FromServer {
    let mut read = FromServer::default();
    let Some(mut section) = section.section("from_server", problems) else { return read };
    let mut flag = |key, value: &mut bool| {
        let absent = if *value { Flag::Yes } else { Flag::No };
        *value = section.flag(key, absent, problems).is_yes();
    };
    flag("sampling", &mut read.sampling);
    flag("elicitation", &mut read.elicitation);
    flag("roots", &mut read.roots);
    section.finish(problems);
    read
}

use std::fmt::Write as _;
use std::process::Command;

use expect_test::expect_file;

use crate::clients::read::{self, EntryTransport, SettingKind};
use crate::clients::snippet::{self, Access, Snippet, TokenSource};
use crate::clients::{CLIENTS, Format, System, client, shell_word};

const TOKEN: &str = "pcl_0123456789abcdefghij";
const URL: &str = "https://gate.example/mcp/pay";

fn literal<'a>(name: &'a str, url: &'a str) -> Access<'a> {
    Access { name, url, token: TokenSource::Literal(TOKEN) }
}

fn by_variable<'a>(name: &'a str, url: &'a str) -> Access<'a> {
    Access { name, url, token: TokenSource::Variable("PAY_TOKEN") }
}

#[test]
fn what_people_paste_is_as_recorded() {
    let mut text = String::new();
    for client in CLIENTS {
        for access in [literal("pay", URL), by_variable("pay", URL)] {
            let made = snippet::of(client, access).unwrap();
            let files = [System::Linux, System::Mac, System::Windows].map(|s| made.file(s));
            writeln!(text, "# {}: {}", client.name, files.join(" | ")).unwrap();
            text.push_str(&made.text);
            let further = [made.command.as_deref(), made.link.as_deref(), made.note];
            for more in further.into_iter().flatten() {
                writeln!(text, "> {more}").unwrap();
            }
            text.push('\n');
        }
    }
    expect_file!["../../../testdata/clients/snippets.txt"].assert_eq(&text);
}

/// The language of a block in a page. What no step can try, the reader below finds the server in.
fn language(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Toml => "toml unchecked",
        Format::Yaml => "yaml unchecked",
    }
}

#[test]
fn the_page_of_what_to_paste_is_as_recorded() {
    let mut page = String::new();
    for client in CLIENTS {
        let token = TokenSource::Variable(snippet::TOKEN_VARIABLE);
        let access = Access { name: "pay", url: "http://127.0.0.1:8420/mcp/pay", token };
        let made = snippet::of(client, access).unwrap();
        writeln!(page, "## {}\n", client.name).unwrap();
        let systems =
            [("Linux", System::Linux), ("macOS", System::Mac), ("Windows", System::Windows)];
        let mut files: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, system) in systems {
            let file = made.file(system);
            match files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, on)) => on.push(name),
                None => files.push((file, vec![name])),
            }
        }
        let files: Vec<String> =
            files.iter().map(|(file, on)| format!("`{file}` ({})", on.join(", "))).collect();
        writeln!(page, "In {}:\n", files.join(", ")).unwrap();
        writeln!(page, "```{}\n{}```\n", language(client.format), made.text).unwrap();
        if let Some(command) = made.command {
            writeln!(page, "Or, in a shell:\n\n```sh\n{command}\n```\n").unwrap();
        }
        if let Some(note) = made.note {
            writeln!(page, "{note}\n").unwrap();
        }
        writeln!(page, "Held against its documentation on {}.\n", client.checked_on).unwrap();
    }
    expect_file!["../../../testdata/clients/how-to.md"].assert_eq(&page);
}

/// Names and URLs that try to get out of their quotes.
const HOSTILE: [(&str, &str); 8] = [
    ("pay", URL),
    ("a\"b\\c", "https://gate.example/mcp/a\"},\"x\":{\""),
    ("it's; rm -rf ~ #", "https://gate.example/mcp/$(id)`id`'"),
    ("line\nbreak\ttab", "https://gate.example/mcp/\n[evil]\ncommand=\"x\""),
    ("\u{202e}drow\u{200b}", "https://gate.example/mcp/\u{2028}\u{85}"),
    ("] [", "https://gate.example/mcp/- a: b # c"),
    ("true", "https://gate.example/mcp/*a &b !c |"),
    ("\u{1f512}\u{e0041}", "https://gate.example/mcp/%41?x=y&z"),
];

fn reaches(made: &Snippet, access: Access<'_>) {
    let found = read::entries(made.client.format, &made.text, &[made.place.container])
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", made.client.id, made.text));
    let [entry] = found.as_slice() else { panic!("{}: {} entries", made.client.id, found.len()) };
    assert_eq!(entry.name, access.name, "{}", made.client.id);
    assert!(entry.enabled, "{}", made.client.id);
    match &entry.transport {
        EntryTransport::Url(url) => assert_eq!(url, access.url, "{}", made.client.id),
        EntryTransport::Program(words) => {
            let start = ["portcullis", "connect", access.url, "--token-env"];
            assert_eq!(words[..4], start, "{}", made.client.id);
        }
        EntryTransport::Unknown => panic!("{}: unknown", made.client.id),
    }
    if let TokenSource::Literal(token) = access.token {
        let carried = entry.settings.iter().any(|setting| match setting.kind {
            SettingKind::Header => {
                setting.name == "Authorization"
                    && *setting.value.expose() == format!("Bearer {token}")
            }
            SettingKind::Variable => setting.value.expose() == token,
        });
        assert!(carried, "{}", made.client.id);
    } else {
        assert!(entry.secrets.is_empty(), "{}: {:?}", made.client.id, entry.secrets);
    }
}

#[test]
fn every_block_is_found_again_by_the_reader_whatever_the_names_are() {
    for client in CLIENTS {
        for (name, url) in HOSTILE {
            for access in [literal(name, url), by_variable(name, url)] {
                reaches(&snippet::of(client, access).unwrap(), access);
            }
        }
    }
}

#[test]
fn nothing_invisible_stands_in_a_block() {
    for client in CLIENTS {
        for (name, url) in HOSTILE {
            let made = snippet::of(client, literal(name, url)).unwrap();
            let hidden = made.text.chars().find(|c| {
                !(c.is_ascii_graphic() || *c == ' ' || *c == '\n' || c.is_alphanumeric())
            });
            assert_eq!(hidden, None, "{}: {}", client.id, made.text);
        }
    }
}

/// The words that a shell makes of a line.
fn words_of(line: &str) -> Vec<String> {
    let script = format!("set -- {line}\nfor word; do printf '%s\\0' \"$word\"; done");
    let ran = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(ran.status.success(), "{line}");
    let text = String::from_utf8(ran.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn a_shell_reads_the_very_words_of_a_command() {
    for (name, url) in HOSTILE {
        let made = snippet::of(client("claude-code").unwrap(), literal(name, url)).unwrap();
        let header = format!("Authorization: Bearer {TOKEN}");
        let wanted = ["claude", "mcp", "add", "--transport", "http", "--scope", "user", "--header"];
        let wanted: Vec<&str> = wanted.into_iter().chain([header.as_str(), name, url]).collect();
        assert_eq!(words_of(&made.command.unwrap()), wanted);
        let made = snippet::of(client("vscode").unwrap(), literal(name, url)).unwrap();
        let words = words_of(&made.command.unwrap());
        let json: serde_json::Value = serde_json::from_str(&words[2]).unwrap();
        assert_eq!(json["url"], *url);
        assert_eq!(json["name"], *name);
    }
    for word in ["", "-x", "~", "a b", "*", "$HOME", "!!", "'", "''", "\\", "\n", "a;b", "(", "<"] {
        assert_eq!(words_of(&shell_word(word)), [word]);
    }
}

#[test]
fn a_name_that_looks_like_a_switch_gets_no_command() {
    for client in CLIENTS {
        let made = snippet::of(client, literal("--scope", URL)).unwrap();
        assert_eq!(made.command, None, "{}", client.id);
    }
}

#[test]
fn a_token_in_clear_over_the_network_has_to_be_asked_for() {
    let desktop = client("claude-desktop").unwrap();
    let has =
        |url: &str| snippet::of(desktop, literal("a", url)).unwrap().text.contains("allow-http");
    assert!(!has("https://gate.example/mcp/a"));
    assert!(!has("http://127.0.0.1:8420/mcp/a"));
    assert!(!has("http://localhost/mcp/a"));
    assert!(has("http://gate.example/mcp/a"));
    assert!(has("http://localhost.evil.example/mcp/a"));
}

#[test]
fn ids_are_unique_and_dates_are_dates() {
    let mut ids: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CLIENTS.len());
    for client in CLIENTS {
        assert!(client.checked_on.parse::<jiff::civil::Date>().is_ok(), "{}", client.id);
    }
}

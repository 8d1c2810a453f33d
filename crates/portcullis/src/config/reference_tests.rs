//! The table of all keys for `docs/reference`. What a key is for stands here; which keys there are, their types and bounds
//! are asked of the parser, and that a default is the default is tried.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;

use super::load::parse;
use super::{Config, ConfigError, Environment, Source};

/// What a key is when nobody writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// The file is refused.
    Required,
    /// As if this had been written; a TOML literal.
    Is(&'static str),
    /// In words, because no literal says it.
    Means(&'static str),
}

use Absent::{Is, Means, Required};

/// A table of the file.
struct Table {
    /// As its heading and as an anchor.
    title: &'static str,
    /// What must stand before it in a file, its own heading included.
    before: &'static str,
    /// Keys that it cannot do without, or that others need.
    needed: &'static [(&'static str, &'static str)],
    /// Tables within it, which have rows of their own.
    within: &'static [&'static str],
    keys: &'static [(&'static str, Absent, &'static str)],
}

const URL: (&str, &str) = ("url", "\"https://mcp.example.com/mcp\"");

const TABLES: [Table; 14] = [
    Table {
        title: "at the top",
        before: "",
        needed: &[],
        within: &[
            "listen",
            "store",
            "counters",
            "audit",
            "approvals",
            "server",
            "policy",
            "grant",
            "api_token",
            "notifications",
            "console",
        ],
        keys: &[
            ("data_dir", Is("\"data\""), "SQLite database, sealing key, lock; made with mode 0700"),
            ("public_url", Means("the gateway's listener"), "what agents' URLs begin with"),
            (
                "console_url",
                Means("the console's listener"),
                "what links to approvals, and links by which people join, begin with; behind a proxy, the address that browsers see",
            ),
            ("drain_seconds", Is("20"), "how long running calls may take after a SIGTERM"),
        ],
    },
    Table {
        title: "listen",
        before: "[listen]\n",
        needed: &[],
        within: &[],
        keys: &[
            ("gateway", Is("\"127.0.0.1:8420\""), "`/mcp/*` and `/.well-known/*`, for agents"),
            (
                "console",
                Is("\"127.0.0.1:8421\""),
                "the pages for people, `/api/v1`, `/livez`, `/readyz`, `/metrics`",
            ),
            ("hosts", Is("[]"), "further names that a `Host` header may carry"),
            ("origins", Is("[]"), "further values of `Origin` that browsers may send"),
        ],
    },
    Table {
        title: "store",
        before: "[store]\n",
        needed: &[],
        within: &[],
        keys: &[(
            "url",
            Is("\"sqlite\""),
            "`postgres://…` is not in this build yet and is refused",
        )],
    },
    Table {
        title: "counters",
        before: "[counters]\n",
        needed: &[],
        within: &[],
        keys: &[(
            "url",
            Is("\"store\""),
            "`redis://…` and `valkey://…` are not in this build yet and are refused",
        )],
    },
    Table {
        title: "audit",
        before: "[audit]\n",
        needed: &[],
        within: &[],
        keys: &[
            (
                "mode",
                Is("\"durable\""),
                "`durable`: a call leaves when its row is on disk; `buffered`: calls leave first; a killed process may cost the rows of the last 100 ms, a power loss those of the last second",
            ),
            (
                "values",
                Is("\"redacted\""),
                "what is kept of arguments: `none` (keys only), `redacted`, `full`",
            ),
        ],
    },
    Table {
        title: "approvals",
        before: "[approvals]\n",
        needed: &[],
        within: &[],
        keys: &[
            (
                "wait_seconds",
                Is("25"),
                "how long a held call waits for a person when its rules do not say; 0 answers at once",
            ),
            ("wait_seconds_with_progress", Is("120"), "the same for calls with a progress token"),
        ],
    },
    Table {
        title: "notifications.<name>",
        before: "[notifications.ops]\n",
        needed: &[("url", "\"https://hooks.example.com/x\""), ("secret", "\"0123456789abcdef\"")],
        within: &[],
        keys: &[
            (
                "kind",
                Is("\"webhook\""),
                "`webhook`: signed JSON; `slack`: the format of Slack's incoming webhooks",
            ),
            ("url", Required, "where messages go; for a chat a secret"),
            (
                "secret",
                Required,
                "what they are signed with, at least 16 characters; webhooks only",
            ),
            (
                "events",
                Is("[\"approval.requested\", \"approval.decided\", \"approval.expired\"]"),
                "what is told",
            ),
            (
                "allow_private_address",
                Is("false"),
                "accept private, loopback and link-local addresses",
            ),
        ],
    },
    Table {
        title: "server",
        before: "[[server]]\n",
        needed: &[("slug", "\"pay\""), URL],
        within: &["timeouts", "from_server"],
        keys: &[
            ("slug", Required, "the end of the URL `/mcp/<slug>`; 1 to 63 of `a-z 0-9 -`"),
            ("url", Means("either this or `command`"), "Streamable HTTP endpoint"),
            (
                "command",
                Means("either this or `url`"),
                "program and arguments of a server on stdio; there is no shell",
            ),
            (
                "headers",
                Is("{}"),
                "sent with every request to `url`; `mcp-*` and the headers of the connection are the gateway's own",
            ),
            (
                "env",
                Means("an empty environment"),
                "the whole environment of `command`; nothing else is inherited",
            ),
            (
                "allow_private_address",
                Is("false"),
                "accept private, loopback and link-local addresses",
            ),
            ("refresh_seconds", Is("60"), "how often the tools are listed"),
            ("new_tools", Is("\"quarantine\""), "what happens to new and changed tools"),
            ("accept_first", Is("false"), "accept the tools of the first contact"),
            (
                "classes",
                Is("{}"),
                "class of a tool, over the catalogue's: `read`, `write`, `execute`, `destructive`, `financial`",
            ),
        ],
    },
    Table {
        title: "server.timeouts",
        before: "[[server]]\nslug = \"pay\"\nurl = \"https://mcp.example.com/mcp\"\n[server.timeouts]\n",
        needed: &[],
        within: &[],
        keys: &[
            ("connect_seconds", Is("5"), "until the connection stands"),
            ("first_byte_seconds", Is("60"), "until the answer begins"),
            ("total_seconds", Is("300"), "until the answer ends"),
        ],
    },
    Table {
        title: "server.from_server",
        before: "[[server]]\nslug = \"pay\"\nurl = \"https://mcp.example.com/mcp\"\n[server.from_server]\n",
        needed: &[],
        within: &[],
        keys: &[
            ("sampling", Is("false"), "the server may ask the client's model"),
            ("elicitation", Is("true"), "the server may ask the client's person"),
            ("roots", Is("false"), "the server may ask for the client's folders"),
        ],
    },
    Table {
        title: "policy",
        before: SERVER_AND_POLICY,
        needed: &[("name", "\"p\""), ("server", "\"pay\""), ("file", "\"good.policy.json\"")],
        within: &[],
        keys: &[
            ("name", Required, "1 to 128 of `A-Z a-z 0-9 _ . -`"),
            ("server", Required, "a `slug` of this file"),
            ("file", Required, "the policy; see [the policy language](../policy.md)"),
            (
                "mode",
                Is("\"enforce\""),
                "`enforce`, or `observe`: decides and records what it would refuse or hold, and lets it pass ([modes](../configuration.md#modes-of-a-policy))",
            ),
            (
                "tools",
                Means("what is pinned"),
                "tool definitions (a `tools/list` answer) for the policy's own tests; needed where those read schemas or classes before the server was ever listed",
            ),
        ],
    },
    Table {
        title: "grant",
        before: SERVER_AND_GRANT,
        needed: &[
            ("label", "\"agent\""),
            ("server", "\"pay\""),
            ("token", "\"token-of-an-agent\""),
        ],
        within: &[],
        keys: &[
            (
                "label",
                Required,
                "its name for people; unique on its server, and with it the identity of its counters",
            ),
            ("server", Required, "a `slug` of this file; a grant opens one server"),
            ("policy", Means("everything is denied"), "a `name` of this file, for the same server"),
            ("token", Required, "what the agent sends"),
            ("expires", Means("never"), "RFC 3339, or a TOML date and time with an offset"),
            ("tags", Is("{}"), "facts for policies, `grant.tags.<key>`"),
        ],
    },
    Table {
        title: "api_token",
        before: "[[api_token]]\n",
        needed: &[("label", "\"ci\""), ("role", "\"viewer\""), ("token", "\"token-of-a-program\"")],
        within: &[],
        keys: &[
            ("label", Required, "its name for people; unique"),
            ("role", Required, "what it may do; see [roles](roles.md)"),
            ("token", Required, "what the caller sends"),
        ],
    },
    Table {
        title: "console.oidc",
        before: "[console.oidc]\n",
        needed: &[("issuer", "\"https://login.example.com\""), ("client_id", "\"console\"")],
        within: &[],
        keys: &[
            ("issuer", Required, "as the issuer writes it itself; https, or a loopback address"),
            ("client_id", Required, "who this console is there"),
            ("client_secret", Means("a public client"), "what it proves that with"),
            (
                "domains",
                Is("[]"),
                "domains of e-mail addresses that the issuer is trusted with: an account of such an address that was made with a password is tied to the sign-on at the first one",
            ),
            (
                "role_for_new",
                Means("nobody enters without an invitation"),
                "the role of somebody of such a domain whom nobody invited",
            ),
        ],
    },
];

const SERVER_AND_POLICY: &str =
    "[[server]]\nslug = \"pay\"\nurl = \"https://mcp.example.com/mcp\"\n[[policy]]\n";
const SERVER_AND_GRANT: &str =
    "[[server]]\nslug = \"pay\"\nurl = \"https://mcp.example.com/mcp\"\n[[grant]]\n";

impl Table {
    /// A file with this table, the keys that it needs but `without`, and `line`.
    fn file(&self, without: &str, line: &str) -> String {
        let needed = self.needed.iter().filter(|(key, _)| *key != without);
        let needed: Vec<String> = needed.map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{}{}\n{line}\n", self.before, needed.join("\n"))
    }

    /// What the parser says against a value of `key`, and to no other key.
    fn complaint(&self, key: &str, value: &str) -> Option<String> {
        let problems = problems(&self.file(key, &format!("{key} = {value}")));
        let begin = format!("`{key}` must be ");
        problems.into_iter().find_map(|said| said.strip_prefix(&begin).map(str::to_owned))
    }

    /// The keys that the parser asks for.
    fn asked(&self) -> Vec<String> {
        let refused = problems(&self.file("", "zzzzzzzz = 1"));
        let known = refused.iter().find_map(|said| said.split_once("known keys: "));
        let known = known.unwrap_or_else(|| panic!("{}: {refused:?}", self.title)).1;
        known.split(", ").map(str::to_owned).collect()
    }
}

fn read(text: &str) -> Result<Config, ConfigError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config/reference.toml");
    parse(text, &Source { path, environment: &Environment::of(&[]) })
}

/// Each problem of a file with its cure.
fn problems(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid(file)) => {
            let said = file.problems.into_iter();
            said.map(|p| format!("{} {}", p.message, p.help.unwrap_or_default())).collect()
        }
        Err(other) => panic!("{other:?}\n{text}"),
    }
}

/// The type of a key with its bounds, as the parser's own messages say them.
fn kind(table: &Table, key: &str) -> String {
    let wrong = table.complaint(key, "1.5").unwrap_or_else(|| panic!("{}.{key}", table.title));
    let kind = wrong.split(", not ").next().unwrap_or(&wrong).to_owned();
    let further = match kind.as_str() {
        "a whole number" => table.complaint(key, "4294967296").map(|said| format!(", {said}")),
        "a string" => {
            let words = table.complaint(key, "\"zzzzzzzz\"");
            let words = words.and_then(|said| said.strip_prefix("one of ").map(str::to_owned));
            words.map(|words| format!(": {}", words.trim_end()))
        }
        _ => None,
    };
    let kind = kind.split(" such as ").next().unwrap_or(&kind);
    format!("{kind}{}", further.unwrap_or_default()).trim_end().to_owned()
}

#[test]
fn every_key_of_the_file_is_described() {
    for table in &TABLES {
        let mut asked = table.asked();
        asked.retain(|key| !table.within.contains(&key.as_str()));
        asked.sort();
        asked.dedup();
        let mut described: Vec<&str> = table.keys.iter().map(|(key, ..)| *key).collect();
        described.sort_unstable();
        assert_eq!(asked, described, "{}", table.title);
    }
}

#[test]
fn what_is_said_to_be_the_default_is_the_default() {
    for table in &TABLES {
        for (key, absent, _about) in table.keys {
            let without = table.file(key, "");
            match absent {
                Required => {
                    let said = problems(&without);
                    let needs = format!("needs `{key}`");
                    assert!(said.iter().any(|said| said.contains(&needs)), "{key}: {said:?}");
                }
                Is(literal) => {
                    let with = table.file(key, &format!("{key} = {literal}"));
                    let (with, without) = (read(&with).unwrap(), read(&without).unwrap());
                    assert_eq!(format!("{with:?}"), format!("{without:?}"), "{key}");
                }
                Means(_) => {}
            }
        }
    }
}

#[test]
fn the_table_of_keys_is_as_recorded() {
    let mut page = String::new();
    for table in &TABLES {
        let repeated = table.before.rsplit('\n').any(|line| line.starts_with("[["));
        let heading = match table.title {
            "at the top" => "At the top of the file".to_owned(),
            title => title.to_owned(),
        };
        writeln!(page, "## {heading}\n").unwrap();
        let written = table.before.trim_end().lines().last().unwrap_or_default();
        if !written.is_empty() {
            let written = written.replace("notifications.ops", "notifications.<name>");
            let times = if repeated && !table.title.contains('.') { ", once for each" } else { "" };
            writeln!(page, "`{written}`{times}\n").unwrap();
        }
        page.push_str("| key | is | default | meaning |\n|---|---|---|---|\n");
        for (key, absent, about) in table.keys {
            let absent = match absent {
                Required => "required".to_owned(),
                Is("[]" | "{}") => "none".to_owned(),
                Is(literal) => format!("`{literal}`"),
                Means(words) => (*words).to_owned(),
            };
            writeln!(page, "| `{key}` | {} | {absent} | {about} |", kind(table, key)).unwrap();
        }
        page.push('\n');
    }
    expect_file!["../../testdata/config-keys.md"].assert_eq(&format!("{}\n", page.trim_end()));
}

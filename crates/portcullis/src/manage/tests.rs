use std::path::{Path, PathBuf};

use clap::Parser;
use policy::ApprovalId;
use store::{Entropy, ServerSlug};
use tempfile::TempDir;

use super::{Installation, approvals, audit, grants, inert, people, servers};
use crate::cli::{Cli, Command, ConfigArg};
use crate::exit::Exit;

/// An installation of its own, worked on as from a terminal.
struct Here {
    config: PathBuf,
    _dir: TempDir,
}

impl Here {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("portcullis.toml");
        std::fs::write(&config, "data_dir = \"data\"\n").unwrap();
        Self { config, _dir: dir }
    }

    /// Runs a command; how it ends.
    async fn run(&self, line: &str) -> Exit {
        let config = self.config.display().to_string();
        let words: Vec<&str> = line.split(' ').collect();
        // Behind `--` stand the words of a program.
        let at = words.iter().position(|word| *word == "--").unwrap_or(words.len());
        let (own, program) = words.split_at(at);
        let named = ["--config", config.as_str()];
        let all = ["portcullis"].iter().chain(own).chain(&named).chain(program);
        let ran = match Cli::try_parse_from(all).unwrap().command {
            Command::Server(command) => servers::run(command).await,
            Command::Grant(command) => grants::run(command).await,
            Command::Approvals(command) => approvals::run(command).await,
            Command::People(command) => people::run(command).await,
            Command::Audit(command) => audit::run(command).await,
            Command::Serve(_)
            | Command::Policy(_)
            | Command::Run(_)
            | Command::Connect(_)
            | Command::Demo(_)
            | Command::Discover(_)
            | Command::Wrap(_)
            | Command::Unwrap(_)
            | Command::Doctor(_) => panic!("{line} is none of these commands"),
        };
        ran.unwrap_or_else(|failure| failure.report())
    }

    fn open(&self) -> Installation {
        Installation::open(&ConfigArg { config: Some(self.config.clone()) }).unwrap()
    }
}

/// A program that lists one tool, as a shell script without anything but `sh`.
fn program(dir: &Path) -> String {
    let path = dir.join("server.sh");
    let script = r#"PATH=/usr/bin:/bin
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) r='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}' ;;
    *'"tools/list"'*) r='{"tools":[{"name":"look","inputSchema":{"type":"object"}}]}' ;;
    *'"id"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"none"}}\n' "$id"; continue ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$r"
done
"#;
    std::fs::write(&path, script).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_server_is_added_inspected_accepted_and_removed() {
    let here = Here::new();
    let script = program(here.config.parent().unwrap());
    let steered = format!("server add files --env PATH=PATH -- sh {script}");
    assert_eq!(here.run(&steered).await, Exit::Usage, "only the file may set it");
    let add = format!("server add files -- sh {script}");
    assert_eq!(here.run(&add).await, Exit::Good);
    assert_eq!(here.run(&add).await, Exit::Failed, "it is there already");
    assert_eq!(here.run("server inspect files --json").await, Exit::Good);
    let slug = ServerSlug::parse("files").unwrap();
    let pins = here.open().console.store.pins(&slug).await.unwrap();
    assert_eq!(pins.len(), 1);
    assert_eq!(servers::state(&pins[0]), "new");
    assert_eq!(here.run("server accept files look --digest 00").await, Exit::Failed);
    assert_eq!(here.run("server accept files other").await, Exit::Failed);
    assert_eq!(here.run("server accept files look").await, Exit::Good);
    let pins = here.open().console.store.pins(&slug).await.unwrap();
    assert_eq!(servers::state(&pins[0]), "accepted");
    assert_eq!(here.run("server remove files").await, Exit::Good);
    assert_eq!(here.run("server remove files").await, Exit::Failed);
    assert_eq!(here.run("server inspect files").await, Exit::Failed);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable_and_a_private_one_refused() {
    let here = Here::new();
    assert_eq!(here.run("server add gone -- /no/such/program").await, Exit::Good);
    assert_eq!(here.run("server inspect gone").await, Exit::Unreachable);
    assert_eq!(here.run("server add near --url http://127.0.0.1:1/mcp").await, Exit::Usage);
    let opted = "server add near --url http://127.0.0.1:1/mcp --allow-private-address";
    assert_eq!(here.run(opted).await, Exit::Good);
    assert_eq!(here.run("server add Near --url https://example.com/mcp").await, Exit::Usage);
    let unset = "server add x --url https://example.com/mcp --header A=NO_SUCH_VARIABLE_HERE";
    assert_eq!(here.run(unset).await, Exit::Usage);
}

#[tokio::test]
async fn a_grant_is_found_by_its_label_only_when_one_active_grant_has_it() {
    let here = Here::new();
    assert_eq!(here.run("server add files -- sh").await, Exit::Good);
    let create = "grant create --label agent --server files --tag team=finance";
    assert_eq!(here.run(create).await, Exit::Good);
    assert_eq!(here.run("grant create --label a --server none").await, Exit::Failed);
    assert_eq!(here.run("grant create --label a --server files --tag team").await, Exit::Usage);
    assert_eq!(here.run("grant rotate agent --overlap-seconds 60").await, Exit::Good);
    assert_eq!(here.run(create).await, Exit::Failed, "the server has an agent");
    assert_eq!(here.run("server add more -- sh").await, Exit::Good);
    assert_eq!(here.run("grant create --label agent --server more").await, Exit::Good);
    assert_eq!(here.run("grant revoke agent").await, Exit::Usage, "two have this label");
    let all = here.open().console.store.grants().await.unwrap();
    assert_eq!(here.run(&format!("grant revoke {}", all[0].id)).await, Exit::Good);
    assert_eq!(here.run("grant revoke agent").await, Exit::Good, "one is left");
    assert_eq!(here.run("grant revoke agent").await, Exit::Failed);
    let all = here.open().console.store.grants().await.unwrap();
    assert!(all.iter().all(|grant| grant.revoked_at.is_some()));
    let tagged = all.iter().filter(|grant| grant.tags.get("team").is_some_and(|t| t == "finance"));
    assert_eq!(tagged.count(), 1);
}

#[tokio::test]
async fn what_there_is_none_of_cannot_be_decided_and_an_empty_audit_is_intact() {
    let here = Here::new();
    let id = ApprovalId::from_random(Entropy::system().bytes().unwrap());
    assert_eq!(here.run(&format!("approvals approve {id}")).await, Exit::Failed);
    assert_eq!(here.run("approvals reject nonsense").await, Exit::Usage);
    assert_eq!(here.run("approvals list --state pending --json").await, Exit::Good);
    assert_eq!(here.run("audit verify --json").await, Exit::Good);
    assert_eq!(here.run("audit export --format csv").await, Exit::Good);
    assert_eq!(here.run("audit query --verdict deny").await, Exit::Good);
}

#[tokio::test]
async fn whoever_is_locked_out_gets_a_link_at_the_terminal() {
    let here = Here::new();
    assert_eq!(here.run("people setup-link").await, Exit::Good);
    assert_eq!(here.run("people setup-link --json").await, Exit::Good, "in place of the first");
    assert_eq!(here.run("people invite ada@example.com --role admin").await, Exit::Good);
    assert_eq!(here.run("people invite nonsense").await, Exit::Usage);
    assert_eq!(here.run("people new-password ada@example.com").await, Exit::Failed, "not joined");
    assert_eq!(here.run("people list --json").await, Exit::Good);
    let links = here.open().console.store.links(crate::clock::now()).await.unwrap();
    assert_eq!(links.len(), 1);
}

#[test]
fn text_of_others_cannot_move_the_cursor() {
    assert_eq!(inert("a\u{1b}[2Jb\r\nc"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
}

#[test]
fn s30_text_of_others_reads_as_it_is() {
    // A path that a terminal would show the other way round, a word with an invisible break, a tag.
    assert_eq!(inert("/tmp/\u{202e}cte/"), "/tmp/\\u{202e}cte/");
    assert_eq!(inert("dro\u{200b}p\u{e0041}\u{2028}"), "dro\\u{200b}p\\u{e0041}\\u{2028}");
    assert_eq!(inert("grün 数 \u{e9}"), "grün 数 \u{e9}");
}

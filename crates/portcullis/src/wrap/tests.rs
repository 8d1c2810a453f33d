use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use clap::Parser as _;
use policy::UnixMillis;

use super::change::{Change, ChangeError};
use super::slug;
use crate::cli::{Cli, Command};
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;

const TEXT: &str = "{\n  // mine\n  \"mcpServers\": {\n    \"Files X\": { \"command\": \"npx\", \
     \"args\": [\"-y\", \"s\"], \"env\": { \"API_KEY\": \"v\" } }\n  }\n}\n";

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".cursor")).unwrap();
        fs::write(dir.path().join(".cursor/mcp.json"), TEXT).unwrap();
        fs::write(dir.path().join("p.json"), "{\"version\": \"1\", \"default\": \"deny\"}")
            .unwrap();
        Home { dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join(".cursor/mcp.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn copies(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join(".cursor")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.file_name().unwrap() != "mcp.json");
        paths
    }

    fn run(&self, line: &[&str]) -> Result<Exit, Failure> {
        let home = self.dir.path().to_str().unwrap();
        let environment = Environment::of(&[("HOME", home)]);
        let policy = self.dir.path().join("p.json").display().to_string();
        let words = line.iter().map(|word| if *word == "POLICY" { policy.as_str() } else { word });
        let cli = Cli::try_parse_from(std::iter::once("portcullis").chain(words)).unwrap();
        if let Command::Wrap(args) = cli.command {
            return super::run(&args, &environment);
        }
        let Command::Unwrap(args) = cli.command else { panic!("another command") };
        super::undo(&args, &environment)
    }
}

const WRAP: [&str; 6] = ["wrap", "cursor", "Files X", "--policy", "POLICY", "--yes"];

#[test]
fn wrap_and_unwrap_leave_the_very_bytes_and_rights() {
    let home = Home::new();
    fs::set_permissions(home.file(), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(home.run(&WRAP).unwrap(), Exit::Good);
    let wrapped = home.text();
    let policy = fs::canonicalize(home.dir.path().join("p.json")).unwrap().display().to_string();
    let wanted = format!(
        "\"command\": \"portcullis\", \"args\": [\"run\", \"--policy\", \"{policy}\", \
         \"--server-name\", \"files-x\", \"--env\", \"API_KEY\", \"--\", \"npx\", \"-y\", \"s\"], \
         \"env\": {{ \"API_KEY\": \"v\" }}"
    );
    assert!(wrapped.contains(&wanted), "{wrapped}");
    assert!(wrapped.contains("// mine"));
    let copies = home.copies();
    let [copy] = copies.as_slice() else { panic!("{copies:?}") };
    assert_eq!(fs::read_to_string(copy).unwrap(), TEXT);
    for path in [home.file(), copy.clone()] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    }
    assert_eq!(home.run(&["unwrap", "cursor", "Files X", "--yes"]).unwrap(), Exit::Good);
    assert_eq!(home.text(), TEXT);
}

#[test]
fn without_a_policy_one_is_made_that_asks_before_each_call() {
    let home = Home::new();
    let made = home.dir.path().join(".local/share/portcullis/wrapped/cursor-files-x.policy.json");
    assert_eq!(home.run(&["wrap", "cursor", "Files X", "--dry-run"]).unwrap(), Exit::Good);
    assert!(!made.exists() && home.text() == TEXT);
    assert_eq!(home.run(&["wrap", "cursor", "Files X", "--yes"]).unwrap(), Exit::Good);
    assert!(home.text().contains(&format!("\"--policy\", \"{}\"", made.display())));
    assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
    let policy = policy::Document::parse(&fs::read_to_string(&made).unwrap()).unwrap();
    let compiled = policy::Policy::compile(&policy);
    let args = policy::Value::parse("{}").unwrap();
    let tool = policy::ToolDefinition::new("anything".to_owned(), None, None, None);
    let call = policy::Call {
        target: policy::Target::Tool(tool.facts()),
        args: &args,
        grant: policy::GrantFacts { label: "x", tags: &std::collections::BTreeMap::new() },
        client: policy::ClientFacts { name: None, version: None },
        now: UnixMillis(0),
    };
    let verdict = policy::decide(&compiled, &call).verdict;
    assert!(matches!(verdict, policy::Verdict::Hold(..)), "{verdict:?}");
    // What somebody made of it since stays.
    assert_eq!(home.run(&["unwrap", "cursor", "Files X", "--yes"]).unwrap(), Exit::Good);
    assert_eq!(home.text(), TEXT);
    let own = "{\"version\": \"1\", \"default\": \"deny\"}";
    fs::write(&made, own).unwrap();
    assert_eq!(home.run(&["wrap", "cursor", "Files X", "--yes"]).unwrap(), Exit::Good);
    assert_eq!(fs::read_to_string(&made).unwrap(), own);
    fs::write(&made, "{").unwrap();
    let broken = home.run(&["wrap", "cursor", "Files X", "--yes"]).unwrap_err();
    assert_eq!(broken.report(), Exit::Policy);
}

/// Broken and hostile files are refused or changed in the one entry, and never lose a byte elsewhere.
#[test]
fn files_that_are_not_understood_stay_as_they_are() {
    let deep = format!("{{\"mcpServers\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let twice = "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"a\": {\"command\": \"y\"}}}";
    let containers = "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}, \"mcpServers\": {\"a\": {\"command\": \"y\"}}}";
    let texts: [&str; 14] = [
        "",
        "\u{feff}",
        "{",
        "[]",
        "null",
        "{\"mcpServers\": []}",
        "{\"mcpServers\": {\"a\": \"x\"}}",
        "{\"mcpServers\": {\"a\": {\"command\": 7}}}",
        "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": \"-y\"}}}",
        "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [1]}}}",
        "{\"mcpServers\": {\"a\": {\"url\": \"https://x\"}}}",
        twice,
        containers,
        &deep,
    ];
    for text in texts {
        let home = Home::new();
        fs::write(home.file(), text).unwrap();
        let shown: String = text.chars().take(80).collect();
        assert!(home.run(&["wrap", "cursor", "a", "--yes"]).is_err(), "{shown}");
        assert_eq!(home.text(), text, "{shown}");
        assert!(home.copies().is_empty(), "{shown}");
    }
    let home = Home::new();
    fs::write(home.file(), [0xff, 0xfe, b'{', b'}']).unwrap();
    assert!(home.run(&["wrap", "cursor", "a", "--yes"]).is_err());
    assert_eq!(fs::read(home.file()).unwrap(), [0xff, 0xfe, b'{', b'}']);
}

#[test]
fn nothing_is_written_without_a_yes() {
    let home = Home::new();
    assert_eq!(
        home.run(&["wrap", "cursor", "Files X", "--policy", "POLICY", "--dry-run"]).unwrap(),
        Exit::Good
    );
    let refused = [
        vec!["wrap", "cursor", "nobody", "--policy", "POLICY", "--yes"],
        vec!["wrap", "kimi", "Files X", "--policy", "POLICY", "--yes"],
        vec!["unwrap", "cursor", "Files X", "--yes"],
        vec!["wrap", "cursor", "Files X", "--policy", "/nowhere.json", "--yes"],
    ];
    for line in refused {
        assert_eq!(home.run(&line).unwrap_err().report(), Exit::Usage, "{line:?}");
    }
    let mut stale = WRAP.to_vec();
    stale.extend(["--expect", "00"]);
    assert_eq!(home.run(&stale).unwrap_err().report(), Exit::Failed);
    fs::write(home.dir.path().join("p.json"), "{").unwrap();
    assert_eq!(home.run(&WRAP).unwrap_err().report(), Exit::Policy);
    assert_eq!(home.text(), TEXT);
    assert!(home.copies().is_empty());
}

#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_changed() {
    let home = Home::new();
    let real = home.dir.path().join("dotfiles.json");
    fs::rename(home.file(), &real).unwrap();
    symlink(&real, home.file()).unwrap();
    assert_eq!(home.run(&WRAP).unwrap(), Exit::Good);
    assert!(fs::symlink_metadata(home.file()).unwrap().is_symlink());
    assert_ne!(fs::read_to_string(&real).unwrap(), TEXT);
}

#[test]
fn a_link_out_of_the_home_is_left_alone() {
    let home = Home::new();
    let outside = tempfile::tempdir().unwrap();
    let real = outside.path().join("mcp.json");
    fs::rename(home.file(), &real).unwrap();
    symlink(&real, home.file()).unwrap();
    assert_eq!(home.run(&WRAP).unwrap_err().report(), Exit::Usage);
    assert_eq!(fs::read_to_string(&real).unwrap(), TEXT);
}

fn change(path: &Path, old: &str) -> Change {
    Change::new(path.to_owned(), old.to_owned(), "new".to_owned())
}

#[test]
fn a_file_that_changed_meanwhile_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    for found in ["olc", "old and more", ""] {
        fs::write(&path, found).unwrap();
        let made = change(&path, "old").make(UnixMillis(0));
        assert!(matches!(made, Err(ChangeError::Changed)), "{found}");
        assert_eq!(fs::read_to_string(&path).unwrap(), found);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_second_name_is_a_reason_to_stop_and_copies_do_not_overwrite_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, "old").unwrap();
    let first = change(&path, "old").make(UnixMillis(0)).unwrap();
    fs::write(&path, "old").unwrap();
    let second = change(&path, "old").make(UnixMillis(0)).unwrap();
    assert_ne!(first, second);
    assert_eq!(first.file_name().unwrap(), "f.portcullis-19700101T000000Z.bak");
    fs::write(&path, "old").unwrap();
    fs::hard_link(&path, dir.path().join("g")).unwrap();
    assert!(matches!(change(&path, "old").make(UnixMillis(0)), Err(ChangeError::HardLink)));
}

#[test]
fn names_become_slugs() {
    assert_eq!(slug("Files X"), "files-x");
    assert_eq!(slug("@acme/\u{e9}"), "acme");
    assert_eq!(slug("\u{1f512}"), "local");
    assert_eq!(slug(&"a".repeat(100)).len(), 63);
}

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use console::clients::snippet::{self, Access, TokenSource};
use console::clients::{Base, CLIENTS, Scope, System};

use super::{Report, look};
use crate::client_files::Machine;
use crate::config::Environment;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A home with a file for every place of every client that keeps its servers under one name, and
/// the number of files.
fn made_home(at: &Path) -> usize {
    let mut files = 0;
    for client in CLIENTS {
        let access = Access {
            name: "pay",
            url: "https://pay.example/mcp",
            token: TokenSource::Literal("pcl_0123456789abcdef"),
        };
        let made = snippet::of(client, access).unwrap();
        for place in client.places {
            if place.container != made.place.container || !place.systems.contains(&System::Linux) {
                continue;
            }
            let base = match place.base {
                Base::Home => at.join("home"),
                Base::Applications | Base::Configuration => at.join("home/.config"),
                Base::Variable(_, folder) => at.join("home").join(folder),
                Base::Project => at.join("project"),
                Base::Root => at.join("root"),
            };
            let path = base.join(place.path.replace("**", "one/two"));
            write(&path, &made.text);
            files += 1;
        }
    }
    files
}

fn report(at: &Path, environment: &Environment) -> Report {
    let machine = Machine {
        system: System::Linux,
        home: at.join("home"),
        root: at.join("root"),
        projects: vec![at.join("project")],
        environment,
    };
    look(&machine, |_| true, &["https://gate.example".to_owned()])
}

#[test]
fn the_servers_of_every_client_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let files = made_home(dir.path());
    let report = report(dir.path(), &Environment::of(&[]));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.servers.len(), files);
    for client in CLIENTS {
        let rows: Vec<_> = report.servers.iter().filter(|row| row.client == client.id).collect();
        assert!(!rows.is_empty(), "{}", client.id);
        for row in rows {
            assert_eq!(row.server, "pay");
            assert!(row.enabled);
            // What `connect` carries is behind a gateway; a URL is only behind one that was named.
            assert_eq!(row.behind_gateway, row.transport == "stdio", "{}", client.id);
            assert!(!row.secrets.is_empty(), "{}", client.id);
        }
    }
    let scopes = [Scope::System, Scope::User, Scope::Project, Scope::Plugin];
    for scope in scopes.map(Scope::as_str) {
        assert!(report.servers.iter().any(|row| row.scope == scope), "{scope}");
    }
    let text = serde_json::to_string(&report).unwrap();
    assert!(!text.contains("pcl_0123"), "a token is shown");
}

#[test]
fn variables_name_other_folders() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    write(&elsewhere.join("config.toml"), "[mcp_servers.a]\ncommand = \"npx\"\n");
    let elsewhere = elsewhere.display().to_string();
    let found = report(dir.path(), &Environment::of(&[("CODEX_HOME", &elsewhere)]));
    assert_eq!(found.servers.len(), 1);
    assert_eq!(found.servers.first().unwrap().client, "codex");
    let relative = report(dir.path(), &Environment::of(&[("CODEX_HOME", "elsewhere")]));
    assert!(relative.servers.is_empty());
}

#[test]
fn files_that_cannot_be_read_are_named_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    write(&home.join(".cursor/mcp.json"), "{ \"mcpServers\": { \"secret-value\"");
    fs::create_dir_all(home.join(".kimi/mcp.json")).unwrap();
    write(&home.join(".factory/mcp.json"), "{\"mcpServers\":{\"a\":{\"command\":\"x\"}}}");
    let found = report(dir.path(), &Environment::of(&[]));
    assert_eq!(found.servers.len(), 1);
    let named: Vec<&str> = found.problems.iter().map(|problem| problem.client).collect();
    assert_eq!(named, ["cursor", "kimi"]);
    assert!(!found.problems.iter().any(|problem| problem.why.contains("secret-value")));
}

#[test]
fn a_link_is_followed_within_its_folder_and_not_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let text = "{\"mcpServers\":{\"a\":{\"command\":\"x\"}}}";
    write(&home.join("dotfiles/cursor.json"), text);
    write(&dir.path().join("outside.json"), text);
    fs::create_dir_all(home.join(".cursor")).unwrap();
    fs::create_dir_all(home.join(".factory")).unwrap();
    fs::create_dir_all(home.join(".kimi")).unwrap();
    symlink(home.join("dotfiles/cursor.json"), home.join(".cursor/mcp.json")).unwrap();
    symlink(dir.path().join("outside.json"), home.join(".factory/mcp.json")).unwrap();
    symlink("/nowhere/at/all", home.join(".kimi/mcp.json")).unwrap();
    let found = report(dir.path(), &Environment::of(&[]));
    assert_eq!(found.servers.iter().map(|row| row.client).collect::<Vec<_>>(), ["cursor"]);
    let named: Vec<&str> = found.problems.iter().map(|problem| problem.client).collect();
    assert_eq!(named, ["factory", "kimi"]);
}

#[test]
fn a_pipe_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("home/.kimi/mcp.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    let found = report(dir.path(), &Environment::of(&[]));
    assert_eq!(found.problems.len(), 1);
}

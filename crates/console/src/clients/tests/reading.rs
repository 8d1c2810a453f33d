use std::fmt::Write as _;
use std::path::PathBuf;

use expect_test::expect_file;

use crate::clients::read::{self, Entry, EntryTransport};
use crate::clients::{CLIENTS, Client, Package, SyntaxError};

fn fixture(client: &Client) -> String {
    let name = format!("testdata/clients/{}.{}", client.id, client.format.as_str());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn containers(client: &Client) -> Vec<&'static [&'static str]> {
    let mut all: Vec<_> = client.places.iter().map(|place| place.container).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn line(entry: &Entry) -> String {
    let mut text = format!("  {:?}", entry.name);
    if let Some(project) = &entry.project {
        write!(text, " of {project:?}").unwrap();
    }
    match &entry.transport {
        EntryTransport::Program(command) => write!(text, " starts {}", command.len()).unwrap(),
        EntryTransport::Url(_) => write!(text, " speaks to").unwrap(),
        EntryTransport::Unknown => write!(text, " is unknown").unwrap(),
    }
    write!(text, " {}", entry.summary()).unwrap();
    if let Some(Package { ecosystem, version, .. }) = entry.package() {
        write!(text, " ({ecosystem} {})", version.as_deref().unwrap_or("unpinned")).unwrap();
    }
    if !entry.enabled {
        text.push_str(" off");
    }
    if entry.behind_gateway(&["http://127.0.0.1:8420".to_owned()]) {
        text.push_str(" behind the gateway");
    }
    write!(text, " secrets {:?}", entry.secrets).unwrap();
    text
}

#[test]
fn the_file_of_every_client_is_read() {
    let mut text = String::new();
    for client in CLIENTS {
        writeln!(text, "{}", client.id).unwrap();
        let entries = read::entries(client.format, &fixture(client), &containers(client)).unwrap();
        assert!(entries.iter().any(|e| e.transport != EntryTransport::Unknown), "{}", client.id);
        for entry in &entries {
            writeln!(text, "{}", line(entry)).unwrap();
        }
    }
    expect_file!["../../../testdata/clients/read.txt"].assert_eq(&text);
}

#[test]
fn no_value_of_a_secret_is_in_what_is_shown() {
    for client in CLIENTS {
        let entries = read::entries(client.format, &fixture(client), &containers(client)).unwrap();
        for entry in entries {
            let shown = format!("{} {:?} {:?}", entry.summary(), entry.secrets, entry.settings);
            for secret in ["ghp_", "hunter2", "s3cr3t", "sk-0123", "Bearer", "pcl_0123"] {
                assert!(!shown.contains(secret), "{} shows {secret}: {shown}", client.id);
            }
        }
    }
}

#[test]
fn a_pasted_text_is_read_whatever_client_it_comes_from() {
    for client in CLIENTS {
        let whole = read::entries(client.format, &fixture(client), &containers(client)).unwrap();
        let wanted: Vec<&str> = whole
            .iter()
            .filter(|e| e.transport != EntryTransport::Unknown)
            .map(|e| e.name.as_str())
            .collect();
        let pasted = read::pasted(&fixture(client)).unwrap();
        let mut found: Vec<&str> = pasted.iter().map(|e| e.name.as_str()).collect();
        let mut wanted = wanted;
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{}", client.id);
    }
}

#[test]
fn a_piece_of_a_file_is_enough() {
    let names = |text: &str| -> Vec<String> {
        read::pasted(text).unwrap().into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names(r#"{"pay": {"url": "https://p.example/mcp"}}"#), ["pay"]);
    assert_eq!(names(r#"{"command": "npx", "args": ["x"]}"#), ["server"]);
    assert_eq!(names(r#""pay": {"url": "https://p.example/mcp"}"#), ["pay"]);
    assert_eq!(names("[mcp_servers.a]\nurl = \"https://a.example\"\n"), ["a"]);
    assert_eq!(names("{}"), [""; 0]);
    assert!(matches!(read::pasted("{ nothing"), Err(SyntaxError::Malformed { .. })));
}

#[test]
fn what_is_nested_or_long_beyond_any_use_is_refused() {
    let deep = "[".repeat(200);
    assert_eq!(read::pasted(&format!("{{\"a\": {deep}")).unwrap_err(), SyntaxError::TooDeep);
    let yaml = format!("a: {deep}");
    assert!(read::pasted(&yaml).is_err());
    let long = " ".repeat(crate::clients::CLIENT_FILE_BYTES_MAX + 1);
    assert_eq!(read::pasted(&long).unwrap_err(), SyntaxError::TooLong);
}

#[test]
fn an_alias_of_yaml_stands_for_nothing() {
    let text = "a: &a [x, x]\nextensions:\n  b:\n    cmd: *a\n  c:\n    cmd: uvx\n";
    let found = read::pasted(text).unwrap();
    assert_eq!(found.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn packages_are_known_by_the_runners_that_fetch_them() {
    let package = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Package::of(&words).map(|p| (p.ecosystem, p.name, p.version))
    };
    let some =
        |e: &'static str, n: &str, v: Option<&str>| Some((e, n.to_owned(), v.map(str::to_owned)));
    assert_eq!(package("npx -y @a/b@1.2"), some("npm", "@a/b", Some("1.2")));
    assert_eq!(package("npx.cmd a"), some("npm", "a", None));
    assert_eq!(package("npx --package=a@2 b"), some("npm", "a", Some("2")));
    assert_eq!(package("pnpm dlx a@latest"), some("npm", "a", Some("latest")));
    assert_eq!(package("uvx --from a==1 b"), some("pypi", "a", Some("1")));
    assert_eq!(package("uv tool run a@3"), some("pypi", "a", Some("3")));
    assert_eq!(package("pipx run a"), some("pypi", "a", None));
    let image = "docker run -i --rm -e K --name x localhost:5000/a/b:1 --flag";
    assert_eq!(package(image), some("oci", "localhost:5000/a/b", Some("1")));
    assert_eq!(package("podman run a@sha256:00"), some("oci", "a", Some("sha256:00")));
    assert_eq!(package("node server.js"), None);
    assert_eq!(package("docker ps"), None);
}

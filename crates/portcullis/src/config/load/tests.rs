//! Every file of `testdata/config` that holds `# expect line:column message | help` lines is
//! refused with exactly these problems: the message and the help begin as written.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use store::{AuditMode, NewTools, TokenHash, Transport};

use super::{ConfigError, Source, find, load, parse};
use crate::config::policies::{PinnedTools, run_tests};
use crate::config::{AuditValues, Environment, FileProblems, Position};

/// What the fuzz target checks of a file.
#[path = "../../../../../fuzz/edge/src/config_file.rs"]
mod config_file;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config").join(name)
}

fn environment() -> Environment {
    Environment::of(&[("TOKEN_A", "token-of-a-1234567"), ("EMPTY", "")])
}

fn refused(text: &str, path: PathBuf) -> FileProblems {
    let environment = environment();
    match parse(text, &Source { path, environment: &environment }) {
        Err(ConfigError::Invalid(file)) => file,
        other => panic!("not refused: {other:?}"),
    }
}

/// `(line, column, message, help)` of every `# expect` line.
fn expected(text: &str) -> Vec<(usize, usize, String, String)> {
    let wanted = text.lines().filter_map(|line| line.strip_prefix("# expect "));
    wanted
        .map(|line| {
            let (place, rest) = line.split_once(' ').unwrap();
            let (line, column) = place.split_once(':').unwrap();
            let (message, help) = rest.split_once(" | ").unwrap_or((rest, ""));
            (line.parse().unwrap(), column.parse().unwrap(), message.to_owned(), help.to_owned())
        })
        .collect()
}

#[test]
fn bad_files_are_refused_with_all_their_problems() {
    let mut files = 0;
    for entry in std::fs::read_dir(testdata("")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = expected(&text);
        if expected.is_empty() {
            continue;
        }
        files += 1;
        let file = refused(&text, path.clone());
        let found: Vec<String> = file
            .problems
            .iter()
            .map(|problem| {
                let at = Position::of(&file.text, problem.span.start);
                let help = problem.help.as_deref().unwrap_or_default();
                format!("{}:{} {} | {help}", at.line, at.column, problem.message)
            })
            .collect();
        assert_eq!(found.len(), expected.len(), "{}: {found:#?}", path.display());
        for (found, (line, column, message, help)) in found.iter().zip(&expected) {
            let begins = found.starts_with(&format!("{line}:{column} {message}"));
            let cured = found.split_once(" | ").unwrap().1.starts_with(help.as_str());
            assert!(
                begins && cured,
                "{}: {found} is not {line}:{column} {message}",
                path.display()
            );
        }
    }
    assert!(files >= 5, "only {files} files");
}

#[test]
fn messages_never_repeat_secrets() {
    let text = std::fs::read_to_string(testdata("public.toml")).unwrap();
    let shown = format!("{:?}", refused(&text, testdata("public.toml")).problems);
    assert!(!shown.contains("secret"), "{shown}");
    assert!(!shown.contains("literal"), "{shown}");
}

#[test]
fn an_empty_file_has_every_default() {
    let environment = environment();
    let source =
        Source { path: PathBuf::from("/etc/x/portcullis.toml"), environment: &environment };
    let config = parse("", &source).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/etc/x/data"));
    assert_eq!(config.listen.gateway.to_string(), "127.0.0.1:8420");
    assert_eq!(config.listen.console.to_string(), "127.0.0.1:8421");
    assert_eq!(config.drain_seconds, 20);
    assert_eq!(config.audit_mode, AuditMode::Durable);
    assert_eq!(config.audit_values, AuditValues::Redacted);
    assert_eq!(config.hold_waits.plain_seconds, 25);
    assert_eq!(config.hold_waits.with_progress_seconds, 120);
    assert_eq!(config.public_url, None);
    assert_eq!(config.watched, [source.path]);
}

#[test]
fn sign_on_is_read_with_its_secret_and_bounds() {
    let text = "[console.oidc]\nissuer = \"http://127.0.0.1:9000\"\nclient_id = \"portcullis\"\n\
        client_secret = \"env:TOKEN_A\"\ndomains = [\"Example.COM\"]\nrole_for_new = \"viewer\"";
    let environment = environment();
    let source =
        || Source { path: PathBuf::from("/etc/x/portcullis.toml"), environment: &environment };
    let read = parse(text, &source()).unwrap().sign_on.unwrap();
    assert_eq!(
        (read.issuer.as_str(), read.client_id.as_str()),
        ("http://127.0.0.1:9000", "portcullis")
    );
    assert_eq!(read.client_secret.unwrap().expose(), "token-of-a-1234567");
    assert_eq!(
        (read.domains, read.role_for_new),
        (vec!["example.com".to_owned()], Some(store::ApiRole::Viewer))
    );
    assert_eq!(parse("[console]\n", &source()).unwrap().sign_on, None);
    let alone = text.replace("domains = [\"Example.COM\"]\n", "");
    let problem = &refused(&alone, "x.toml".into()).problems[0];
    assert!(problem.message.contains("lets nobody in without `domains`"), "{}", problem.message);
    for issuer in [
        "http://login.example.com",
        "https://u:p@login.example.com",
        "login.example.com",
        "https://x/#y",
    ] {
        let odd = text.replace("http://127.0.0.1:9000", issuer);
        let problem = &refused(&odd, "x.toml".into()).problems[0];
        assert!(problem.message.contains("`issuer` must be"), "{issuer}: {}", problem.message);
    }
}

#[test]
fn a_full_file_is_read_whole() {
    let environment = environment();
    let path = testdata("full.toml");
    let config = load(&Source { path: path.clone(), environment: &environment }).unwrap();
    assert_eq!(config.public_url.as_deref(), Some("http://127.0.0.1:8420"));
    let pay = &config.servers[0];
    assert_eq!(pay.timeouts.first_byte_ms, 7_000);
    assert_eq!(pay.timeouts.total_ms, 300_000);
    assert_eq!(pay.new_tools, NewTools::Quarantine);
    assert!(pay.accept_first && pay.allow_private_address && pay.managed_by_file);
    assert!(pay.from_server.sampling && pay.from_server.elicitation && !pay.from_server.roots);
    let Transport::Http { headers, .. } = &pay.transport else { panic!("{pay:?}") };
    assert_eq!(headers[0].0, "authorization");
    assert_eq!(headers[0].1.expose(), "token-of-a-1234567");
    let Transport::Stdio { command, env } = &config.servers[1].transport else { panic!() };
    assert_eq!(command[0], "some-server");
    assert_eq!(env[0].1.expose(), "production");
    assert_eq!(config.policies[0].document.tests().len(), 1);
    run_tests(&config.policies, &PinnedTools::new()).unwrap();
    assert_eq!(config.grants[0].token_hash, TokenHash::of("token-from-a-file-0"));
    assert_eq!(config.grants[0].expires_at.unwrap().0, 1_798_761_600_000);
    assert_eq!(config.grants[0].expires_at, config.grants[1].expires_at);
    assert_eq!(config.grants[0].tags["team"], "finance");
    assert_eq!(config.api_tokens[0].role, store::ApiRole::Approver);
    let token = testdata("full.token");
    let policy = testdata("good.policy.json");
    assert_eq!(config.watched, [path, token, policy]);
    assert!(!format!("{config:?}").contains("token-of-a"));
}

/// A configuration with one policy of this text, for the server `a`.
fn with_policy(policy: &str, more: &str) -> Result<crate::config::Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.toml");
    std::fs::write(folder.path().join("p.json"), policy).unwrap();
    let tools = r#"[{"name": "x", "inputSchema": {"type": "object", "required": ["n"]}}]"#;
    std::fs::write(folder.path().join("tools.json"), tools).unwrap();
    let text = format!(
        "[[server]]\nslug = \"a\"\nurl = \"https://example.com/\"\n\
         [[policy]]\nname = \"p\"\nserver = \"a\"\nfile = \"p.json\"\n{more}\n"
    );
    std::fs::write(&path, text).unwrap();
    let environment = environment();
    load(&Source { path, environment: &environment })
}

#[test]
fn a_bad_policy_refuses_the_load() {
    let policy = "{\n  \"version\": \"1\",\n  \"default\": \"never\"\n}";
    let Err(error @ ConfigError::Policies(_)) = with_policy(policy, "") else { panic!() };
    let lines = error.lines().join("\n");
    assert!(lines.contains("p.json:3:14: "), "{lines}");
}

#[test]
fn a_policys_tests_are_run_against_the_tools_that_are_known() {
    let policy = r#"{"version": "1", "default": "deny", "tools": {"x": {"validate": "schema"}}, "tests": [
  {"call": {"tool": "x", "args": {"n": 1}}, "expect": {"verdict": "allow"}}]}"#;
    let config = with_policy(policy, "").unwrap();
    let files = run_tests(&config.policies, &PinnedTools::new()).unwrap_err();
    let lines = files[0].lines().join("\n");
    assert!(lines.contains("p.json:2:3: the policy's own test fails"), "{lines}");
    assert!(files[0].problems[0].help.as_deref().unwrap().contains("tools ="));
    let schema = r#"{"name": "x", "inputSchema": {"type": "object"}}"#;
    let tool = crate::tool_file::pinned(schema, None, None).unwrap();
    let slug = config.policies[0].server.clone();
    run_tests(&config.policies, &PinnedTools::from([(slug, vec![tool])])).unwrap();
    let config = with_policy(policy, "tools = \"tools.json\"").unwrap();
    run_tests(&config.policies, &PinnedTools::new()).unwrap();
    assert_eq!(config.watched.len(), 3, "the tools are watched, too");
}

#[test]
fn the_file_is_looked_for_in_a_fixed_order() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let none = Environment::of(&[("XDG_CONFIG_HOME", home)]);
    assert!(
        matches!(find(None, &none), Err(ConfigError::NotFound { looked }) if looked.len() == 3)
    );
    std::fs::create_dir(folder.path().join("portcullis")).unwrap();
    let user = folder.path().join("portcullis/config.toml");
    std::fs::write(&user, "").unwrap();
    assert_eq!(find(None, &none).unwrap(), user);
    let named = Environment::of(&[("XDG_CONFIG_HOME", home), ("PORTCULLIS_CONFIG", "/x.toml")]);
    assert_eq!(find(None, &named).unwrap(), PathBuf::from("/x.toml"));
    assert_eq!(find(Some(Path::new("y.toml")), &named).unwrap(), PathBuf::from("y.toml"));
}

#[test]
fn a_token_that_looks_like_one_of_ours_needs_no_check_digits() {
    let environment = environment();
    let text = "[[server]]\nslug = \"a\"\nurl = \"https://example.com/\"\n[[grant]]\nlabel = \"a\"\n\
                server = \"a\"\ntoken = \"pcl_not-made-by-the-gateway\"\n";
    let source = Source { path: PathBuf::from("x.toml"), environment: &environment };
    let config = parse(text, &source).unwrap();
    assert_eq!(config.grants[0].token_hash, TokenHash::of("pcl_not-made-by-the-gateway"));
}

#[test]
fn the_reference_page_shows_a_file_that_loads() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let policy = "{\"version\": \"1\", \"default\": \"deny\"}";
    std::fs::write(folder.path().join("pay.policy.json"), policy).unwrap();
    let path = folder.path().join("portcullis.toml");
    std::fs::write(&path, example).unwrap();
    let environment = Environment::of(&[
        ("PAY_KEY", "Bearer upstream"),
        ("PATH", "/usr/bin:/bin"),
        ("AGENT_TOKEN", "agent-token-0123456"),
        ("API_TOKEN", "api-token-0123456789"),
    ]);
    let config = load(&Source { path, environment: &environment }).unwrap();
    assert_eq!(config.servers.len(), 2);
}

/// The inputs that the fuzz target keeps, and the good file.
fn kept_inputs() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/config");
    let kept = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    kept.chain([testdata("full.toml")]).map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn kept_inputs_keep_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = kept_inputs();
    assert!(inputs.len() >= 10);
    for input in &inputs {
        config_file::run(input, folder.path());
    }
}

proptest! {
    #[test]
    fn changed_inputs_keep_the_promises(
        input in select(kept_inputs()),
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), "[\\PC\n\"'#=.\\[\\]{}]{0,6}"), 1..4),
    ) {
        let mut bytes = input;
        for (from, length, with) in changes {
            let from = from.index(bytes.len() + 1);
            let to = (from + length.index(12)).min(bytes.len());
            bytes.splice(from..to, with.into_bytes());
        }
        let folder = tempfile::tempdir().unwrap();
        config_file::run(&bytes, folder.path());
    }
}

use clap::Parser;
use serde_json::Value;
use store::Entropy;

use super::command::{DemoCommand, shell_word};
use super::text::{LINES, LineKind};
use super::{POLICY, prepare, state, text};
use crate::cli::{Cli, Command};
use crate::config::{self, Environment};

/// Splits as a shell does, as far as the lines of the demo need it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn parsed(arguments: &str) -> DemoCommand {
    let words = ["portcullis".to_owned()].into_iter().chain(words(arguments));
    let command = Cli::try_parse_from(words).unwrap().command;
    let Command::Demo(args) = command else { panic!("{command:?}") };
    args.into_command().unwrap()
}

#[test]
fn each_line_does_what_its_words_say() {
    for (index, line) in LINES.iter().enumerate() {
        assert_eq!(usize::from(line.number), index + 1);
        match (parsed(line.arguments), line.kind) {
            (DemoCommand::Call(call), LineKind::Call { tool, times }) => {
                assert_eq!((call.tool.as_str(), call.times), (tool, times));
                assert_eq!(call.arguments, serde_json::from_str::<Value>(line.json).unwrap());
            }
            (DemoCommand::Call(call), LineKind::Hold { tool }) => {
                assert_eq!((call.tool.as_str(), call.times), (tool, 1));
                assert_eq!(call.arguments, serde_json::from_str::<Value>(line.json).unwrap());
            }
            (DemoCommand::Audit, LineKind::Audit) => assert_eq!(line.json, "null"),
            (parsed, kind) => panic!("line {}: {parsed:?} is not {kind:?}", line.number),
        }
    }
}

#[test]
fn the_policy_passes_its_own_tests_without_knowing_the_server() {
    let document = policy::Document::parse(POLICY).unwrap();
    assert_eq!(policy::run_document_tests(&document, &[]), []);
    assert!(document.tests().len() >= 5);
}

#[test]
fn what_the_demo_writes_is_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let prepared = prepare(&dir.path().join("new"), &Entropy::system()).unwrap();
    let environment = Environment::of(&[]);
    let source = config::Source { path: prepared.config.clone(), environment: &environment };
    let config = config::load(&source).unwrap();
    let url = format!("http://{}/mcp/pay", config.listen.gateway);
    assert_eq!(prepared.state.mcp_url, url);
    assert_eq!(prepared.state.api_url, format!("http://{}", config.listen.console));
    assert_eq!((config.grants.len(), config.api_tokens.len()), (1, 1));
}

#[test]
fn the_welcome_shows_every_line_behind_the_command() {
    let state = state::State {
        mcp_url: "http://127.0.0.1:1/mcp/pay".to_owned(),
        api_url: "http://127.0.0.1:2".to_owned(),
        grant_token: "pcl_agent".to_owned(),
        api_token: "pcl_never_shown".to_owned(),
    };
    let text = text::welcome(&state, "target/release/portcullis");
    for line in LINES {
        assert!(text.contains(&format!("\n     target/release/portcullis {}\n", line.arguments)));
    }
    assert!(text.contains("\n     target/release/portcullis demo approve\n"));
    assert!(!text.contains(&state.api_token), "the API's token is for the small commands only");
}

#[test]
fn a_state_is_read_back_and_only_by_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = state::path(Some(dir.path()));
    assert!(matches!(state::read(&path), Err(state::StateError::NoDemo)));
    let written = state::State {
        mcp_url: "u".to_owned(),
        api_url: "a".to_owned(),
        grant_token: "g".to_owned(),
        api_token: "t".to_owned(),
    };
    state::write(&path, &written).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(state::read(&path).unwrap().api_token, "t");
    assert!(!format!("{written:?}").contains("grant_token"));
    let parent = path.parent().unwrap();
    std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(state::read(&path), Err(state::StateError::File { .. })));
    assert!(matches!(state::write(&path, &written), Err(state::StateError::File { .. })));
}

#[test]
fn a_word_stays_one_word_in_a_shell() {
    assert_eq!(shell_word("target/release/portcullis"), "target/release/portcullis");
    assert_eq!(shell_word("/my tools/port'cullis"), r"'/my tools/port'\''cullis'");
}

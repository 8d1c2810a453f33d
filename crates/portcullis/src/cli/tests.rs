use std::fmt::Write as _;

use clap::{Command, CommandFactory, Parser};
use expect_test::expect_file;

use super::Cli;

/// The help of a command and of all below it.
fn help(command: &mut Command, path: &str, out: &mut String) {
    let name = format!("{path}{}", command.get_name());
    let text = command.render_long_help();
    writeln!(out, "$ {name} --help\n{}\n", text.to_string().trim_end()).unwrap();
    for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
        help(below, &format!("{name} "), out);
    }
}

#[test]
fn the_help_of_every_command_is_as_recorded() {
    let mut command = Cli::command().term_width(100);
    command.build();
    command.clone().debug_assert();
    let mut text = String::new();
    help(&mut command, "", &mut text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    expect_file!["../../testdata/help.txt"]
        .assert_eq(&format!("{}\n", lines.join("\n").trim_end()));
}

#[test]
fn the_forms_that_the_reference_gives_are_accepted() {
    let accepted = [
        "serve",
        "serve --config FILE",
        "policy validate FILE --json",
        "policy fmt FILE",
        "policy schema",
        "policy test FILE",
        "policy cases FILE OTHER",
        "policy explain POLICY --tool NAME --args {}",
        "policy explain POLICY --tool NAME --args {} --tools FILE --json",
        "policy diff OLD NEW",
        "policy replay FILE --since 7d --grant agent -o json --config FILE",
        "policy list --json",
        "policy history NAME --config FILE",
        "policy restore NAME 3 --mode observe --note TEXT",
        "run --policy FILE -- npx -y some-server /srv --verbose",
        "run --policy FILE --server-name files --env HOME --data-dir DIR -- program",
        "connect http://127.0.0.1:8420/mcp/pay --token-env NAME",
        "demo",
        "demo --dir DIR --run-all",
        "demo call TOOL {} --times 11",
        "demo approve --reason TEXT",
        "demo reject",
        "demo audit",
        "server add pay --url https://pay.example/mcp --config FILE",
        "server add files -- npx -y some-server /srv",
        "server list --json",
        "server inspect pay --json",
        "server tools pay",
        "server accept pay TOOL --digest 00",
        "server remove pay",
        "grant create --label agent --server pay --policy strict --tag team=finance --json",
        "people setup-link",
        "people invite ada@example.com --role admin --json",
        "people new-password ada@example.com",
        "people list",
        "grant list",
        "grant rotate agent --overlap-seconds 60",
        "grant revoke agent",
        "approvals list --state pending --json",
        "approvals approve apr_0 --reason TEXT",
        "approvals reject apr_0",
        "approvals watch --config FILE",
        "audit tail --json",
        "audit query --verdict deny --limit 20",
        "audit export --format csv --since 2026-11-01T00:00:00Z",
        "audit verify --config FILE",
        "discover",
        "discover --client cursor --project DIR --gateway URL --check -o json",
        "wrap cursor files --policy FILE --dry-run",
        "wrap claude-code db --policy FILE --project NAME --data-dir DIR --yes",
        "unwrap cursor files --file FILE --expect 00",
        "doctor --config FILE --json",
    ];
    for line in accepted {
        let words = std::iter::once("portcullis").chain(line.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_the_grammar_does_not_know_is_a_usage_error() {
    let refused = [
        "",
        "run -- program",
        "run --policy FILE",
        "run --policy FILE program",
        "connect http://127.0.0.1:8420/mcp/pay",
        "demo call TOOL []",
        "demo call TOOL {} --times 0",
        "demo --run-all call TOOL",
        "server add pay",
        "server add pay --url https://pay.example/mcp -- npx",
        "grant create --label agent",
        "approvals list --state late",
        "audit query --since yesterday",
        "serve --port 1",
        "discover --client nobody",
        "wrap cursor",
        "wrap cursor files --policy FILE --yes --dry-run",
        "policy explain P",
        "policy replay P --since yesterday",
        "policy restore P 3 --mode loose",
        "policy explain P --tool a --prompt b",
    ];
    for line in refused {
        let words = std::iter::once("portcullis").chain(line.split(' ').filter(|w| !w.is_empty()));
        let error = Cli::try_parse_from(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

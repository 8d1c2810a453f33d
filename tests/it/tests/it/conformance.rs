//! The official conformance suite: the fixture must pass every required scenario itself, and then
//! check for check the same way through the gateway.

use it::fixture::ConformanceServer;
use it::gateway::{Config, Gateway, Server};
use it::shim::Shim;
use it::suite::{self, Findings, LEGACY, MODERN, Revision};
use serde_json::json;

async fn fixture_conforms(revision: Revision) {
    let server = ConformanceServer::start().await;
    let url = format!("http://localhost:{}/mcp", server.port());
    let found = suite::run(&url, revision).await;
    assert_eq!(found.failures(), Vec::<String>::new(), "{}", found.printed);
    assert_eq!(found.scored(), revision.scenarios, "{}", found.printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_conforms_to_the_last_stateful_revision() {
    fixture_conforms(LEGACY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_conforms_to_the_stateless_revision() {
    fixture_conforms(MODERN).await;
}

/// What the suite finds at two places, check by check.
fn differences(direct: &Findings, through: &Findings) -> Vec<String> {
    let differs = |(scenario, checks): (&String, &Vec<String>)| {
        let found = through.checks.get(scenario);
        (found != Some(checks))
            .then(|| format!("{scenario}:\n  direct  {checks:?}\n  through {found:?}"))
    };
    let mut lines: Vec<String> = direct.checks.iter().filter_map(differs).collect();
    let more = through.checks.keys().filter(|scenario| !direct.checks.contains_key(*scenario));
    lines.extend(more.map(|scenario| format!("{scenario}: only through")));
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shim_changes_nothing() {
    let server = ConformanceServer::start().await;
    let door = ([127, 0, 0, 1], server.port()).into();
    let shim = Shim::start(door, "/mcp", "of-no-meaning-to-the-fixture").await;
    for revision in [LEGACY, MODERN] {
        let direct = suite::run(&format!("http://localhost:{}/mcp", server.port()), revision).await;
        let through = suite::run(&shim.url(), revision).await;
        assert_eq!(differences(&direct, &through), Vec::<String>::new(), "{}", through.printed);
    }
}

/// Runs the suite against the fixture itself and through the gateway, and compares every check.
async fn same_through_the_gateway(revision: Revision) {
    let server = ConformanceServer::start().await;
    let direct = format!("http://localhost:{}/mcp", server.port());
    let behind = Server::http("fixture", &direct, "Bearer of-no-meaning-to-the-fixture")
        .with("new_tools = \"allow\"")
        .with("from_server = { sampling = true, roots = true }");
    let policy = json!({ "version": "1", "default": "allow", "tools": {} });
    let config = Config::with_servers(vec![behind]).granting("suite", &policy);
    let gateway = Gateway::start(config).await;
    let token = Config::token_of("suite");
    let shim = Shim::start(gateway.door, "/mcp/fixture", &token).await;
    let wanted = suite::run(&direct, revision).await;
    let found = suite::run(&shim.url(), revision).await;
    let differences = differences(&wanted, &found);
    let log = gateway.log();
    assert!(
        differences.is_empty(),
        "{} of {} scenarios differ:\n{}\nthe gateway's log:\n{log}",
        differences.len(),
        wanted.checks.len(),
        differences.join("\n"),
    );
    assert_eq!(found.failures(), Vec::<String>::new(), "{}", found.printed);
    assert_eq!(found.scored(), revision.scenarios, "{}", found.printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_changes_no_check_of_the_last_stateful_revision() {
    same_through_the_gateway(LEGACY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_changes_no_check_of_the_stateless_revision() {
    same_through_the_gateway(MODERN).await;
}

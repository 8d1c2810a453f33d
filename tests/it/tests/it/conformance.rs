//! The official conformance suite: the fixture must pass every required scenario itself, and then
//! check for check the same way through the gateway.

use it::fixture::ConformanceServer;
use it::suite::{self, LEGACY, MODERN, Revision};

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

//! Attempts to get a call past the gateway, from the case files of this package, each in front of
//! strict servers and of their lenient twins.

use it::bypass;
use it::places;
use it::recorder::Personality::{self, Lenient, Strict};

/// What every reader of the case files may count on.
const CASES_MIN: usize = 200;

async fn holds(file: &str, personality: Personality) {
    let path = places::own(&format!("cases/bypass/{file}.jsonl"));
    let cases = bypass::read(&path).unwrap_or_else(|error| panic!("{file}: {error:?}"));
    let report = bypass::run(&cases, personality).await;
    let failed: Vec<String> = report.failed.iter().map(ToString::to_string).collect();
    let total = report.passed + failed.len();
    assert!(failed.is_empty(), "{} of {total} failed:\n{}", failed.len(), failed.join("\n"));
    assert_eq!(total, cases.len());
}

#[test]
fn there_are_enough_cases() {
    let folder = std::fs::read_dir(places::own("cases/bypass")).expect("the folder");
    let counts =
        folder.map(|file| bypass::read(&file.expect("a file").path()).expect("cases").len());
    let total: usize = counts.sum();
    assert!(total >= CASES_MIN, "{total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_strict() {
    holds("a-json", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lenient() {
    holds("a-json", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_strict() {
    holds("b-values", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_lenient() {
    holds("b-values", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_strict() {
    holds("c-names", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_lenient() {
    holds("c-names", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shape_strict() {
    holds("d-shape", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shape_lenient() {
    holds("d-shape", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_strict() {
    holds("e-methods", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_lenient() {
    holds("e-methods", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_strict() {
    holds("f-http", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_lenient() {
    holds("f-http", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_strict() {
    holds("g-raw", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_lenient() {
    holds("g-raw", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_strict() {
    holds("h-sequences", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_lenient() {
    holds("h-sequences", Lenient).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strings_strict() {
    holds("i-strings", Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strings_lenient() {
    holds("i-strings", Lenient).await;
}

use serde_json::{Value, json};

use super::check;

fn package(name: &str, uses: &[&str]) -> Value {
    let uses: Vec<Value> =
        uses.iter().map(|used| json!({ "name": used, "kind": Value::Null })).collect();
    json!({ "name": name, "dependencies": uses })
}

#[test]
fn the_diamond_holds() {
    let fine = [package("policy", &["regex"]), package("gateway", &["policy", "tokio"])];
    assert_eq!(check(&fine), Vec::<String>::new());
}

#[test]
fn a_wall_is_a_fault_to_cross() {
    let crossed = [package("console", &["gateway"]), package("gateway", &[])];
    assert_eq!(check(&crossed).len(), 1);
    assert_eq!(check(&[package("policy", &["tokio"])]).len(), 1);
    assert_eq!(check(&[package("gateway", &["rmcp"])]).len(), 1);
    assert_eq!(check(&[package("gateway", &["opentelemetry_sdk"])]).len(), 1);
    assert_eq!(check(&[package("portcullis", &["opentelemetry_sdk"])]), Vec::<String>::new());
    assert_eq!(check(&[package("newcomer", &[])]).len(), 1);
}

#[test]
fn what_tests_use_is_free() {
    let mut tested = package("policy", &[]);
    tested["dependencies"] = json!([{ "name": "tokio", "kind": "dev" }]);
    assert_eq!(check(&[tested]), Vec::<String>::new());
}

//! Which crate may depend on which: the reason that there are crates at all. A crate that is not in
//! the table is a fault, so that a new one is a decision.

use serde_json::Value;

/// Crates of this workspace that each crate may use.
const WALLS: [(&str, &[&str]); 10] = [
    ("policy", &[]),
    ("mcp", &[]),
    ("catalogue", &["policy"]),
    ("store", &["policy"]),
    ("gateway", &["policy", "mcp", "store"]),
    ("console", &["policy", "catalogue", "store"]),
    ("portcullis", &["policy", "mcp", "catalogue", "store", "gateway", "console"]),
    ("it", &["policy", "mcp", "catalogue", "store", "gateway", "console"]),
    ("xtask", &[]),
    ("bench", &["policy", "store"]),
];

/// Crates from outside that the inner crates never use: no input or output, no clock, no tasks.
const IO: [&str; 14] = [
    "tokio",
    "tokio-util",
    "hyper",
    "hyper-util",
    "axum",
    "reqwest",
    "rusqlite",
    "rustls",
    "rustix",
    "tracing",
    "clap",
    "rand",
    "refinery",
    "futures-util",
];
/// The crates that stay pure.
const PURE: [&str; 3] = ["policy", "mcp", "catalogue"];
/// Crates that only the integration tests may use.
const TESTS_ONLY: [&str; 1] = ["rmcp"];

/// What begins with this is for the program, which exports traces, and for the tests, which receive
/// them: the gateway says what it does in words of its own.
const TRACES: (&str, [&str; 2]) = ("opentelemetry", ["portcullis", "it"]);

/// Every dependency that no wall lets through, and every crate without a row.
pub(super) fn check(packages: &[Value]) -> Vec<String> {
    let names: Vec<&str> = packages.iter().map(|package| text(package, "name")).collect();
    let mut faults = Vec::new();
    for package in packages {
        let name = text(package, "name");
        let Some((_name, allowed)) = WALLS.iter().find(|(walled, _allowed)| *walled == name) else {
            faults.push(format!("crate {name}: no row in the table of walls"));
            continue;
        };
        let uses = package.get("dependencies").and_then(Value::as_array);
        for used in uses.into_iter().flatten().filter(|used| !is_for_tests(used)) {
            let other = text(used, "name");
            let inside = names.contains(&other) && !allowed.contains(&other);
            let io = PURE.contains(&name) && IO.contains(&other);
            let test_only = TESTS_ONLY.contains(&other) && name != "it";
            let traces = other.starts_with(TRACES.0) && !TRACES.1.contains(&name);
            if inside || io || test_only || traces {
                faults.push(format!("crate {name}: must not depend on {other}"));
            }
        }
    }
    faults
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_for_tests(dependency: &Value) -> bool {
    text(dependency, "kind") == "dev"
}

#[cfg(test)]
#[path = "walls_tests.rs"]
mod tests;

//! Whether a call costs more where there is more: W1 against gateways that have a hundred times as many
//! tools, policies, grants, sessions or audit rows as the first one, interleaved.

use super::child::Child;
use super::config::Setup;
use super::fill;
use super::summary::{Pace, Row, Run};
use super::target::{Plan, Target};
use super::{Ask, Bench, RunArgs};
use crate::workload::Workload;

/// How many there are of everything in the first gateway; audit rows are counted apart.
const FEW: usize = 10;
/// How many times as many there are of one thing in each of the others.
const FACTOR: usize = 100;
/// Connections that call while [`FEW`] times [`FACTOR`] others wait: a gateway has at most 1024 to one
/// server.
const CONNECTIONS: usize = 16;

/// A gateway of the group.
#[derive(Debug)]
struct Variant {
    name: String,
    setup: Setup,
    sessions: usize,
    rows: u32,
}

/// The gateways: the first has few of everything, each other one has many of one thing.
fn variants(rows: u32) -> Vec<Variant> {
    let plain = Setup::plain(Workload::W1);
    let setup = Setup { tools: FEW, policies: FEW, grants: FEW, ..plain };
    let few_rows = rows / u32::try_from(FACTOR).unwrap_or(u32::MAX);
    let many = FEW.saturating_mul(FACTOR);
    let named = |name: String| Variant { name, setup, sessions: FEW, rows: few_rows };
    vec![
        named(format!("{FEW} of each, {few_rows} audit rows")),
        Variant { setup: Setup { tools: many, ..setup }, ..named(format!("{many} tools")) },
        Variant { setup: Setup { policies: many, ..setup }, ..named(format!("{many} policies")) },
        Variant { setup: Setup { grants: many, ..setup }, ..named(format!("{many} grants")) },
        Variant { sessions: many, ..named(format!("{many} sessions with open streams")) },
        Variant { rows, ..named(format!("{rows} audit rows")) },
    ]
}

/// How many measurements there will be.
pub(super) fn steps(args: &RunArgs) -> u64 {
    let variants = u64::try_from(variants(args.rows).len()).unwrap_or(u64::MAX);
    variants.saturating_mul(u64::from(args.rounds))
}

/// Measures the group; one row for each gateway.
///
/// # Errors
/// When something does not start.
pub(super) async fn run(bench: &Bench) -> Result<Vec<Row>, String> {
    let mut started: Vec<(Variant, Target, Child)> = Vec::new();
    let mut rows = Vec::new();
    for (number, variant) in variants(bench.args.rows).into_iter().enumerate() {
        bench.progress.set_message(format!("scale: {}: starts", variant.name));
        let upstream = Child::announced(&bench.place, Workload::W1, variant.setup.tools).await?;
        let folder = format!("scale-{number}");
        let data = bench.place.folder.join(&folder).join("data");
        fill::rows(&data, variant.rows).await?;
        let plan =
            Plan { name: variant.name.clone(), folder, setup: variant.setup, data: Some(&data) };
        let target = Target::gateway(plan, &bench.place, upstream.address).await?;
        target.pause()?;
        rows.push(Row::new(Workload::W1, Pace::Closed, &variant.name));
        started.push((variant, target, upstream));
    }
    for round in 0..bench.args.rounds {
        let mut order: Vec<_> = started.iter().zip(rows.iter_mut()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for ((variant, target, _upstream), row) in order {
            bench.progress.set_message(format!("scale: {}", variant.name));
            let sessions = u32::try_from(variant.sessions).unwrap_or(u32::MAX);
            let ask = Ask {
                workload: Workload::W1,
                pace: Pace::Closed,
                connections: Some(CONNECTIONS),
                sessions,
            };
            let found = bench.measure(ask, target).await?;
            row.runs.push(Run { round, found });
            bench.progress.inc(1);
        }
    }
    for (_variant, target, _upstream) in started {
        target.stop().await?;
    }
    Ok(rows)
}

#[cfg(test)]
#[path = "scale_tests.rs"]
mod tests;

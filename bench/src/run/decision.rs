//! The time of one decision with its trace, by the processor time of this thread: the one thing that is
//! too short to be seen from outside. Which policy it is stands in `config`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use policy::{
    Call, ClientFacts, Document, GrantFacts, Judgement, Policy, Target, ToolFacts, UnixMillis,
    Value, Verdict, decide,
};
use rustix::time::{ClockId, clock_gettime};

use super::config::Setup;
use crate::message;
use crate::workload::{CALLED, Workload};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
/// Decisions between two readings of the clock.
const BATCH: u32 = 2_000;
/// Of so many batches the median counts.
const BATCHES: usize = 51;

/// Microseconds of one decision about [`CALLED`], with five conditions and one limit, where the policy
/// has so many tools.
///
/// # Errors
/// When the policy is none, or does not allow the call.
pub(super) fn micros(tools: usize) -> Result<f64, String> {
    let setup = Setup { tools, conditions: 5, ..Setup::plain(Workload::W1) };
    let text = setup.policy_of_one().to_string();
    let document = Document::parse(&text).map_err(|problems| format!("{problems:?}"))?;
    let policy = Policy::compile(&document);
    let request: serde_json::Value = serde_json::from_str(&message::request(&Workload::W1.shape()))
        .map_err(|e| e.to_string())?;
    let arguments = request.pointer("/params/arguments").map(ToString::to_string);
    let arguments = arguments.ok_or("a call without arguments")?;
    let args = Value::parse(&arguments).map_err(|error| format!("{error:?}"))?;
    let tags = BTreeMap::new();
    let judge = || judged(&policy, &args, &tags);
    if !matches!(judge().verdict, Verdict::Allow(_)) {
        return Err(format!("the call is not allowed: {:?}", judge().verdict));
    }
    let mut times: Vec<Duration> = (0..BATCHES).map(|_| batch(&judge)).collect();
    times.sort_unstable();
    let median = times.get(BATCHES / 2).copied().unwrap_or_default();
    Ok(median.as_secs_f64() * 1e6 / f64::from(BATCH))
}

/// Processor time of [`BATCH`] decisions.
fn batch(judge: &impl Fn() -> Judgement) -> Duration {
    let begun = spent();
    for _ in 0..BATCH {
        let _trace = black_box(judge());
    }
    spent().saturating_sub(begun)
}

fn judged(policy: &Policy, args: &Value<'_>, tags: &BTreeMap<String, String>) -> Judgement {
    let tool = ToolFacts { name: CALLED, class: None, risk: None, schema: None };
    let grant = GrantFacts { label: "agent", tags };
    let client = ClientFacts::default();
    let target = Target::Tool(tool);
    decide(black_box(policy), &Call { target, args, grant, client, now: NOW })
}

/// Processor time of this thread so far.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;

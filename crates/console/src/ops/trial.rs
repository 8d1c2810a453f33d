//! Trying a call: what a policy says of it, and why, condition by condition. Nothing is sent, counted or recorded.
//!
//! What never lives here: deciding.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::{
    Call, ClientFacts, Denial, Detail, Document, GrantFacts, JsonKind, Policy, Reason, Target,
    ToolDefinition, UnixMillis, Value, Verdict,
};
use serde_json::{Map, json};
use store::{GrantRecord, PolicyDraft, PolicyName, PolicyRecord};

use super::policies::{definitions, keep_draft};
use super::{Actor, OpError, Permission, not_found};
use crate::Console;

/// Bytes of tried arguments, at most.
pub const ARGUMENTS_BYTES_MAX: usize = 32 * 1024;

/// A call that somebody tries.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// The tool's name.
    pub tool: String,
    /// The arguments, one JSON object.
    pub arguments: String,
    /// What the client calls itself.
    pub client: Option<String>,
    /// When the call comes; `None` is now.
    pub at: Option<UnixMillis>,
}

/// What a policy says of it.
#[derive(Debug, Clone)]
pub struct Tried {
    /// `allow`, `hold` or `deny`.
    pub verdict: &'static str,
    /// Why, unless it is allowed.
    pub reason: Option<&'static str>,
    /// The rule that decides.
    pub rule: Arc<str>,
    /// What the agent would read.
    pub message: String,
    /// What would make it pass.
    pub hint: Option<String>,
    /// Rules and what each said.
    pub trace: Vec<(String, &'static str)>,
    /// Conditions of those rules.
    pub details: Vec<Detail>,
    /// What limits would count: the limit's rule, the amount, and how much there may be.
    pub charges: Vec<(Arc<str>, String, String)>,
}

/// A grant with the policy that judges its calls.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The grant.
    pub grant: GrantRecord,
    /// The policy, in the version that is judged with; `None`: the grant has none.
    pub policy: Option<PolicyRecord>,
    /// The tools of its server.
    pub tools: Arc<Vec<ToolDefinition>>,
}

/// Grants that calls can be tried with, by server and label.
pub async fn grants(console: &Console, actor: &Actor) -> Result<Vec<GrantRecord>, OpError> {
    actor.may(Permission::Read)?;
    let mut grants = console.store.grants().await?;
    grants.retain(|grant| grant.revoked_at.is_none());
    grants.sort_by(|a, b| (&a.server, &a.label).cmp(&(&b.server, &b.label)));
    Ok(grants)
}

/// A grant with its policy in the version in force.
pub async fn bench(console: &Console, actor: &Actor, grant: GrantRecord) -> Result<Bench, OpError> {
    actor.may(Permission::Read)?;
    let policy = match &grant.policy {
        None => None,
        Some(name) => match console.store.policy(name, None).await?.and_then(|p| p.in_force) {
            None => None,
            version => console.store.policy(name, version).await?,
        },
    };
    let tools = Arc::new(definitions(console, Some(&grant.server)).await?);
    Ok(Bench { grant, policy, tools })
}

/// What the bench's policy says of a call. Counters are not asked: a limit that is used up does not show.
pub async fn try_call(console: &Console, bench: &Bench, trial: Trial) -> Result<Tried, OpError> {
    if trial.arguments.len() > ARGUMENTS_BYTES_MAX {
        let why = format!("the arguments are longer than {ARGUMENTS_BYTES_MAX} bytes");
        return Err(OpError::Invalid(why));
    }
    let now = trial.at.unwrap_or_else(|| (console.clock)());
    let bench = bench.clone();
    console.long_work.check(move || judged(&bench, &trial, now)).await?
}

fn judged(bench: &Bench, trial: &Trial, now: UnixMillis) -> Result<Tried, OpError> {
    let Some(record) = &bench.policy else {
        let message = "This grant has no policy with a version in force.";
        return Ok(denied(&Denial::bare(Reason::NoPolicy, message)));
    };
    let policy = Policy::compile(&Document::parse(&record.text).map_err(OpError::Policy)?);
    let args = Value::parse(&trial.arguments);
    let args = args.map_err(|error| OpError::Invalid(format!("the arguments: {error}")))?;
    if args.root().kind() != JsonKind::Object {
        return Err(OpError::Invalid("the arguments must be one JSON object".to_owned()));
    }
    let known = bench.tools.iter().find(|tool| tool.name == trial.tool);
    let unknown = ToolDefinition::new(trial.tool.clone(), None, None, None);
    let call = Call {
        target: Target::Tool(known.unwrap_or(&unknown).facts()),
        args: &args,
        grant: GrantFacts { label: bench.grant.label.as_str(), tags: &bench.grant.tags },
        client: ClientFacts { name: trial.client.as_deref(), version: None },
        now,
    };
    let judgement = policy::decide(&policy, &call);
    let trace = judgement.trace.steps();
    let trace = trace.map(|(rule, said)| (rule.to_owned(), said.as_str())).collect();
    let details = policy::details(&policy, &call);
    let charges = |owed: &policy::Obligations| {
        let charge = |charge: &policy::Charge| {
            let most = format!("{} per {}", charge.max, charge.window);
            (Arc::clone(&charge.rule), charge.amount.to_string(), most)
        };
        owed.charges.iter().map(charge).collect::<Vec<_>>()
    };
    let tried = match &judgement.verdict {
        Verdict::Deny(denial) => denied(denial),
        Verdict::Hold(ask, owed) => Tried {
            verdict: "hold",
            reason: Some(Reason::ApprovalRequired.as_str()),
            rule: Arc::clone(&ask.rule),
            message: ask.message.clone(),
            hint: ask.hint.clone(),
            charges: charges(owed),
            ..nothing()
        },
        Verdict::Allow(owed) => Tried { charges: charges(owed), ..nothing() },
    };
    Ok(Tried { trace, details, ..tried })
}

fn nothing() -> Tried {
    Tried {
        verdict: "allow",
        reason: None,
        rule: Arc::from(""),
        message: String::new(),
        hint: None,
        trace: Vec::new(),
        details: Vec::new(),
        charges: Vec::new(),
    }
}

fn denied(denial: &Denial) -> Tried {
    Tried {
        verdict: "deny",
        reason: Some(denial.reason.as_str()),
        rule: Arc::clone(&denial.rule),
        message: denial.message.clone(),
        hint: denial.hint.clone(),
        ..nothing()
    }
}

/// A tried call as a test of its policy: put into what the person has written of the policy so far, or into its newest
/// text, and kept as a draft. Saving it is another step.
pub async fn keep_as_test(
    console: &Console,
    actor: &Actor,
    (bench, trial, tried): (&Bench, &Trial, &Tried),
    name: &str,
) -> Result<PolicyName, OpError> {
    actor.may(Permission::EditPolicies)?;
    let Some(policy) = bench.grant.policy.clone() else {
        return Err(OpError::Invalid("this grant has no policy that could have a test".to_owned()));
    };
    let newest = console.store.policy(&policy, None).await?;
    let newest = newest.ok_or_else(|| not_found("policy", policy.as_str()))?;
    let draft = super::policies::draft(console, actor, &policy).await?;
    let (server, text, base) = match draft {
        Some(PolicyDraft { server, text, base, .. }) => (server, text, base),
        None => (newest.server, newest.text, newest.version),
    };
    let test = test_text(bench, trial, tried, name)?;
    let longer = policy::append_test(&text, &test).map_err(OpError::Policy)?;
    keep_draft(console, actor, &policy, (server, longer, base)).await?;
    Ok(policy)
}

fn test_text(bench: &Bench, trial: &Trial, tried: &Tried, name: &str) -> Result<String, OpError> {
    let args = serde_json::from_str::<Box<serde_json::value::RawValue>>(&trial.arguments);
    let args = args.map_err(|error| OpError::Invalid(format!("the arguments: {error}")))?;
    let tags: &BTreeMap<String, String> = &bench.grant.tags;
    let mut call = Map::from_iter([("tool".to_owned(), json!(trial.tool))]);
    let label = bench.grant.label.as_str();
    let grant =
        if tags.is_empty() { json!(label) } else { json!({ "label": label, "tags": tags }) };
    call.insert("grant".to_owned(), grant);
    if let Some(at) = trial.at {
        let at = jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_string()).ok();
        call.insert("at".to_owned(), json!(at));
    }
    if let Some(client) = &trial.client {
        call.insert("client".to_owned(), json!(client));
    }
    let mut expect = Map::from_iter([("verdict".to_owned(), json!(tried.verdict))]);
    if let Some(reason) = tried.reason {
        expect.insert("reason".to_owned(), json!(reason));
        expect.insert("rule".to_owned(), json!(&*tried.rule));
    }
    let text = |value: &serde_json::Value| value.to_string();
    // Numbers are written as they were typed, so the arguments go in as text.
    let (call, expect) = (text(&call.into()), text(&expect.into()));
    let call = call.strip_suffix('}').unwrap_or(&call);
    let name = text(&json!(name));
    Ok(format!(
        "{{ \"name\": {name}, \"call\": {call},\"args\":{}}}, \"expect\": {} }}",
        args.get(),
        expect
    ))
}

//! Trying a call: what a policy says of it, and why, condition by condition. Nothing is sent, counted or recorded.
//!
//! What never lives here: deciding.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::edit;
use policy::{
    Buckets, Call, Charge, ClientFacts, Denial, Detail, Document, Exceeded, GrantFacts, JsonKind,
    Kind, Obligations, Policy, Reason, ScopeIds, Target, ToolDefinition, UnixMillis, Value,
    Verdict,
};
use serde_json::{Map, json};
use store::{CheckError, GrantRecord, PolicyDraft, PolicyName, Store};

use super::builder::{invalid, test_text};
use super::policies::{definitions, draft, keep_draft};
use super::{Actor, OpError, Permission, not_found};
use crate::Console;

/// Bytes of tried arguments, at most.
pub const ARGUMENTS_BYTES_MAX: usize = 32 * 1024;
/// Calls that are made before the tried one, at most.
pub const BEFORE_MAX: u32 = 1_000;
/// The organisation that all grants belong to.
const ORGANISATION: &str = "default";

/// A call that somebody tries.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Tool, resource or prompt.
    pub kind: Kind,
    /// The tool's or prompt's name, or the resource's URI.
    pub name: String,
    /// The arguments, one JSON object; a resource has none.
    pub arguments: String,
    /// What the client calls itself.
    pub client: Option<String>,
    /// When the call comes; `None` is now.
    pub at: Option<UnixMillis>,
    /// What the counters hold.
    pub counters: Counters,
}

/// What the counters hold when the call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counters {
    /// What as many such calls left in empty ones, at most [`BEFORE_MAX`].
    After(u32),
    /// What those of the gateway hold now; they are asked, and take nothing.
    AsTheyAre,
}

/// Which text judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The version in force.
    InForce,
    /// The newest version, which may be a draft.
    Newest,
    /// What the person has written and not saved.
    Unsaved,
}

/// A text that judges.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The policy.
    pub policy: PolicyName,
    /// Which text of it, for people.
    pub what: String,
    /// The text.
    pub text: String,
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
    /// Of the calls before it, how many the limits had room for.
    pub before: u32,
}

/// A grant with the text that judges its calls.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The grant.
    pub grant: GrantRecord,
    /// The text; `None`: the grant has no policy, or that has no such text.
    pub judge: Option<Judge>,
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

/// A grant with its policy.
pub async fn bench(
    console: &Console,
    actor: &Actor,
    (grant, source): (GrantRecord, Source),
) -> Result<Bench, OpError> {
    actor.may(Permission::Read)?;
    let judge = match &grant.policy {
        Some(name) => judge(console, actor, (name, source)).await?,
        None => None,
    };
    let tools = definitions(console, Some(&grant.server)).await?;
    Ok(Bench { grant, judge, tools })
}

async fn judge(
    console: &Console,
    actor: &Actor,
    (name, source): (&PolicyName, Source),
) -> Result<Option<Judge>, OpError> {
    let policy = name.clone();
    if source == Source::Unsaved {
        let found = draft(console, actor, name).await?;
        let what = "your unsaved text".to_owned();
        return Ok(found.map(|draft| Judge { policy, what, text: draft.text }));
    }
    let newest = console.store.policy(name, None).await?;
    let found = match (source, newest) {
        (_, None) => None,
        (Source::InForce, Some(newest)) => match newest.in_force {
            None => None,
            version => console.store.policy(name, version).await?,
        },
        (Source::Newest | Source::Unsaved, newest) => newest,
    };
    Ok(found.map(|record| {
        let what = format!("version {} ({})", record.version, record.mode.as_str());
        Judge { policy, what, text: record.text }
    }))
}

/// What the bench's policy says of a call.
pub async fn try_call(console: &Console, bench: &Bench, trial: Trial) -> Result<Tried, OpError> {
    if trial.arguments.len() > ARGUMENTS_BYTES_MAX {
        let why = format!("the arguments are longer than {ARGUMENTS_BYTES_MAX} bytes");
        return Err(OpError::Invalid(why));
    }
    if matches!(trial.counters, Counters::After(before) if before > BEFORE_MAX) {
        return Err(OpError::Invalid(format!("at most {BEFORE_MAX} calls before it")));
    }
    let now = trial.at.unwrap_or_else(|| (console.clock)());
    let (bench, store) = (bench.clone(), console.store.clone());
    console.long_work.check(move || judged(&bench, &trial, (&store, now))).await?
}

fn judged(
    bench: &Bench,
    trial: &Trial,
    (store, now): (&Store, UnixMillis),
) -> Result<Tried, OpError> {
    let Some(judge) = &bench.judge else {
        let message = "This grant has no policy with such a text.";
        return Ok(denied(&Denial::bare(Reason::NoPolicy, message)));
    };
    let document = Document::parse(&judge.text).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        OpError::Invalid(format!("{} has errors: {first}", judge.what))
    })?;
    let policy = Policy::compile(&document);
    let written = match trial.kind {
        Kind::Resource => json!({ "uri": trial.name }).to_string(),
        Kind::Tool | Kind::Prompt => trial.arguments.clone(),
    };
    let args = Value::parse(&written);
    let args = args.map_err(|error| OpError::Invalid(format!("the arguments: {error}")))?;
    if args.root().kind() != JsonKind::Object {
        return Err(OpError::Invalid("the arguments must be one JSON object".to_owned()));
    }
    let unknown = ToolDefinition::new(trial.name.clone(), None, None, None);
    let known = bench.tools.iter().find(|tool| tool.name == trial.name).unwrap_or(&unknown);
    let call = Call {
        target: match trial.kind {
            Kind::Tool => Target::Tool(known.facts()),
            Kind::Resource => Target::Resource { uri: &trial.name },
            Kind::Prompt => Target::Prompt { name: &trial.name },
        },
        args: &args,
        grant: GrantFacts { label: bench.grant.label.as_str(), tags: &bench.grant.tags },
        client: ClientFacts { name: trial.client.as_deref(), version: None },
        now,
    };
    let judgement = policy::decide(&policy, &call);
    let trace = judgement.trace.steps();
    let trace = trace.map(|(rule, said)| (rule.to_owned(), said.as_str())).collect();
    let details = policy::details(&policy, &call);
    let tried = match &judgement.verdict {
        Verdict::Deny(denial) => denied(denial),
        Verdict::Hold(ask, owed) => counted(
            bench,
            (trial.counters, store, now),
            owed,
            Tried {
                verdict: "hold",
                reason: Some(Reason::ApprovalRequired.as_str()),
                rule: Arc::clone(&ask.rule),
                message: ask.message.clone(),
                hint: ask.hint.clone(),
                ..nothing()
            },
        ),
        Verdict::Allow(owed) => counted(bench, (trial.counters, store, now), owed, nothing()),
    };
    Ok(Tried { trace, details, ..tried })
}

/// The verdict after the limits were asked: a full one refuses what else would go on or wait for a person.
fn counted(
    bench: &Bench,
    (counters, store, now): (Counters, &Store, UnixMillis),
    owed: &Obligations,
    tried: Tried,
) -> Tried {
    let ids = ScopeIds {
        grant: bench.grant.id.as_str(),
        session: None,
        server: bench.grant.server.as_str(),
        organisation: ORGANISATION,
    };
    let mut before = 0;
    let room = match counters {
        Counters::AsTheyAre => match store.check_limits(&owed.charges, &ids, now) {
            Err(CheckError::StoreUnavailable(_)) => {
                let message = "The counters cannot be reached.";
                return denied(&Denial::bare(Reason::StoreUnavailable, message));
            }
            Err(CheckError::Exceeded(exceeded)) => Err(exceeded),
            Ok(()) => Ok(()),
        },
        Counters::After(calls) => {
            let mut buckets = Buckets::new();
            while before < calls
                && let Ok(receipt) = buckets.charge(&owed.charges, &ids, now)
            {
                buckets.end(&receipt);
                before += 1;
            }
            buckets.check(&owed.charges, &ids, now)
        }
    };
    let charge = |charge: &Charge| {
        let most = format!("{} per {}", charge.max, charge.window);
        (Arc::clone(&charge.rule), charge.amount.to_string(), most)
    };
    let charges = owed.charges.iter().map(charge).collect();
    let settled = match room {
        Ok(()) => tried,
        Err(exceeded) => full(&owed.charges, &exceeded),
    };
    Tried { charges, before, ..settled }
}

fn full(charges: &[Charge], exceeded: &Exceeded) -> Tried {
    match charges.get(exceeded.index) {
        Some(charge) => denied(&Denial::limit_exceeded(charge, exceeded.retry_after_ms)),
        None => denied(&Denial::bare(Reason::LimitExceeded, "A limit has no room.")),
    }
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
        before: 0,
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
    if trial.counters == Counters::AsTheyAre && !tried.charges.is_empty() {
        let why = "a test begins with empty counters: try the call after so many others instead";
        return Err(OpError::Invalid(why.to_owned()));
    }
    let newest = console.store.policy(&policy, None).await?;
    let newest = newest.ok_or_else(|| not_found("policy", policy.as_str()))?;
    let (server, mut text, base) = match draft(console, actor, &policy).await? {
        Some(PolicyDraft { server, text, base, .. }) => (server, text, base),
        None => (newest.server, newest.text, newest.version),
    };
    for test in tests(bench, trial, tried, name)? {
        text = edit::add_test(&text, &test).map_err(invalid)?.text;
    }
    keep_draft(console, actor, &policy, (server, text, base)).await?;
    Ok(policy)
}

/// The call as a test; before it, as another one, the calls that were made before it and had room.
fn tests(bench: &Bench, trial: &Trial, tried: &Tried, name: &str) -> Result<Vec<String>, OpError> {
    let tags: &BTreeMap<String, String> = &bench.grant.tags;
    let kind = match trial.kind {
        Kind::Tool => "tool",
        Kind::Resource => "resource",
        Kind::Prompt => "prompt",
    };
    let mut call = Map::from_iter([(kind.to_owned(), json!(trial.name))]);
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
    let args = (trial.kind != Kind::Resource).then_some(trial.arguments.as_str());
    let call = call.into();
    let mut tests = Vec::new();
    if tried.before > 0 && !tried.charges.is_empty() {
        if tried.reason == Some(Reason::ApprovalRequired.as_str()) {
            let why = "calls that wait for a person take nothing: try it without calls before it";
            return Err(OpError::Invalid(why.to_owned()));
        }
        let went_on = json!({ "verdict": "allow" });
        let before = test_text(&format!("{name}: before"), &call, args, &went_on)?;
        let open = before.strip_suffix('}').unwrap_or(&before);
        tests.push(format!("{open}, \"times\": {} }}", tried.before));
    }
    let mut expect = Map::from_iter([("verdict".to_owned(), json!(tried.verdict))]);
    if let Some(reason) = tried.reason {
        expect.insert("reason".to_owned(), json!(reason));
        expect.insert("rule".to_owned(), json!(&*tried.rule));
    }
    tests.push(test_text(name, &call, args, &expect.into())?);
    Ok(tests)
}

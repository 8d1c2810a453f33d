//! What each agent can call: grants and tools, and what the policy in force makes of each pair.
//!
//! The answer comes from the compiled policy and the same `decide` that calls go through, asked once per tool with no
//! arguments. Where the policy looks at arguments, the answer says so rather than guess.
//!
//! What never lives here: decisions about calls; counters.

use std::collections::BTreeMap;

use policy::{
    Call, ClientFacts, Document, GrantFacts, Policy, Risk, Target, ToolDefinition, UnixMillis,
    Value, Verdict,
};
use store::{GrantId, GrantRecord, PinLine, PinState, PolicyMode, PolicyRecord};

use super::{Actor, OpError, Permission, not_found, servers};
use crate::Console;

/// What an agent can do with a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Every call passes.
    Allowed,
    /// Every call passes until a limit is used up.
    Limited,
    /// The policy only observes: every call passes, whatever it says.
    Observed,
    /// It hangs on the arguments.
    ByArguments,
    /// A person decides.
    Held,
    /// No call passes, and the tool is listed.
    Denied,
    /// No call passes, and the tool is not listed.
    Hidden,
    /// The definition waits for somebody to accept it; until then no call passes.
    KeptOut,
}

impl Effect {
    /// All of them, what lets most through first.
    pub const ALL: [Effect; 8] = [
        Effect::Allowed,
        Effect::Limited,
        Effect::Observed,
        Effect::ByArguments,
        Effect::Held,
        Effect::Denied,
        Effect::Hidden,
        Effect::KeptOut,
    ];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Allowed => "allowed",
            Effect::Limited => "limited",
            Effect::Observed => "observed",
            Effect::ByArguments => "by-arguments",
            Effect::Held => "held",
            Effect::Denied => "denied",
            Effect::Hidden => "hidden",
            Effect::KeptOut => "kept-out",
        }
    }

    /// Whether some call may pass without a person.
    pub fn passes(self) -> bool {
        match self {
            Effect::Allowed | Effect::Limited | Effect::Observed | Effect::ByArguments => true,
            Effect::Held | Effect::Denied | Effect::Hidden | Effect::KeptOut => false,
        }
    }
}

/// One tool as one grant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The tool.
    pub pin: PinLine,
    /// What the grant can do with it.
    pub effect: Effect,
}

/// How many tools of a risk there are, and how many of them some call passes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Tools that some call passes to without a person.
    pub passes: usize,
    /// Tools where a person decides.
    pub held: usize,
    /// All tools of the risk.
    pub all: usize,
}

/// One grant of the matrix.
#[derive(Debug, Clone)]
pub struct Row {
    /// The grant.
    pub grant: GrantRecord,
    /// The mode of the policy in force, if there is one.
    pub mode: Option<PolicyMode>,
    /// By risk, `None` for tools whose risk is not known.
    pub shares: BTreeMap<Option<Risk>, Share>,
}

/// Whether a grant opens anything now.
pub fn is_live(grant: &GrantRecord, now: UnixMillis) -> bool {
    grant.revoked_at.is_none() && grant.expires_at.is_none_or(|end| end > now)
}

/// Every grant that opens something now, with what it can call by risk.
pub async fn matrix(console: &Console, actor: &Actor) -> Result<Vec<Row>, OpError> {
    actor.may(Permission::Read)?;
    let now = (console.clock)();
    let grants = console.store.grants().await?;
    let lines = servers::lines(console, actor, None).await?;
    let policies = console.store.policies_in_force().await?;
    let work = move || {
        let mut tools: BTreeMap<String, Vec<PinLine>> = BTreeMap::new();
        for line in lines {
            tools.entry(line.server.as_str().to_owned()).or_default().push(line);
        }
        let compiled = compile(&policies);
        let live = grants.into_iter().filter(|grant| is_live(grant, now));
        live.map(|grant| {
            let none = Vec::new();
            let lines = tools.get(grant.server.as_str()).unwrap_or(&none);
            let rule = rule_of(&compiled, &grant);
            let mut shares: BTreeMap<Option<Risk>, Share> = BTreeMap::new();
            for line in lines {
                let share = shares.entry(line.risk).or_default();
                let effect = effect(rule, line, &grant, now);
                share.all = share.all.saturating_add(1);
                share.passes = share.passes.saturating_add(usize::from(effect.passes()));
                share.held = share.held.saturating_add(usize::from(effect == Effect::Held));
            }
            Row { mode: rule.map(|(_, mode)| *mode), grant, shares }
        })
        .collect()
    };
    console.long_work.check(work).await
}

/// What one grant can do with each tool of its server, by name.
pub async fn reach(
    console: &Console,
    actor: &Actor,
    id: &GrantId,
) -> Result<(GrantRecord, Vec<Reach>), OpError> {
    actor.may(Permission::Read)?;
    let now = (console.clock)();
    let grant = console.store.grant(id).await?;
    let grant = grant.ok_or_else(|| not_found("grant", id.as_str()))?;
    let lines = servers::lines(console, actor, Some(&grant.server)).await?;
    let policies = console.store.policies_in_force().await?;
    let work = move || {
        let wanted = |policy: &PolicyRecord| grant.policy.as_ref() == Some(&policy.name);
        let policies: Vec<PolicyRecord> = policies.into_iter().filter(wanted).collect();
        let compiled = compile(&policies);
        let rule = rule_of(&compiled, &grant);
        let reach = lines
            .into_iter()
            .map(|pin| Reach { effect: effect(rule, &pin, &grant, now), pin })
            .collect();
        (grant, reach)
    };
    console.long_work.check(work).await
}

type Compiled = BTreeMap<String, (Policy, PolicyMode)>;

fn compile(policies: &[PolicyRecord]) -> Compiled {
    let compiled = policies.iter().map(|record| {
        let policy = match Document::parse(&record.text) {
            Ok(document) => Policy::compile(&document),
            // What does not compile denies (POLICY section 1).
            Err(_) => Policy::deny_all(policy::DenyAll::NoPolicy),
        };
        (record.name.as_str().to_owned(), (policy, record.mode))
    });
    compiled.collect()
}

fn rule_of<'c>(compiled: &'c Compiled, grant: &GrantRecord) -> Option<&'c (Policy, PolicyMode)> {
    compiled.get(grant.policy.as_ref()?.as_str())
}

fn effect(
    rule: Option<&(Policy, PolicyMode)>,
    pin: &PinLine,
    grant: &GrantRecord,
    now: UnixMillis,
) -> Effect {
    if pin.state == PinState::Quarantined {
        return Effect::KeptOut;
    }
    let Some((policy, mode)) = rule else { return Effect::Hidden };
    match (judged(policy, pin, grant, now), mode) {
        (Effect::Allowed, _) => Effect::Allowed,
        (_, PolicyMode::Observe) => Effect::Observed,
        (effect, PolicyMode::Enforce | PolicyMode::Draft) => effect,
    }
}

fn judged(policy: &Policy, pin: &PinLine, grant: &GrantRecord, now: UnixMillis) -> Effect {
    let tool = ToolDefinition::new(pin.tool.clone(), None, pin.class, pin.risk);
    let target = Target::Tool(tool.facts());
    if !policy.lists(&target) {
        return Effect::Hidden;
    }
    let Ok(args) = Value::parse("{}") else { return Effect::Denied };
    let call = Call {
        target,
        args: &args,
        grant: GrantFacts { label: grant.label.as_str(), tags: &grant.tags },
        client: ClientFacts { name: None, version: None },
        now,
    };
    let reads = policy.reads_arguments(&tool.facts());
    let judgement = policy::decide(policy, &call);
    // A limit counts whatever the arguments are; every other rule may have looked at them.
    let plain = ["matched", "charges", "default_allows"];
    let only_limits = judgement.trace.steps().all(|(_, outcome)| plain.contains(&outcome.as_str()));
    match judgement.verdict {
        // An approval is bound to its arguments, so that a policy with one always reads them.
        Verdict::Hold(..) => Effect::Held,
        Verdict::Allow(_) if reads && !only_limits => Effect::ByArguments,
        Verdict::Allow(obligations) if obligations.charges.is_empty() => Effect::Allowed,
        Verdict::Allow(_) => Effect::Limited,
        Verdict::Deny(_) if reads => Effect::ByArguments,
        Verdict::Deny(_) => Effect::Denied,
    }
}

#[cfg(test)]
mod tests;

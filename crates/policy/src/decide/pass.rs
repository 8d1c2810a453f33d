//! The pass over all rules that apply: steps 3 to 8 of POLICY section 6.

use std::sync::Arc;

use smallvec::SmallVec;

use super::denial::sentence;
use super::{Call, Denial, Obligations, Standing, Verdict};
use crate::document::{Action, Condition, Increment, Limit, Rule, Waiver};
use crate::trace::{Outcome, Trace};
use crate::{
    Ask, AskRule, Charge, Facts, Micro, Path, Reading, Reason, SchemaFault, SchemaMode, Truth,
    amount, eval, hint,
};

/// What the pass found, the first of each kind in the order of reports.
#[derive(Default)]
pub(super) struct Findings<'p> {
    schema: Option<(u32, Option<SchemaFault>)>,
    rule: Option<Failure<'p>>,
    amount: Option<&'p (u32, Arc<Limit>)>,
    asks: SmallVec<[Failure<'p>; 2]>,
    charges: SmallVec<[Charge; 2]>,
}

/// A rule that does not let the call pass.
struct Failure<'p> {
    name: u32,
    rule: &'p Rule,
    /// `None` for an action.
    reading: Option<Reading>,
    reason: Reason,
}

/// How the pass reads a call: as it is, or, of a call that is known in part only, the most or the least that it can
/// be. Asked once for each rule, schema and amount; what is made of the answers is the same for all.
pub(crate) trait Lens {
    /// What the conditions of a rule say together.
    fn rule(&self, conditions: &[Condition], reading: Reading, facts: &Facts<'_>) -> Truth;

    /// Whether the arguments satisfy the tool's schema, if there is one.
    fn schema(&self, mode: SchemaMode, facts: &Facts<'_>) -> Option<Result<(), SchemaFault>>;

    /// The units at a path.
    fn amount(&self, path: &Path, facts: &Facts<'_>) -> Option<Micro>;
}

/// The call as it is.
pub(crate) struct Plain;

impl Lens for Plain {
    fn rule(&self, conditions: &[Condition], reading: Reading, facts: &Facts<'_>) -> Truth {
        holds(conditions, reading, facts)
    }

    fn schema(&self, mode: SchemaMode, facts: &Facts<'_>) -> Option<Result<(), SchemaFault>> {
        let schema = facts.tool.and_then(|tool| tool.schema)?;
        Some(schema.check(facts.args, mode))
    }

    fn amount(&self, path: &Path, facts: &Facts<'_>) -> Option<Micro> {
        amount(path, facts)
    }
}

/// Evaluates every rule and limit of `standing`, also after the first that denies.
pub(super) fn evaluate<'p>(
    standing: &Standing<'p>,
    call: &Call<'_>,
    lens: &impl Lens,
    trace: &mut Trace,
) -> Findings<'p> {
    let facts = facts_of(call);
    let mut findings = Findings::default();
    for rules in &standing.rules {
        trace.push(rules.name, Outcome::Matched);
        findings.action(rules.action, &rules.action_rule, trace);
        if let Some((name, mode)) = rules.validate {
            findings.validate(name, lens.schema(mode, &facts), trace);
        }
        for rule in &rules.require {
            let truth = lens.rule(&rule.1.conditions, Reading::Require, &facts);
            findings.rule(rule, Reading::Require, truth, trace);
        }
        for rule in &rules.deny_if {
            let truth = lens.rule(&rule.1.conditions, Reading::DenyIf, &facts);
            findings.rule(rule, Reading::DenyIf, truth, trace);
        }
        for limit in &rules.limits {
            let units = match &limit.1.increment {
                Increment::Fixed(units) => Some(*units),
                Increment::From(path) => lens.amount(path, &facts),
            };
            findings.limit(limit, units, trace);
        }
    }
    findings
}

/// Everything that conditions can see of a call.
pub(super) fn facts_of<'a>(call: &Call<'a>) -> Facts<'a> {
    Facts {
        args: call.args,
        tool: call.target.tool(),
        grant: call.grant,
        client: call.client,
        now: call.now,
    }
}

/// A name by its index.
pub(super) fn name(names: &[Arc<str>], index: u32) -> Arc<str> {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    names.get(index).map_or_else(|| Arc::from(""), Arc::clone)
}

/// The conditions of one rule, ANDed; no condition at all is true.
fn holds(conditions: &[Condition], reading: Reading, facts: &Facts<'_>) -> Truth {
    let mut truth = Truth::True;
    for condition in conditions {
        truth = truth.and(truth_of(condition, reading, facts));
        if truth.is_false() {
            break;
        }
    }
    truth
}

/// One condition. Recursion is bounded by the document's depth.
pub(crate) fn truth_of(condition: &Condition, reading: Reading, facts: &Facts<'_>) -> Truth {
    match condition {
        Condition::Test(test) => eval(&test.path, &test.op, test.if_missing, reading, facts),
        Condition::Not(inner) => !truth_of(inner, reading.swapped(), facts),
        Condition::Any(alternatives) => {
            let mut truth = Truth::False;
            for alternative in alternatives {
                truth = truth.or(truth_of(alternative, reading, facts));
                if truth.is_true() {
                    break;
                }
            }
            truth
        }
    }
}

impl<'p> Findings<'p> {
    fn action(&mut self, action: Action, rule: &'p (u32, Arc<Rule>), trace: &mut Trace) {
        let (name, rule) = rule;
        match action {
            Action::Allow => {}
            Action::Deny => trace.push(*name, Outcome::Denies),
            Action::Hide => trace.push(*name, Outcome::Hides),
            Action::Approve => {
                trace.push(*name, Outcome::Asks);
                let reason = Reason::ApprovalRequired;
                self.asks.push(Failure { name: *name, rule, reading: None, reason });
            }
        }
    }

    fn validate(&mut self, name: u32, checked: Option<Result<(), SchemaFault>>, trace: &mut Trace) {
        let fault = match checked {
            Some(Ok(())) => return trace.push(name, Outcome::Passed),
            Some(Err(fault)) => Some(fault),
            None => None,
        };
        trace.push(name, Outcome::Failed);
        self.schema.get_or_insert((name, fault));
    }

    fn rule(
        &mut self,
        rule: &'p (u32, Arc<Rule>),
        reading: Reading,
        truth: Truth,
        trace: &mut Trace,
    ) {
        let (name, rule) = rule;
        let reason = match (truth, reading) {
            (Truth::True, Reading::Require) | (Truth::False, Reading::DenyIf) => {
                return trace.push(*name, Outcome::Passed);
            }
            (Truth::False, Reading::Require) => Reason::RequireFailed,
            (Truth::True, Reading::DenyIf) => Reason::DenyIfMatched,
            (Truth::Undefined, Reading::Require | Reading::DenyIf) => Reason::TypeMismatch,
        };
        let failure = Failure { name: *name, rule, reading: Some(reading), reason };
        match (reason, &rule.waiver) {
            // An undefined rule is always final (POLICY section 3).
            (Reason::TypeMismatch, _) => {
                trace.push(*name, Outcome::Undefined);
                self.rule.get_or_insert(failure);
            }
            (_, Waiver::Final) => {
                trace.push(*name, Outcome::Failed);
                self.rule.get_or_insert(failure);
            }
            (_, Waiver::Asks(_)) => {
                trace.push(*name, Outcome::FailedWaivable);
                self.asks.push(failure);
            }
        }
    }

    fn limit(&mut self, limit: &'p (u32, Arc<Limit>), units: Option<Micro>, trace: &mut Trace) {
        let Some(units) = units else {
            trace.push(limit.0, Outcome::BadAmount);
            self.amount.get_or_insert(limit);
            return;
        };
        trace.push(limit.0, Outcome::Charges);
        let limit = &limit.1;
        self.charges.push(Charge {
            counter: Arc::clone(&limit.counter),
            window: limit.window,
            scope: limit.scope,
            algorithm: limit.algorithm,
            max: limit.max,
            amount: units,
            rule: Arc::clone(&limit.name),
            message: limit.message.clone(),
        });
    }

    /// Steps 4 to 8, given that steps 1 to 3 let the call pass.
    pub(super) fn verdict(self, names: &[Arc<str>], call: &Call<'_>) -> Verdict {
        let facts = facts_of(call);
        if let Some((rule, fault)) = &self.schema {
            return Verdict::Deny(Denial::schema(name(names, *rule), fault.as_ref()));
        }
        if let Some(failure) = &self.rule {
            let rule = name(names, failure.name);
            let denial = Denial::of(failure.reason, rule, failure.rule.message.as_ref());
            return Verdict::Deny(Denial { hint: failure.hint(&facts), ..denial });
        }
        if let Some((rule, limit)) = self.amount {
            let denial =
                Denial::of(Reason::TypeMismatch, name(names, *rule), limit.message.as_ref());
            let hint = match &limit.increment {
                Increment::Fixed(_) => None,
                Increment::From(path) => Some(hint::for_amount(path, &facts)),
            };
            return Verdict::Deny(Denial { hint, ..denial });
        }
        let ask = self.ask(names, &facts);
        let obligations = Obligations { charges: self.charges };
        match ask {
            Some(ask) => Verdict::Hold(ask, obligations),
            None => Verdict::Allow(obligations),
        }
    }

    /// What a person is asked, merged over all rules that one may waive (POLICY section 7).
    fn ask(&self, names: &[Arc<str>], facts: &Facts<'_>) -> Option<Ask> {
        let first = self.asks.first()?;
        let mut ask = Ask {
            rule: name(names, first.name),
            message: String::new(),
            hint: self.asks.iter().find_map(|failure| failure.hint(facts)),
            rules: Vec::with_capacity(self.asks.len()),
            wait_seconds: None,
            expires_seconds: u32::MAX,
            approvers: Vec::new(),
        };
        for failure in &self.asks {
            let Waiver::Asks(terms) = &failure.rule.waiver else { continue };
            let rule = name(names, failure.name);
            let message = failure
                .rule
                .message
                .as_ref()
                .map_or_else(|| sentence(Reason::ApprovalRequired, &rule), ToString::to_string);
            ask.rules.push(AskRule { digest: failure.rule.digest, rule, message });
            ask.wait_seconds = match (ask.wait_seconds, terms.wait_seconds) {
                (Some(left), Some(right)) => Some(left.min(right)),
                (left, right) => left.or(right),
            };
            ask.expires_seconds = ask.expires_seconds.min(terms.expires_seconds);
            if !terms.approvers.is_empty() && !ask.approvers.contains(&terms.approvers) {
                ask.approvers.push(terms.approvers.clone());
            }
        }
        ask.message = ask.rules.first().map(|rule| rule.message.clone()).unwrap_or_default();
        Some(ask)
    }
}

impl Failure<'_> {
    fn hint(&self, facts: &Facts<'_>) -> Option<String> {
        hint::for_conditions(&self.rule.conditions, self.reading?, facts)
    }
}

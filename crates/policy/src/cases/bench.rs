//! The bench that tests run on: one policy, counters, approvals and a clock that the steps set.

use std::collections::HashMap;

use super::step::{CallStep, Decision, Ending, StoreState};
use super::{Expect, ExpectedVerdict, Instant, RetryAfter, TargetText, ToolDefinition};
use crate::{
    ApprovalId, ApprovalRecord, ApprovalState, Ask, Buckets, Call, CallIdentity, Cause, Charge,
    ClientFacts, Denial, GrantFacts, JsonKind, Obligations, Policy, Receipt, ScopeIds, Settled,
    Target, ToolFacts, Trace, UnixNanos, Value, Verdict, call_digest, canonical_json, decide,
    settle,
};

/// JSON-RPC errors with which a server says that it did not run a call (POLICY section 5, rule 3).
const NOT_RUN_CODES: [i64; 4] = [-32700, -32600, -32601, -32602];
const SERVER: &str = "server";
const ORGANISATION: &str = "default";

/// Counters, approvals and time of one run.
pub(super) struct Bench<'p> {
    policy: &'p Policy,
    tools: HashMap<&'p str, &'p ToolDefinition>,
    buckets: Buckets,
    now: Instant,
    approvals: Vec<ApprovalRecord>,
    /// The request of every hold verdict.
    holds: Vec<ApprovalId>,
    /// Every call that was allowed as open; `None` once it ended.
    open: Vec<Option<Receipt>>,
}

/// What came of one call.
enum Came {
    Allow(Receipt),
    Hold(Ask, ApprovalId),
    Deny(Denial),
}

impl<'p> Bench<'p> {
    pub(super) fn new(policy: &'p Policy, tools: &'p [ToolDefinition]) -> Self {
        Self {
            policy,
            tools: tools.iter().map(|tool| (tool.name.as_str(), tool)).collect(),
            buckets: Buckets::new(),
            now: Instant::FIRST,
            approvals: Vec::new(),
            holds: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Runs a call as often as it says; each time must meet what is expected.
    pub(super) fn run_call(&mut self, step: &CallStep) -> Result<(), String> {
        self.run_call_while(step, &|| true).unwrap_or(Ok(()))
    }

    /// As [`Bench::run_call`], asking before each repetition whether to go on; `None` when it did not.
    pub(super) fn run_call_while(
        &mut self,
        step: &CallStep,
        going: &dyn Fn() -> bool,
    ) -> Option<Result<(), String>> {
        self.now = step.call.at.unwrap_or(self.now);
        let written = match (&step.call.target, &step.args_text, &step.call.args) {
            (TargetText::Resource(uri), _, _) => {
                let mut text = String::from("{\"uri\":");
                crate::canonical::push_json_string(&mut text, uri);
                text.push('}');
                text
            }
            (_, Some(text), _) | (_, None, Some(text)) => text.clone(),
            (_, None, None) => "{}".to_owned(),
        };
        let args = Value::parse(&written).ok();
        let args = args.filter(|value| value.root().kind() == JsonKind::Object);
        for repetition in 1..=step.times {
            if !going() {
                return None;
            }
            let (came, trace) = match &args {
                Some(args) => self.call(step, args),
                None => (Came::Deny(Denial::malformed()), Trace::empty()),
            };
            let compared = compare(&step.expect, &came, &trace);
            self.conclude(came, step.ending);
            if let Err(message) = compared {
                return Some(Err(match step.times {
                    1 => message,
                    times => format!("repetition {repetition} of {times}: {message}"),
                }));
            }
        }
        Some(Ok(()))
    }

    fn call(&mut self, step: &CallStep, args: &Value<'_>) -> (Came, Trace) {
        let target = match &step.call.target {
            TargetText::Tool(name) => Target::Tool(match self.tools.get(name.as_str()) {
                Some(tool) => tool.facts(),
                None => ToolFacts { name, class: None, risk: None, schema: None },
            }),
            TargetText::Resource(uri) => Target::Resource { uri },
            TargetText::Prompt(name) => Target::Prompt { name },
        };
        let grant = &step.call.grant;
        let client = &step.call.client;
        let call = Call {
            target,
            args,
            grant: GrantFacts { label: &grant.label, tags: &grant.tags },
            client: ClientFacts {
                name: client.name.as_deref(),
                version: client.version.as_deref(),
            },
            now: self.now.millis(),
        };
        let judgement = decide(self.policy, &call);
        let ids = ScopeIds {
            grant: &grant.label,
            session: step.session.as_deref(),
            server: SERVER,
            organisation: ORGANISATION,
        };
        let came = match judgement.verdict {
            Verdict::Deny(denial) => Came::Deny(denial),
            Verdict::Allow(obligations) => match store_down(step.store, &obligations) {
                Some(denial) => Came::Deny(denial),
                None => self.charge(&obligations.charges, &ids),
            },
            Verdict::Hold(ask, obligations) => match store_down(step.store, &obligations) {
                Some(denial) => Came::Deny(denial),
                None => self.hold(&call, ask, &obligations.charges, &ids),
            },
        };
        (came, judgement.trace)
    }

    fn charge(&mut self, charges: &[Charge], ids: &ScopeIds<'_>) -> Came {
        match self.buckets.charge(charges, ids, UnixNanos(self.now.0)) {
            Ok(receipt) => Came::Allow(receipt),
            Err(exceeded) => Came::Deny(exceeded_denial(charges, &exceeded)),
        }
    }

    /// Steps 6 and 7: a held call without room is denied; then approvals are asked.
    fn hold(&mut self, call: &Call<'_>, ask: Ask, charges: &[Charge], ids: &ScopeIds<'_>) -> Came {
        if let Err(exceeded) = self.buckets.check(charges, ids, UnixNanos(self.now.0)) {
            return Came::Deny(exceeded_denial(charges, &exceeded));
        }
        let now = self.now.millis();
        let digest = call_digest(&CallIdentity {
            grant: ids.grant,
            server: ids.server,
            kind: call.target.kind(),
            name: call.target.name(),
            definition_pin: None,
            args: call.args,
        });
        let same = self.approvals.iter().filter(|record| record.digest == digest);
        let same: Vec<ApprovalRecord> = same.cloned().collect();
        let pending = self.approvals.iter().filter(|record| {
            record.grant == ids.grant
                && record.state == ApprovalState::Pending
                && now < record.expires_at
        });
        match settle(&same, pending.count(), &ask, now) {
            Settled::Use(id) => {
                let came = self.charge(charges, ids);
                if let Came::Allow(_) = came
                    && let Some(record) = self.approvals.iter_mut().find(|r| r.id == id)
                {
                    record.state = ApprovalState::Used;
                    record.used_at = Some(now);
                }
                came
            }
            Settled::Join { id, .. } => Came::Hold(ask, id),
            Settled::Rejected { reason, .. } => {
                Came::Deny(Denial::approval_rejected(&ask, reason.as_deref()))
            }
            Settled::TooManyPending => Came::Deny(Denial::too_many_pending(&ask)),
            Settled::Open => {
                let id = self.open_request(call, digest, &ask, ids);
                Came::Hold(ask, id)
            }
        }
    }

    fn open_request(
        &mut self,
        call: &Call<'_>,
        digest: crate::Sha256Digest,
        ask: &Ask,
        ids: &ScopeIds<'_>,
    ) -> ApprovalId {
        let number = u128::try_from(self.approvals.len()).unwrap_or(u128::MAX);
        let id = ApprovalId::from_random(number.to_be_bytes());
        let now = self.now.millis();
        self.approvals.push(ApprovalRecord {
            id: id.clone(),
            digest,
            grant: ids.grant.to_owned(),
            server: ids.server.to_owned(),
            kind: call.target.kind(),
            name: call.target.name().to_owned(),
            definition_pin: None,
            arguments: canonical_json(call.args.root()),
            rules: ask.rules.clone(),
            approvers: ask.approvers.clone(),
            state: ApprovalState::Pending,
            created_at: now,
            expires_at: now.plus_seconds(ask.expires_seconds),
            decided_by: None,
            decided_at: None,
            decided_from: None,
            decided_reason: None,
            used_at: None,
        });
        id
    }

    fn conclude(&mut self, came: Came, ending: Option<Ending>) {
        match (came, ending) {
            (Came::Allow(receipt), Some(ending)) => self.end(&receipt, ending),
            (Came::Allow(receipt), None) => self.open.push(Some(receipt)),
            (Came::Hold(_, id), _) => self.holds.push(id),
            (Came::Deny(_), _) => {}
        }
    }

    fn end(&mut self, receipt: &Receipt, ending: Ending) {
        let now = UnixNanos(self.now.0);
        match ending {
            Ending::NotSent => self.buckets.give_back(receipt, Cause::NeverLeft, now),
            Ending::Code(code) if NOT_RUN_CODES.contains(&code) => {
                self.buckets.give_back(receipt, Cause::ServerRefused, now);
            }
            Ending::Code(_) | Ending::MayHaveRun => {}
        }
        self.buckets.end(receipt);
    }

    /// The n-th open call ends; a second time does nothing.
    pub(super) fn finish(
        &mut self,
        number: usize,
        ending: Ending,
        at: Option<Instant>,
    ) -> Result<(), String> {
        self.now = at.unwrap_or(self.now);
        let Some(open) = self.open.get_mut(number.wrapping_sub(1)) else {
            return Err(format!("there is no open call {number}"));
        };
        if let Some(receipt) = open.take() {
            self.end(&receipt, ending);
        }
        Ok(())
    }

    /// A person decides the request of the n-th hold; nothing happens unless it is pending.
    pub(super) fn decide(
        &mut self,
        number: usize,
        decision: Decision,
        at: Option<Instant>,
    ) -> Result<(), String> {
        self.now = at.unwrap_or(self.now);
        let Some(id) = self.holds.get(number.wrapping_sub(1)) else {
            return Err(format!("there is no held call {number}"));
        };
        let now = self.now.millis();
        let record = self.approvals.iter_mut().find(|record| record.id == *id);
        if let Some(record) = record
            && record.state == ApprovalState::Pending
            && now < record.expires_at
        {
            record.state = match decision {
                Decision::Approve => ApprovalState::Approved,
                Decision::Reject => ApprovalState::Rejected,
            };
            record.decided_at = Some(now);
        }
        Ok(())
    }
}

/// A limited call that finds no counters is denied at its first limit (POLICY section 5, rule 5).
fn store_down(store: StoreState, obligations: &Obligations) -> Option<Denial> {
    match store {
        StoreState::Up => None,
        StoreState::Down => obligations.charges.first().map(Denial::store_unavailable),
    }
}

fn exceeded_denial(charges: &[Charge], exceeded: &crate::Exceeded) -> Denial {
    match charges.get(exceeded.index) {
        Some(charge) => Denial::limit_exceeded(charge, exceeded.retry_after_ms),
        None => Denial::bare(crate::Reason::LimitExceeded, "A limit has no room for this call."),
    }
}

/// Compares what came with what was expected, and words the difference.
fn compare(expect: &Expect, came: &Came, trace: &Trace) -> Result<(), String> {
    let got = match came {
        Came::Allow(_) => Expect {
            verdict: ExpectedVerdict::Allow,
            rule: None,
            reason: None,
            message: None,
            retry_after: RetryAfter::Any,
        },
        Came::Hold(ask, _) => Expect {
            verdict: ExpectedVerdict::Hold,
            rule: Some(ask.rule.to_string()),
            reason: Some(crate::Reason::ApprovalRequired),
            message: Some(ask.message.clone()),
            retry_after: RetryAfter::Absent,
        },
        Came::Deny(denial) => Expect {
            verdict: ExpectedVerdict::Deny,
            rule: Some(denial.rule.to_string()),
            reason: Some(denial.reason),
            message: Some(denial.message.clone()),
            retry_after: match denial.retry_after_ms {
                Some(milliseconds) => RetryAfter::Milliseconds(milliseconds),
                None => RetryAfter::Absent,
            },
        },
    };
    let met = expect.verdict == got.verdict
        && (expect.rule.is_none() || expect.rule == got.rule)
        && (expect.reason.is_none() || expect.reason == got.reason)
        && (expect.message.is_none() || expect.message == got.message)
        && (expect.retry_after == RetryAfter::Any || expect.retry_after == got.retry_after);
    if met {
        return Ok(());
    }
    let trace = trace.to_string().replace('\n', "\n           ");
    Err(format!("expected {expect}\n     got {got}\n   trace {trace}"))
}

//! Policies that only observe: what they would refuse or hold is recorded and passes (POLICY section 6 says what
//! that is). And the requests that pass without rules, with what such a policy would have said to them.
//!
//! Refused all the same: what is quarantined, cannot be judged, charged or recorded, or comes without a
//! policy that can be read; and everything that is refused before policy is asked.

use mcp::{CompletionTarget, Method, Request};
use policy::{DefaultAction, Denial, Obligations, Reason, Target, Trace};

use super::judge::{Attempt, Terms, Unadmitted, admit, refuse, unlisted, unrecordable};
use super::ledger::Would;
use super::permit::{Basis, Permit};
use super::visit::Visit;

/// Refuses a call, or lets it pass where its policy only observes and the refusal is the policy's own.
pub(super) async fn refuse_or_note(
    visit: &Visit,
    request: &Request,
    trace: &Trace,
    denial: Denial,
) -> Attempt {
    if visit.grant.policy.observes() && is_of_policy(denial.reason) {
        return note_and_pass(visit, request, trace, ("deny", denial)).await;
    }
    refuse(visit, request, trace, denial).await
}

/// Whether a refusal says what the policy says, and not that the call cannot be judged, recorded or
/// trusted: that refuses also under a policy that only observes.
fn is_of_policy(reason: Reason) -> bool {
    match reason {
        Reason::Hidden
        | Reason::NotListed
        | Reason::ActionDeny
        | Reason::SchemaInvalid
        | Reason::RequireFailed
        | Reason::DenyIfMatched
        | Reason::TypeMismatch
        | Reason::LimitExceeded
        | Reason::ApprovalRequired
        | Reason::ApprovalRejected
        | Reason::TooManyPending => true,
        Reason::StoreUnavailable
        | Reason::Quarantined
        | Reason::NoPolicy
        | Reason::AuditUnavailable
        | Reason::Malformed
        | Reason::PolicyInvalid => false,
    }
}

/// Admits a call that a policy that only observes would refuse or hold, with a row that says so. It
/// charges nothing, as a refused or held call would not: so the counters stand where they would if the
/// policy were enforced, and what later calls would meet is true.
pub(super) async fn note_and_pass(
    visit: &Visit,
    request: &Request,
    trace: &Trace,
    (verdict, denial): (&'static str, Denial),
) -> Attempt {
    let obligations = Obligations::default();
    let would = Some(Would { verdict, denial: &denial });
    let terms = Terms { would, ..Terms::of(&obligations) };
    match admit(visit, request, trace, terms).await {
        Ok(call) => Attempt::Go(call, Permit::new(Basis::Decision)),
        Err(Unadmitted::Denied(denial)) => refuse(visit, request, trace, denial).await,
        Err(Unadmitted::ApprovalGone) => refuse(visit, request, trace, unrecordable()).await,
    }
}

/// The refusal of a method that policy does not know, under a policy that denies by default.
pub(crate) fn not_allowed(visit: &Visit, request: &Request) -> Denial {
    if visit.grant.policy.name.is_none() {
        return Denial::bare(Reason::NoPolicy, "This grant has no policy.");
    }
    not_allowed_method(request.method())
}

fn not_allowed_method(method: &Method) -> Denial {
    unlisted(&format!("The method {method} is not allowed."))
}

/// What a policy that only observes would have said to a method that no rule is about.
pub(super) fn observed_method(visit: &Visit, method: &Method) -> Option<Denial> {
    let policy = &visit.grant.policy;
    let denies = policy.policy.default_action() == DefaultAction::Deny;
    (policy.observes() && denies).then(|| not_allowed_method(method))
}

/// What a policy that only observes would have said to a request that passes without rules: about a
/// resource or a prompt that it does not list, or a method that nothing names.
fn observed_unruled(visit: &Visit, request: &Request) -> Option<Denial> {
    let policy = &visit.grant.policy;
    if !policy.observes() {
        return None;
    }
    let lists = |target: Target<'_>| policy.policy.lists(&target);
    let method = request.method();
    let refused = match (request.completion_target(), request.uri()) {
        (Some(CompletionTarget::Prompt(name)), _) => !lists(Target::Prompt { name: &name }),
        (Some(CompletionTarget::Resource(uri)), _) => !lists(Target::Resource { uri: &uri }),
        (None, Some(uri)) => !lists(Target::Resource { uri }),
        (None, None) if *method == Method::SubscriptionsListen => !request
            .subscribed_uris()
            .all(|uri| uri.is_some_and(|uri| lists(Target::Resource { uri: &uri }))),
        // A grant's own tasks pass under every policy.
        (None, None) if request.task_id().is_some() || *method == Method::TasksList => false,
        (None, None) => return observed_method(visit, method),
    };
    refused.then(|| not_allowed_method(method))
}

/// Admits a request that passes without rules of policy, such as a method under `default: "allow"`,
/// with an audit record and without charges.
pub(crate) async fn admit_unruled(visit: &Visit, request: &Request) -> Attempt {
    let obligations = Obligations::default();
    let trace = Trace::empty();
    let denial = observed_unruled(visit, request);
    let would = denial.as_ref().map(|denial| Would { verdict: "deny", denial });
    let terms = Terms { would, ..Terms::of(&obligations) };
    match admit(visit, request, &trace, terms).await {
        Ok(call) => Attempt::Go(call, Permit::new(Basis::Decision)),
        Err(Unadmitted::Denied(denial)) => refuse(visit, request, &trace, denial).await,
        Err(Unadmitted::ApprovalGone) => refuse(visit, request, &trace, unrecordable()).await,
    }
}

//! The rows of the audit log, and the counts beside them: what is written of a judged message
//! before it leaves or is refused. The outcome of a call is written by `opencall`.

use std::borrow::Cow;
use std::time::Duration;

use mcp::{Method, Request};
use policy::{Denial, Trace};
use store::{AuditGrant, AuditKind, AuditOpen, AuditWould};

use super::facts;
use super::observe;
use super::visit::Visit;
use crate::metrics::DecisionLabels;
use crate::observer::{self, CallEnd, FinishedCall, OTHER_METHOD, Watched};

/// What a row says beside the visit and the request.
pub(super) struct Facts<'a> {
    pub(super) trace: &'a Trace,
    pub(super) denial: Option<&'a Denial>,
    pub(super) approval: Option<&'a str>,
    /// What a policy that only observes would have done: a verdict, and why.
    pub(super) would: Option<Would<'a>>,
}

/// What a policy that only observes would have done.
#[derive(Clone, Copy)]
pub(super) struct Would<'a> {
    /// `deny` or `hold`.
    pub(super) verdict: &'static str,
    /// Why.
    pub(super) denial: &'a Denial,
}

impl<'a> Would<'a> {
    fn recorded(self) -> AuditWould<'a> {
        AuditWould {
            verdict: self.verdict,
            reason: self.denial.reason.as_str(),
            rule: &self.denial.rule,
            message: &self.denial.message,
        }
    }
}

impl<'a> Facts<'a> {
    pub(super) const fn of(trace: &'a Trace, denial: Option<&'a Denial>) -> Self {
        Self { trace, denial, approval: None, would: None }
    }
}

/// Writes the one row of a call that does not leave.
pub(super) async fn record(
    visit: &Visit,
    request: &Request,
    verdict: &'static str,
    known: &Facts<'_>,
) -> Result<(), store::Unavailable> {
    count(visit, verdict, known.denial.map_or("", |denial| denial.reason.as_str()));
    let row = Row::of(visit, request, known);
    visit.plane.store.record(&row.open(visit, request, verdict, known), visit.now).await
}

/// Records a refusal. One that cannot be recorded stays a refusal.
pub(super) async fn note(visit: &Visit, request: &Request, known: &Facts<'_>) {
    if let Err(error) = record(visit, request, "deny", known).await {
        tracing::error!(why = error.why, "a refusal could not be recorded");
    }
    if let Some(watched) = watch(visit, request, "deny", known) {
        watched.ended(CallEnd::default(), visit.plane.now());
    }
}

/// What the observer, if there is one, will hear of this call.
pub(super) fn watch(
    visit: &Visit,
    request: &Request,
    verdict: &'static str,
    known: &Facts<'_>,
) -> Option<Box<Watched>> {
    let observer = visit.plane.config.observer.as_ref()?;
    let policy = &visit.grant.policy;
    let known_method = !matches!(request.method(), Method::Other(_));
    let method = if known_method { request.method().as_str() } else { OTHER_METHOD };
    let name = (*request.method() == Method::ToolsCall).then(|| request.name()).flatten();
    let listed = |name: &&str| visit.server.shelf.with_table(|table| table.get(name).is_some());
    let rule = known.denial.map(|denial| &*denial.rule).filter(|rule| !rule.is_empty());
    let parent = request.meta().and_then(|meta| meta.get("traceparent")?.as_str());
    let call = FinishedCall {
        request_id: visit.request_id.clone(),
        grant: visit.grant.record.label.as_str().into(),
        server: visit.server.record.slug.as_str().into(),
        method: method.into(),
        tool: name.filter(listed).map(observer::cut),
        protocol_version: request.protocol_version().map(mcp::ProtocolVersion::as_str),
        policy: policy.name.as_ref().map(|name| name.as_str().into()),
        policy_version: policy.version,
        revision: visit.snapshot.revision,
        verdict,
        reason: known.denial.map(|denial| denial.reason.as_str()),
        rule: rule.map(observer::cut),
        end: CallEnd::default(),
        ended_at: visit.now,
        latency: Duration::ZERO,
        message_parent: parent.and_then(|text| observer::trace_parent(&text)),
        request_parent: visit.trace_parent.clone(),
    };
    Some(Watched::new(observer, visit.started, call))
}

/// Writes the one row of a message that policy lets pass and that has no outcome: a notification,
/// which nothing answers, or a question about a task (`task`) that the gateway itself answers.
pub(super) async fn note_passed(
    visit: &Visit,
    method: &Method,
    task: Option<&str>,
) -> Result<(), store::Unavailable> {
    visit.plane.metrics.allowed.inc();
    let record = &visit.grant.record;
    let policy = &visit.grant.policy;
    let denial = observe::observed_method(visit, method);
    let row = AuditOpen {
        kind: AuditKind::Decision,
        request_id: &visit.request_id,
        grant: Some(AuditGrant { id: &record.id, label: &record.label }),
        server: Some(record.server.as_str()),
        session: visit.session().map(|session| session.id()),
        method: Some(method.as_str()),
        tool: task,
        policy: policy.name.as_ref().map(store::PolicyName::as_str),
        policy_version: policy.version,
        revision: visit.snapshot.revision,
        verdict: "allow",
        would: denial.as_ref().map(|denial| Would { verdict: "deny", denial }.recorded()),
        ..AuditOpen::default()
    };
    visit.plane.store.record(&row, visit.now).await
}

/// Counts a verdict of a call that does not leave.
fn count(visit: &Visit, verdict: &'static str, reason: &'static str) {
    let labels = DecisionLabels { verdict, reason };
    visit.plane.metrics.decisions.get_or_create(&labels).inc();
}

/// Builds the opening row and hands it to `write` while what it borrows is alive.
pub(super) fn with_row<R>(
    visit: &Visit,
    request: &Request,
    verdict: &str,
    known: &Facts<'_>,
    write: impl FnOnce(&AuditOpen<'_>) -> R,
) -> R {
    let row = Row::of(visit, request, known);
    write(&row.open(visit, request, verdict, known))
}

/// The texts that a row borrows.
struct Row<'a> {
    arguments: Cow<'a, str>,
    trace: String,
    client: Option<Cow<'a, str>>,
    risk: Option<&'static str>,
}

impl<'r> Row<'r> {
    fn of(visit: &'r Visit, request: &'r Request, known: &Facts<'_>) -> Self {
        let values = visit.plane.config.audit_values;
        let info = request.client_info();
        let opening = visit.session().map(|session| &session.opening);
        let client = match (&info, opening) {
            (Some(info), _) => {
                facts::client(info.name.as_deref(), info.version.as_deref()).map(Cow::Owned)
            }
            (None, opening) => opening.and_then(|o| o.client.as_deref()).map(Cow::Borrowed),
        };
        let arguments = facts::arguments(values, request.arguments().map(mcp::Arguments::node));
        let tool = (*request.method() == Method::ToolsCall).then(|| request.name()).flatten();
        let risk = tool
            .and_then(|name| visit.server.shelf.with_table(|table| table.get(name)?.facts().risk));
        let risk = risk.map(policy::Risk::as_str);
        Self { arguments, trace: known.trace.to_json(), client, risk }
    }

    fn open<'a>(
        &'a self,
        visit: &'a Visit,
        request: &'a Request,
        verdict: &'a str,
        known: &'a Facts<'a>,
    ) -> AuditOpen<'a> {
        let record = &visit.grant.record;
        let policy = &visit.grant.policy;
        AuditOpen {
            kind: AuditKind::Decision,
            request_id: &visit.request_id,
            grant: Some(AuditGrant { id: &record.id, label: &record.label }),
            server: Some(record.server.as_str()),
            session: visit.session().map(|session| session.id()),
            client: self.client.as_deref(),
            method: Some(request.method().as_str()),
            tool: request.name().or_else(|| request.uri()).or_else(|| request.task_id()),
            risk: self.risk,
            arguments_json: Some(&self.arguments),
            policy: policy.name.as_ref().map(store::PolicyName::as_str),
            policy_version: policy.version,
            revision: visit.snapshot.revision,
            verdict,
            reason: known.denial.map(|denial| denial.reason.as_str()),
            rule: known.denial.map(|denial| &*denial.rule),
            message: known.denial.map(|denial| denial.message.as_str()),
            trace_json: Some(&self.trace),
            approval_id: known.approval,
            would: known.would.map(Would::recorded),
        }
    }
}

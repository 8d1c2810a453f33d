//! Stops 5 to 10 of a call that policy judges: the call as a value, the decision, the approval, the
//! charge with the opening audit row, the permit. What leaves this module as `Go` is decided,
//! charged and recorded; sending it is the next module's.

use std::borrow::Cow;
use std::sync::Arc;

use mcp::{Era, Method, Request, Token};
use policy::{
    ApprovalRecord, ApprovalState, Ask, BuildError, Call, CallIdentity, ClientFacts, Denial,
    GrantFacts, Judgement, Kind, Obligations, Policy, Reason, ScopeIds, Settled, Target, Trace,
    Value, Verdict, call_digest, canonical_json, decide,
};
use store::{AdmitError, AdmitRequest, AuditGrant, AuditKind, AuditOpen, CheckError, Opened};

use super::facts;
use super::opencall::OpenCall;
use super::permit::{Basis, Permit};
use super::refusal::{self, Asked, Notice};
use super::visit::Visit;
use crate::listing;
use crate::metrics::DecisionLabels;
use crate::tools::Tool;

/// How often a call is settled anew when its approval was used up, or another call came first, in
/// between.
const SETTLE_TRIES_MAX: usize = 3;

/// The organisation that all grants belong to.
pub(crate) const ORGANISATION: &str = "default";

/// What became of a call before it left.
pub(crate) enum Attempt {
    /// It is allowed, charged and recorded.
    Go(OpenCall, Permit),
    /// It waits for a person.
    Held(Box<Held>),
    /// It does not go on.
    Refused(Notice),
}

/// A call that waits for a person.
pub(crate) struct Held {
    pub(crate) asked: Asked,
    /// What the agent reads when nobody decides in time.
    pub(crate) notice: Notice,
    /// The rules' own time to wait, in seconds.
    pub(crate) wait_seconds: Option<u32>,
}

/// The call as policy sees it, with what it borrows.
struct Judged<'r> {
    kind: Kind,
    name: &'r str,
    tool: Option<Arc<Tool>>,
    judgement: Judgement,
}

/// Judges a call, settles its approval, charges it and opens its audit record.
pub(crate) async fn attempt(visit: &Visit, request: &Request) -> Attempt {
    let Some((kind, name)) = subject(request) else {
        return refuse(visit, request, &Trace::empty(), not_allowed(visit, request)).await;
    };
    let tool = match find_tool(visit, request, kind, name).await {
        Ok(tool) => tool,
        Err(refused) => return refused,
    };
    let reads = reads_arguments(&visit.grant.policy.policy, kind, tool.as_deref());
    let args = match arguments(request, kind, name, reads) {
        Ok(args) => args,
        Err(error) => {
            let denial = malformed(&error);
            return refuse(visit, request, &Trace::empty(), denial).await;
        }
    };
    let judgement = judge(visit, request, &tool, &args);
    let judged = Judged { kind, name, tool, judgement };
    settle(visit, request, &judged, args).await
}

/// What policy judges about a request; `None` for methods that it does not know.
fn subject(request: &Request) -> Option<(Kind, &str)> {
    let method = request.method();
    if *method == Method::ToolsCall {
        Some((Kind::Tool, request.name()?))
    } else if *method == Method::PromptsGet {
        Some((Kind::Prompt, request.name()?))
    } else if matches!(method, Method::ResourcesRead | Method::ResourcesSubscribe) {
        Some((Kind::Resource, request.uri()?))
    } else {
        None
    }
}

/// The tool of a call. A tool that the server never listed is refused like a hidden one; a grant
/// that may do nothing learns nothing about what exists.
async fn find_tool(
    visit: &Visit,
    request: &Request,
    kind: Kind,
    name: &str,
) -> Result<Option<Arc<Tool>>, Attempt> {
    if kind != Kind::Tool || visit.grant.policy.nothing {
        return Ok(None);
    }
    if let Err(error) = listing::ensure_listed(&visit.plane, &visit.server).await {
        tracing::info!(server = visit.server.record.slug.as_str(), %error, "no list, no call");
        let denial = plain(Reason::NotListed, "/default", "The server's tools are not known.");
        note(visit, request, &Facts::of(&Trace::empty(), Some(&denial))).await;
        return Err(Attempt::Refused(refusal::unreachable(request.id())));
    }
    let tool = visit.server.shelf.with_table(|table| table.get(name).cloned());
    let Some(tool) = tool else {
        let denial = plain(Reason::NotListed, "/default", "The server never listed this tool.");
        note(visit, request, &Facts::of(&Trace::empty(), Some(&denial))).await;
        return Err(Attempt::Refused(refusal::unknown_tool(request.id(), name)));
    };
    if request.era() == Era::Modern && !tool.mirrored().is_empty() {
        let headers = visit.param_headers();
        if let Err(refused) = mcp::check_param_headers(request, tool.mirrored(), &headers) {
            crate::entry::note_malformed(visit, &refused).await;
            return Err(Attempt::Refused(Notice {
                status: http::StatusCode::BAD_REQUEST,
                body: refused.to_body(),
            }));
        }
    }
    Ok(Some(tool))
}

fn reads_arguments(policy: &Policy, kind: Kind, tool: Option<&Tool>) -> bool {
    match (kind, tool) {
        (Kind::Tool, Some(tool)) => policy.reads_arguments(&tool.facts()),
        (Kind::Tool, None) => false,
        (Kind::Resource | Kind::Prompt, _) => true,
    }
}

/// The arguments as policy sees them. Those of a tool call are only converted when a rule reads
/// them; the bytes were parsed already.
fn arguments<'r>(
    request: &'r Request,
    kind: Kind,
    name: &'r str,
    wanted: bool,
) -> Result<Value<'r>, BuildError> {
    if kind == Kind::Resource {
        let mut builder = Value::builder();
        builder.begin_object();
        builder.key("uri");
        builder.string(Cow::Borrowed(name));
        builder.end_object();
        return builder.finish();
    }
    match request.arguments() {
        Some(arguments) if wanted => {
            let mut builder = Value::builder();
            for token in arguments.tokens() {
                match token {
                    Token::Null => builder.null(),
                    Token::Bool(value) => builder.bool(value),
                    Token::Number(text) => builder.number(text),
                    Token::String(text) => builder.string(text),
                    Token::BeginObject => builder.begin_object(),
                    Token::Key(key) => builder.key(key),
                    Token::EndObject => builder.end_object(),
                    Token::BeginArray => builder.begin_array(),
                    Token::EndArray => builder.end_array(),
                }
            }
            builder.finish()
        }
        Some(_) | None => Ok(Value::object()),
    }
}

/// Stop 6: one pure evaluation, and the quarantine after its first step.
fn judge(
    visit: &Visit,
    request: &Request,
    tool: &Option<Arc<Tool>>,
    args: &Value<'_>,
) -> Judgement {
    let record = &visit.grant.record;
    let info = request.client_info();
    let opening = visit.session().map(|session| &session.opening);
    let client = ClientFacts {
        name: info
            .as_ref()
            .and_then(|info| info.name.as_deref())
            .or_else(|| opening.and_then(|opening| opening.client_name.as_deref())),
        version: info
            .as_ref()
            .and_then(|info| info.version.as_deref())
            .or_else(|| opening.and_then(|opening| opening.client_version.as_deref())),
    };
    let target = match (subject(request), tool) {
        (Some((Kind::Tool, _)), Some(tool)) => Target::Tool(tool.facts()),
        (Some((Kind::Tool, name)), None) => {
            Target::Tool(policy::ToolFacts { name, class: None, risk: None, schema: None })
        }
        (Some((Kind::Resource, uri)), _) => Target::Resource { uri },
        (Some((Kind::Prompt, name)), _) => Target::Prompt { name },
        (None, _) => Target::Prompt { name: "" },
    };
    let grant = GrantFacts { label: record.label.as_str(), tags: &record.tags };
    let call = Call { target, args, grant, client, now: visit.now };
    let mut judgement = decide(&visit.grant.policy.policy, &call);
    let hidden =
        matches!(&judgement.verdict, Verdict::Deny(denial) if denial.reason == Reason::Hidden);
    if let Some(tool) = tool
        && tool.is_quarantined()
        && !hidden
    {
        let message = format!(
            "The tool {} is quarantined: its definition is new or changed, and nobody has \
             accepted it yet.",
            tool.name
        );
        judgement.verdict = Verdict::Deny(plain(Reason::Quarantined, "/default", &message));
    }
    judgement
}

/// Stops 7 to 10.
async fn settle(visit: &Visit, request: &Request, judged: &Judged<'_>, args: Value<'_>) -> Attempt {
    let trace = &judged.judgement.trace;
    match &judged.judgement.verdict {
        Verdict::Deny(denial) => refuse(visit, request, trace, denial.clone()).await,
        Verdict::Allow(obligations) => {
            match admit(visit, request, trace, (obligations, None)).await {
                Ok(call) => Attempt::Go(call, Permit::new(Basis::Decision)),
                Err(Unadmitted::Denied(denial)) => refuse(visit, request, trace, denial).await,
                Err(Unadmitted::ApprovalGone) => {
                    refuse(visit, request, trace, unrecordable("no approval was asked for")).await
                }
            }
        }
        Verdict::Hold(ask, obligations) => {
            if *request.method() == Method::ResourcesSubscribe {
                // An approval serves one read; a subscription would go on after it.
                let denial = asking(ask, Reason::ApprovalRequired);
                return refuse(visit, request, trace, denial).await;
            }
            match check(visit, obligations) {
                Ok(()) => hold(visit, request, judged, (ask, obligations, args)).await,
                Err(denial) => refuse(visit, request, trace, denial).await,
            }
        }
    }
}

/// Stop 7: what a person said, or is asked.
async fn hold(
    visit: &Visit,
    request: &Request,
    judged: &Judged<'_>,
    what: (&Ask, &Obligations, Value<'_>),
) -> Attempt {
    let (ask, obligations, args) = what;
    let trace = &judged.judgement.trace;
    // The call's identity holds its arguments also where no rule reads them.
    let args = match arguments(request, judged.kind, judged.name, true) {
        Ok(whole) => whole,
        Err(_unreadable) => args,
    };
    let grant = visit.grant.record.id.as_str();
    let identity = CallIdentity {
        grant,
        server: visit.server.record.slug.as_str(),
        kind: judged.kind,
        name: judged.name,
        definition_pin: judged.tool.as_ref().map(|tool| &*tool.digest),
        args: &args,
    };
    let digest = call_digest(&identity);
    let mut settled = visit.plane.store.settle(&digest, grant, ask, visit.now);
    for _ in 0..SETTLE_TRIES_MAX {
        match settled {
            Settled::Use(id) => {
                if let Err(refused) = still_as_approved(visit, request, judged).await {
                    return refused;
                }
                match admit(visit, request, trace, (obligations, Some(&id))).await {
                    Ok(call) => return Attempt::Go(call, Permit::new(Basis::Decision)),
                    Err(Unadmitted::Denied(denial)) => {
                        return refuse(visit, request, trace, denial).await;
                    }
                    Err(Unadmitted::ApprovalGone) => {
                        settled = visit.plane.store.settle(&digest, grant, ask, visit.now);
                    }
                }
            }
            Settled::Join { id, expires_at } => {
                return wait_for(visit, request, trace, (ask, Asked { id, expires_at })).await;
            }
            Settled::Rejected { reason, .. } => {
                let mut denial = asking(ask, Reason::ApprovalRejected);
                denial.message = format!(
                    "Rejected by a person: {}",
                    reason.as_deref().unwrap_or("no reason was given")
                );
                denial.hint = None;
                return refuse(visit, request, trace, denial).await;
            }
            Settled::TooManyPending => {
                let mut denial = asking(ask, Reason::TooManyPending);
                denial.message =
                    "Too many calls of this grant wait for a person already.".to_owned();
                return refuse(visit, request, trace, denial).await;
            }
            Settled::Open => {
                let record = new_request(visit, judged, &identity, ask);
                let asked = Asked { id: record.id.clone(), expires_at: record.expires_at };
                match visit.plane.store.open_approval(record, ask, visit.now).await {
                    Ok(Opened::New) => return wait_for(visit, request, trace, (ask, asked)).await,
                    Ok(Opened::Settled(other)) => settled = other,
                    Err(error) => {
                        let denial = unrecordable(&error.why);
                        return refuse(visit, request, trace, denial).await;
                    }
                }
            }
        }
    }
    refuse(visit, request, trace, asking(ask, Reason::ApprovalRequired)).await
}

fn new_request(
    visit: &Visit,
    judged: &Judged<'_>,
    identity: &CallIdentity<'_>,
    ask: &Ask,
) -> ApprovalRecord {
    ApprovalRecord {
        id: policy::ApprovalId::from_random(visit.plane.config.randomness.bytes()),
        digest: call_digest(identity),
        grant: identity.grant.to_owned(),
        server: identity.server.to_owned(),
        kind: judged.kind,
        name: judged.name.to_owned(),
        definition_pin: identity.definition_pin.map(str::to_owned),
        arguments: canonical_json(identity.args.root()),
        rules: ask.rules.clone(),
        approvers: ask.approvers.clone(),
        state: ApprovalState::Pending,
        created_at: visit.now,
        expires_at: visit.now.plus_seconds(ask.expires_seconds),
        decided_by: None,
        decided_at: None,
        decided_from: None,
        decided_reason: None,
        used_at: None,
    }
}

/// An approved call goes on with the definition that was approved: the server is listed once more
/// before the approval is used, because a changed definition may not have been noticed yet.
async fn still_as_approved(
    visit: &Visit,
    request: &Request,
    judged: &Judged<'_>,
) -> Result<(), Attempt> {
    let Some(tool) = &judged.tool else { return Ok(()) };
    let listed = {
        let _listing = visit.server.shelf.listing.lock().await;
        listing::list_now(&visit.plane, &visit.server).await
    };
    if let Err(error) = listed {
        tracing::info!(server = visit.server.record.slug.as_str(), %error, "no list, no call");
        return Err(Attempt::Refused(refusal::unreachable(request.id())));
    }
    let now = visit.server.shelf.with_table(|table| table.get(&tool.name).cloned());
    let same = now.is_some_and(|now| now.digest == tool.digest && !now.is_quarantined());
    if same {
        return Ok(());
    }
    let message = format!("The definition of {} changed after the approval.", tool.name);
    let denial = plain(Reason::Quarantined, "/default", &message);
    Err(refuse(visit, request, &judged.judgement.trace, denial).await)
}

async fn wait_for(visit: &Visit, request: &Request, trace: &Trace, what: (&Ask, Asked)) -> Attempt {
    let (ask, asked) = what;
    let denial = asking(ask, Reason::ApprovalRequired);
    let known = Facts { approval: Some(asked.id.as_str()), ..Facts::of(trace, Some(&denial)) };
    if let Err(error) = record(visit, request, "hold", &known).await {
        return refuse(visit, request, trace, unrecordable(&error.why)).await;
    }
    let notice = refusal::held(request, &denial, &visit.request_id, (&asked, &visit.plane));
    Attempt::Held(Box::new(Held { asked, notice, wait_seconds: ask.wait_seconds }))
}

/// Why a call that policy allows is not admitted.
enum Unadmitted {
    Denied(Denial),
    ApprovalGone,
}

fn scope<'v>(visit: &'v Visit) -> ScopeIds<'v> {
    ScopeIds {
        grant: visit.grant.record.id.as_str(),
        session: visit.session().map(|session| session.id()),
        server: visit.server.record.slug.as_str(),
        organisation: ORGANISATION,
    }
}

/// Stops 8 and 10: all charges or none, the approval and the opening row, in one step of the store.
async fn admit(
    visit: &Visit,
    request: &Request,
    trace: &Trace,
    what: (&Obligations, Option<&policy::ApprovalId>),
) -> Result<OpenCall, Unadmitted> {
    let (obligations, approval) = what;
    let known =
        Facts { approval: approval.map(policy::ApprovalId::as_str), ..Facts::of(trace, None) };
    let admission = with_row(visit, request, "allow", &known, |open| {
        visit.plane.store.admit(&AdmitRequest {
            charges: &obligations.charges,
            scope: scope(visit),
            approval,
            open,
            now: visit.now,
        })
    });
    match admission.await {
        Ok(admitted) => {
            count(visit, "allow", "");
            Ok(OpenCall::new(visit, request, admitted))
        }
        Err(AdmitError::Exceeded(exceeded)) => {
            Err(Unadmitted::Denied(over_limit(obligations, exceeded)))
        }
        Err(AdmitError::ApprovalGone) => Err(Unadmitted::ApprovalGone),
        Err(AdmitError::StoreUnavailable(error)) => {
            tracing::error!(why = error.why, "a call was refused: the counters are away");
            Err(Unadmitted::Denied(store_away(obligations)))
        }
        Err(AdmitError::AuditUnavailable(error)) => {
            tracing::error!(why = error.why, "a call was refused: it could not be recorded");
            Err(Unadmitted::Denied(unrecordable(&error.why)))
        }
    }
}

/// Step 6 of a decision for a call that is to be held: its limits must have room.
fn check(visit: &Visit, obligations: &Obligations) -> Result<(), Denial> {
    if obligations.charges.is_empty() {
        return Ok(());
    }
    match visit.plane.store.check_limits(&obligations.charges, &scope(visit), visit.now) {
        Ok(()) => Ok(()),
        Err(CheckError::Exceeded(exceeded)) => Err(over_limit(obligations, exceeded)),
        Err(CheckError::StoreUnavailable(_)) => Err(store_away(obligations)),
    }
}

fn over_limit(obligations: &Obligations, exceeded: policy::Exceeded) -> Denial {
    let charge = obligations.charges.get(exceeded.index);
    let rule = charge.map_or("", |charge| &*charge.rule);
    let message = match charge.and_then(|charge| charge.message.as_deref()) {
        Some(message) => message.to_owned(),
        None => format!("The limit {rule} is used up."),
    };
    let mut denial = plain(Reason::LimitExceeded, rule, &message);
    denial.retry_after_ms = exceeded.retry_after_ms;
    denial
}

fn store_away(obligations: &Obligations) -> Denial {
    let rule = obligations.charges.first().map_or("", |charge| &*charge.rule);
    plain(Reason::StoreUnavailable, rule, "The counters cannot be reached.")
}

fn unrecordable(why: &str) -> Denial {
    tracing::debug!(why, "a call could not be recorded");
    plain(Reason::AuditUnavailable, "", "The decision could not be recorded.")
}

fn malformed(error: &BuildError) -> Denial {
    plain(Reason::Malformed, "", &format!("The arguments cannot be judged: {error}"))
}

fn asking(ask: &Ask, reason: Reason) -> Denial {
    let mut denial = plain(reason, &ask.rule, &ask.message);
    denial.hint.clone_from(&ask.hint);
    denial
}

/// The refusal of a method that policy does not know, under a policy that denies by default.
pub(crate) fn not_allowed(visit: &Visit, request: &Request) -> Denial {
    if visit.grant.policy.name.is_none() {
        return plain(Reason::NoPolicy, "", "This grant has no policy.");
    }
    let message = format!("The method {} is not allowed.", request.method());
    plain(Reason::NotListed, "/default", &message)
}

/// A denial without hint.
pub(crate) fn plain(reason: Reason, rule: &str, message: &str) -> Denial {
    Denial {
        reason,
        rule: rule.into(),
        message: message.to_owned(),
        hint: None,
        retry_after_ms: None,
    }
}

/// Records and words a refusal. In durable mode the row is on disk before the agent reads it; a row
/// that cannot be written changes nothing about the refusal.
pub(crate) async fn refuse(
    visit: &Visit,
    request: &Request,
    trace: &Trace,
    denial: Denial,
) -> Attempt {
    note(visit, request, &Facts::of(trace, Some(&denial))).await;
    Attempt::Refused(refusal::denied(request, &denial, &visit.request_id))
}

/// Admits a request that passes without rules of policy, such as a method under `default: "allow"`,
/// with an audit record and without charges.
pub(crate) async fn admit_unruled(visit: &Visit, request: &Request) -> Attempt {
    let obligations = Obligations::default();
    let trace = Trace::empty();
    match admit(visit, request, &trace, (&obligations, None)).await {
        Ok(call) => Attempt::Go(call, Permit::new(Basis::Decision)),
        Err(Unadmitted::Denied(denial)) => refuse(visit, request, &trace, denial).await,
        Err(Unadmitted::ApprovalGone) => {
            refuse(visit, request, &trace, unrecordable("no approval was asked for")).await
        }
    }
}

/// What a row says beside the visit and the request.
struct Facts<'a> {
    trace: &'a Trace,
    denial: Option<&'a Denial>,
    approval: Option<&'a str>,
}

impl<'a> Facts<'a> {
    const fn of(trace: &'a Trace, denial: Option<&'a Denial>) -> Self {
        Self { trace, denial, approval: None }
    }
}

/// Writes the one row of a call that does not leave.
async fn record(
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
async fn note(visit: &Visit, request: &Request, known: &Facts<'_>) {
    if let Err(error) = record(visit, request, "deny", known).await {
        tracing::error!(why = error.why, "a refusal could not be recorded");
    }
}

fn count(visit: &Visit, verdict: &'static str, reason: &'static str) {
    let labels = DecisionLabels { verdict, reason };
    visit.plane.metrics.decisions.get_or_create(&labels).inc();
}

/// Builds the opening row and hands it to `write` while what it borrows is alive.
fn with_row<R>(
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
struct Row {
    arguments: String,
    trace: String,
    client: Option<String>,
}

impl Row {
    fn of(visit: &Visit, request: &Request, known: &Facts<'_>) -> Self {
        let values = visit.plane.config.audit_values;
        let info = request.client_info();
        let opening = visit.session().map(|session| &session.opening);
        let client = match (&info, opening) {
            (Some(info), _) => facts::client(info.name.as_deref(), info.version.as_deref()),
            (None, Some(opening)) => {
                facts::client(opening.client_name.as_deref(), opening.client_version.as_deref())
            }
            (None, None) => None,
        };
        let arguments = facts::arguments(values, request.arguments().map(mcp::Arguments::node));
        Self { arguments, trace: known.trace.to_json(), client }
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
        }
    }
}

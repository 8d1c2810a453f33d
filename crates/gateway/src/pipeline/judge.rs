//! Stops 5 to 10 of a call that policy judges: the call as a value, the decision, the approval, the
//! charge with the opening audit row, the permit. What leaves this module as `Go` is decided,
//! charged and recorded; sending it is the next module's.

use std::borrow::Cow;
use std::sync::Arc;

use mcp::{Era, Method, Request, Token};
use policy::{
    ApprovalRecord, ApprovalState, Ask, BuildError, Call, CallIdentity, ClientFacts, Denial,
    GrantFacts, Judgement, Kind, Obligations, Policy, Reason, ScopeIds, Settled, Target, Trace,
    UnixMillis, Value, Verdict, call_digest, canonical_json, decide,
};
use store::{AdmitError, AdmitRequest, CheckError, Opened};

use super::ledger::{self, Facts, Would};
use super::observe;
use super::opencall::OpenCall;
use super::permit::{Basis, Permit};
use super::refusal::{self, Asked, Notice};
use super::visit::{Visit, Waiting};
use crate::listing;
use crate::observer::{CallEnd, Watched};
use crate::tools::{Listed, Tool};

/// How often a call is settled anew when its approval was used up, or another call came first, in
/// between.
const SETTLE_TRIES_MAX: usize = 3;

/// The organisation that all grants belong to.
pub(crate) const ORGANISATION: &str = "default";

/// What became of a call before it left.
#[expect(clippy::large_enum_variant, reason = "the usual case is the large one; it is not boxed")]
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
    watched: Option<Box<Watched>>,
}

impl Held {
    /// Nobody decided while the agent waited, or nobody waited: the observer hears of a hold.
    pub(crate) fn stays_held(&mut self, now: UnixMillis) {
        if let Some(watched) = self.watched.take() {
            watched.ended(CallEnd::default(), now);
        }
    }
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
        return Box::pin(refuse(
            visit,
            request,
            &Trace::empty(),
            observe::not_allowed(visit, request),
        ))
        .await;
    };
    let tool = match find_tool(visit, request, kind, name).await {
        Ok(tool) => tool,
        Err(refused) => return refused,
    };
    let reads = reads_arguments(&visit.grant.policy.policy, kind, tool.as_deref());
    let args = match arguments(request, kind, name, reads) {
        Ok(args) => args,
        Err(_unreadable) => {
            let denial = Denial::malformed();
            return Box::pin(refuse(visit, request, &Trace::empty(), denial)).await;
        }
    };
    let judgement = judge(visit, request, tool.as_deref(), &args);
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
    let listed = visit.server.shelf.with_table(|table| table.listed) == Listed::Yes;
    if !listed
        && let Err(error) = Box::pin(listing::ensure_listed(&visit.plane, &visit.server)).await
    {
        tracing::info!(server = visit.server.record.slug.as_str(), %error, "no list, no call");
        let denial = unlisted("The server's tools are not known.");
        Box::pin(ledger::note(visit, request, &Facts::of(&Trace::empty(), Some(&denial)))).await;
        return Err(Attempt::Refused(refusal::unreachable(request.id())));
    }
    if !listed && !visit.stands() {
        return Err(moved(visit, request, &Trace::empty()).await);
    }
    let tool = visit.server.shelf.with_table(|table| table.get(name).cloned());
    let Some(tool) = tool else {
        let denial = unlisted("The server never listed this tool.");
        Box::pin(ledger::note(visit, request, &Facts::of(&Trace::empty(), Some(&denial)))).await;
        return Err(Attempt::Refused(refusal::unknown_tool(request.id(), name)));
    };
    if request.era() == Era::Modern
        && let Err(refused) = check_mirrored(visit, request, &tool)
    {
        Box::pin(crate::entry::note_malformed(visit, &refused)).await;
        return Err(Attempt::Refused(Notice {
            status: http::StatusCode::BAD_REQUEST,
            body: refused.to_body(),
        }));
    }
    Ok(Some(tool))
}

/// Compares the arguments with what headers say of them. Where the tool's own annotations cannot be
/// read, no header can be compared, so none may be there.
fn check_mirrored(visit: &Visit, request: &Request, tool: &Tool) -> Result<(), mcp::Refusal> {
    match tool.mirrored() {
        Ok(params) if params.is_empty() => Ok(()),
        Ok(params) => mcp::check_param_headers(request, params, &visit.param_headers()),
        Err(_fault) if visit.param_headers().is_empty() => Ok(()),
        Err(fault) => Err(mcp::unmirrored(request, fault)),
    }
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
fn judge(visit: &Visit, request: &Request, tool: Option<&Tool>, args: &Value<'_>) -> Judgement {
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
    // What only observes hides nothing, and a quarantined tool is refused all the same.
    if let Some(tool) = tool
        && tool.is_quarantined()
        && (!hidden || visit.grant.policy.observes())
    {
        let message = format!(
            "The tool {} is quarantined: its definition is new or changed, and nobody has \
             accepted it yet.",
            tool.name
        );
        judgement.verdict = Verdict::Deny(Denial::bare(Reason::Quarantined, &message));
    }
    judgement
}

/// Stops 7 to 10.
async fn settle(visit: &Visit, request: &Request, judged: &Judged<'_>, args: Value<'_>) -> Attempt {
    let trace = &judged.judgement.trace;
    match &judged.judgement.verdict {
        Verdict::Deny(denial) => {
            Box::pin(observe::refuse_or_note(visit, request, trace, denial.clone())).await
        }
        Verdict::Allow(obligations) => {
            match admit(visit, request, trace, Terms::of(obligations)).await {
                Ok(call) => Attempt::Go(call, Permit::new(Basis::Decision)),
                Err(Unadmitted::Denied(denial)) => {
                    Box::pin(observe::refuse_or_note(visit, request, trace, denial)).await
                }
                Err(Unadmitted::ApprovalGone) => {
                    Box::pin(refuse(visit, request, trace, unrecordable())).await
                }
            }
        }
        Verdict::Hold(ask, obligations) => {
            if *request.method() == Method::ResourcesSubscribe {
                // An approval serves one read; a subscription would go on after it.
                let denial = asking(ask);
                return Box::pin(observe::refuse_or_note(visit, request, trace, denial)).await;
            }
            match check(visit, obligations) {
                Ok(()) if visit.grant.policy.observes() => {
                    let denial = asking(ask);
                    Box::pin(observe::note_and_pass(visit, request, trace, ("hold", denial))).await
                }
                Ok(()) => Box::pin(hold(visit, request, judged, (ask, obligations, args))).await,
                Err(denial) => {
                    Box::pin(observe::refuse_or_note(visit, request, trace, denial)).await
                }
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
    let mut now = visit.now;
    let mut settled = visit.plane.store.settle(&digest, grant, ask, now);
    for _ in 0..SETTLE_TRIES_MAX {
        match settled {
            Settled::Use(id) => {
                if let Err(refused) = still_as_approved(visit, request, judged).await {
                    return refused;
                }
                let terms = Terms { approval: Some(&id), ..Terms::of(obligations) };
                match admit(visit, request, trace, terms).await {
                    Ok(call) => return Attempt::Go(call, Permit::new(Basis::Decision)),
                    Err(Unadmitted::Denied(denial)) => {
                        return Box::pin(refuse(visit, request, trace, denial)).await;
                    }
                    Err(Unadmitted::ApprovalGone) => {
                        now = visit.plane.now();
                        settled = visit.plane.store.settle(&digest, grant, ask, now);
                    }
                }
            }
            Settled::Join { id, expires_at } => {
                return wait_for(visit, request, trace, (ask, Asked { id, expires_at })).await;
            }
            Settled::Rejected { reason, .. } => {
                let denial = Denial::approval_rejected(ask, reason.as_deref());
                return Box::pin(refuse(visit, request, trace, denial)).await;
            }
            Settled::TooManyPending => {
                let denial = Denial::too_many_pending(ask);
                return Box::pin(refuse(visit, request, trace, denial)).await;
            }
            Settled::Open if visit.waiting == Waiting::Nobody => break,
            Settled::Open => {
                let record = new_request(visit, judged, &identity, (ask, now));
                let asked = Asked { id: record.id.clone(), expires_at: record.expires_at };
                match visit.plane.store.open_approval(record, ask, now).await {
                    Ok(Opened::New) => return wait_for(visit, request, trace, (ask, asked)).await,
                    Ok(Opened::Settled(other)) => settled = other,
                    Err(error) => {
                        tracing::error!(why = error.why, "an approval could not be asked for");
                        let denial = unrecordable();
                        return Box::pin(refuse(visit, request, trace, denial)).await;
                    }
                }
            }
        }
    }
    refuse(visit, request, trace, asking(ask)).await
}

fn new_request(
    visit: &Visit,
    judged: &Judged<'_>,
    identity: &CallIdentity<'_>,
    (ask, now): (&Ask, UnixMillis),
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
        created_at: now,
        expires_at: now.plus_seconds(ask.expires_seconds),
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
    let listed = listing::list_in_turn(&visit.plane, &visit.server, || false).await;
    if let Err(error) = listed {
        tracing::info!(server = visit.server.record.slug.as_str(), %error, "no list, no call");
        return Err(Attempt::Refused(refusal::unreachable(request.id())));
    }
    let now = visit.server.shelf.with_table(|table| table.get(&tool.name).cloned());
    let same = now.is_some_and(|now| now.digest == tool.digest && !now.is_quarantined());
    if same && visit.stands() {
        return Ok(());
    }
    if same {
        return Err(moved(visit, request, &judged.judgement.trace).await);
    }
    let message = format!("The definition of {} changed after the approval.", tool.name);
    let denial = Denial::bare(Reason::Quarantined, &message);
    Err(refuse(visit, request, &judged.judgement.trace, denial).await)
}

/// The refusal of a call whose policy changed, or whose grant ended, while the server was listed for
/// it: the same call again is judged by what is in force then.
async fn moved(visit: &Visit, request: &Request, trace: &Trace) -> Attempt {
    let message = "The grant or its policy changed while this call was on its way.";
    let denial = Denial::bare(Reason::PolicyInvalid, message);
    Box::pin(refuse(visit, request, trace, denial)).await
}

async fn wait_for(visit: &Visit, request: &Request, trace: &Trace, what: (&Ask, Asked)) -> Attempt {
    let (ask, asked) = what;
    let denial = asking(ask);
    let known = Facts { approval: Some(asked.id.as_str()), ..Facts::of(trace, Some(&denial)) };
    if let Err(error) = ledger::record(visit, request, "hold", &known).await {
        tracing::error!(why = error.why, "a hold could not be recorded");
        return Box::pin(refuse(visit, request, trace, unrecordable())).await;
    }
    let notice = refusal::held(request, &denial, &visit.request_id, (&asked, &visit.plane));
    let watched = ledger::watch(visit, request, "hold", &known);
    Attempt::Held(Box::new(Held { asked, notice, wait_seconds: ask.wait_seconds, watched }))
}

/// Why a call that policy allows is not admitted.
pub(super) enum Unadmitted {
    Denied(Denial),
    ApprovalGone,
}

fn scope(visit: &Visit) -> ScopeIds<'_> {
    ScopeIds {
        grant: visit.grant.record.id.as_str(),
        session: visit.session().map(|session| session.id()),
        server: visit.server.record.slug.as_str(),
        organisation: ORGANISATION,
    }
}

/// What an allowed call is admitted with.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) obligations: &'a Obligations,
    /// The approval that it uses up.
    pub(super) approval: Option<&'a policy::ApprovalId>,
    /// What a policy that only observes would have done with it.
    pub(super) would: Option<Would<'a>>,
}

impl<'a> Terms<'a> {
    pub(super) const fn of(obligations: &'a Obligations) -> Self {
        Self { obligations, approval: None, would: None }
    }
}

/// Stops 8 and 10: all charges or none, the approval and the opening row, in one step of the store.
pub(super) async fn admit(
    visit: &Visit,
    request: &Request,
    trace: &Trace,
    terms: Terms<'_>,
) -> Result<OpenCall, Unadmitted> {
    let Terms { obligations, approval, would } = terms;
    // The server was listed for an approved call, at its leisure: what counts is the time after that.
    let now = if approval.is_some() { visit.plane.now() } else { visit.now };
    let approval_id = approval.map(policy::ApprovalId::as_str);
    let known = Facts { approval: approval_id, would, ..Facts::of(trace, None) };
    let admission = ledger::with_row(visit, request, "allow", &known, |open| {
        visit.plane.store.admit(&AdmitRequest {
            charges: &obligations.charges,
            scope: scope(visit),
            approval,
            open,
            now,
        })
    });
    match admission.await {
        Ok(admitted) => {
            visit.plane.metrics.allowed.inc();
            let watched = ledger::watch(visit, request, "allow", &known);
            Ok(OpenCall::new(visit, request, admitted, watched))
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
            Err(Unadmitted::Denied(unrecordable()))
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
    match obligations.charges.get(exceeded.index) {
        Some(charge) => Denial::limit_exceeded(charge, exceeded.retry_after_ms),
        None => Denial::bare(Reason::LimitExceeded, "A limit is used up."),
    }
}

fn store_away(obligations: &Obligations) -> Denial {
    match obligations.charges.first() {
        Some(charge) => Denial::store_unavailable(charge),
        None => Denial::bare(Reason::StoreUnavailable, "The counters cannot be reached."),
    }
}

pub(super) fn unrecordable() -> Denial {
    Denial::bare(Reason::AuditUnavailable, "The decision could not be recorded.")
}

fn asking(ask: &Ask) -> Denial {
    Denial {
        rule: Arc::clone(&ask.rule),
        hint: ask.hint.clone(),
        ..Denial::bare(Reason::ApprovalRequired, &ask.message)
    }
}

/// The refusal of something that no selector names.
pub(crate) fn unlisted(message: &str) -> Denial {
    Denial { rule: "/default".into(), ..Denial::bare(Reason::NotListed, message) }
}

/// Records and words a refusal. In durable mode the row is on disk before the agent reads it; a row
/// that cannot be written changes nothing about the refusal.
pub(crate) async fn refuse(
    visit: &Visit,
    request: &Request,
    trace: &Trace,
    denial: Denial,
) -> Attempt {
    ledger::note(visit, request, &Facts::of(trace, Some(&denial))).await;
    Attempt::Refused(refusal::denied(request, &denial, &visit.request_id))
}

//! Stop 4: which decision a method takes (the table of GATEWAY.md section 4). The decisions
//! themselves stand in `judge`, the lists in `rewrite`.

use bytes::Bytes;
use http::StatusCode;
use mcp::{CompletionTarget, Era, ListKind, Method, Request, Sender};
use policy::{DefaultAction, Trace};

use super::exchange::{Exchange, notice_answer};
use super::judge::{self, Attempt};
use super::lasting::Work;
use super::refusal::{self, TASKS_EXTENSION};
use super::rewrite::{self, Expect, Handshake, OwnTasks};
use super::visit::Visit;
use super::{facts, forward, listen, observe, own_task};
use crate::answer::{self, Answer};
use crate::listing;
use crate::upstream::Patience;

/// The kinds of decision.
enum Route {
    /// Passes, subject to the grant.
    Pass,
    /// Policy decides on a tool, resource or prompt, with counters and approvals.
    Judged,
    /// A list that is filtered.
    List(ListKind),
    /// Passes for what the grant may see.
    Seen,
    /// Passes for the grant's own tasks.
    Task,
    /// The list of tasks, with the grant's own.
    Tasks,
    /// A stream of changes.
    Listen,
    /// Passes under `default: "allow"`.
    Other,
}

/// The decision that a method takes. One that a modern revision does not have is any other method,
/// unless the policy would let that pass: a server may act on it all the same, so that what another
/// revision guards is then guarded as there.
fn route(visit: &Visit, request: &Request) -> Route {
    let method = request.method();
    let known = method.exists(request.effective_version(), Sender::Client);
    if request.era() == Era::Modern && !known && !(is_open(visit) && is_guarded(method)) {
        return Route::Other;
    }
    if matches!(
        method,
        Method::Initialize | Method::ServerDiscover | Method::Ping | Method::LoggingSetLevel
    ) {
        Route::Pass
    } else if matches!(
        method,
        Method::ToolsCall | Method::ResourcesRead | Method::PromptsGet | Method::ResourcesSubscribe
    ) {
        Route::Judged
    } else if let Some(kind) = list_kind(method) {
        Route::List(kind)
    } else if matches!(method, Method::ResourcesUnsubscribe | Method::CompletionComplete) {
        Route::Seen
    } else if is_about_task(method) {
        Route::Task
    } else if *method == Method::TasksList {
        Route::Tasks
    } else if *method == Method::SubscriptionsListen {
        Route::Listen
    } else {
        Route::Other
    }
}

/// Whether the policy lets methods pass that nothing names.
fn is_open(visit: &Visit) -> bool {
    let policy = &visit.grant.policy;
    !policy.nothing && policy.shown().default_action() == DefaultAction::Allow
}

/// Legacy methods of which each has an object that a grant may not see.
fn is_guarded(method: &Method) -> bool {
    let of_resource = matches!(method, Method::ResourcesSubscribe | Method::ResourcesUnsubscribe);
    of_resource || is_about_task(method)
}

fn is_about_task(method: &Method) -> bool {
    matches!(
        method,
        Method::TasksGet | Method::TasksResult | Method::TasksCancel | Method::TasksUpdate
    )
}

fn list_kind(method: &Method) -> Option<ListKind> {
    if *method == Method::ToolsList {
        Some(ListKind::Tools)
    } else if *method == Method::PromptsList {
        Some(ListKind::Prompts)
    } else if *method == Method::ResourcesList {
        Some(ListKind::Resources)
    } else {
        (*method == Method::ResourcesTemplatesList).then_some(ListKind::Templates)
    }
}

/// Answers one request. Every route is an allocation of its own size, so that a call does not carry
/// the room that a handshake or a stream of changes would need.
pub(super) fn request(visit: Box<Visit>, request: Request) -> Work {
    match route(&visit, &request) {
        Route::Judged => Box::pin(async move { Ok(super::judged(visit, request).await) }),
        Route::Pass => Box::pin(async move { Ok(pass(visit, &request).await) }),
        Route::List(kind) => Box::pin(async move { Ok(list(visit, &request, kind).await) }),
        Route::Seen => Box::pin(async move { Ok(seen(visit, &request).await) }),
        Route::Task => Box::pin(async move { Ok(task(visit, &request).await) }),
        Route::Tasks => Box::pin(async move { Ok(tasks(visit, &request).await) }),
        Route::Listen => Box::pin(async move { Ok(listen::subscribe(visit, request).await) }),
        Route::Other => Box::pin(async move { Ok(other(visit, &request).await) }),
    }
}

/// Methods that pass: the handshake, discovery, liveness, the log level.
async fn pass(visit: Box<Visit>, request: &Request) -> Answer {
    let method = request.method();
    if *method == Method::Initialize || *method == Method::ServerDiscover {
        let info = request.client_info();
        let client = info
            .as_ref()
            .and_then(|info| facts::client(info.name.as_deref(), info.version.as_deref()));
        visit.grant.live.arrivals.introduced(client, visit.now);
    }
    if *method == Method::Initialize {
        let info = request.client_info();
        let text = |value: Option<&str>| value.map(Into::into);
        let sent = rewrite::offered(&visit, request.body());
        let handshake = Handshake {
            request: sent.clone(),
            client_name: text(info.as_ref().and_then(|info| info.name.as_deref())),
            client_version: text(info.as_ref().and_then(|info| info.version.as_deref())),
            takes_links: request.declares(&["elicitation", "url"]),
            session: None,
        };
        return send(visit, request, Expect::Initialize(Box::new(handshake)), sent).await;
    }
    let expect = if *method == Method::ServerDiscover {
        let takes_tasks = request.declares_extension(TASKS_EXTENSION);
        let holds = takes_tasks && visit.grant.policy.shown().may_hold();
        Expect::Discover(if holds { OwnTasks::Served } else { OwnTasks::None })
    } else {
        Expect::Raw
    };
    send(visit, request, expect, request.body().clone()).await
}

async fn send(visit: Box<Visit>, request: &Request, expect: Expect, body: Bytes) -> Answer {
    let exchange = Exchange::new(visit, request, expect);
    let reply = forward::send(&exchange.visit, forward::passage(), body, Patience::Call).await;
    exchange.deliver(reply).await
}

/// A list: asked of the server and filtered. Who may see nothing gets an empty one.
async fn list(visit: Box<Visit>, request: &Request, kind: ListKind) -> Answer {
    if kind == ListKind::Tools {
        visit.grant.live.arrivals.listed(visit.now);
    }
    if visit.grant.policy.nothing {
        let body = rewrite::empty_list(request.id(), request.era(), kind);
        return answer::json(StatusCode::OK, body);
    }
    if kind == ListKind::Tools
        && let Err(error) = listing::ensure_listed(&visit.plane, &visit.server).await
    {
        tracing::info!(server = visit.server.record.slug.as_str(), %error, "not listed yet");
        visit.server.shelf.show_unlisted();
    }
    send(visit, request, Expect::List(kind), request.body().clone()).await
}

/// Completions and the end of a subscription: for what the grant may see.
async fn seen(visit: Box<Visit>, request: &Request) -> Answer {
    let sees = match (request.completion_target(), request.uri()) {
        (Some(CompletionTarget::Prompt(name)), _) => rewrite::sees_prompt(&visit, &name),
        (Some(CompletionTarget::Resource(uri)), _) => rewrite::sees_resource(&visit, &uri),
        (None, Some(uri)) => rewrite::sees_resource(&visit, uri),
        (None, None) => false,
    };
    if !sees {
        return refused(&visit, request).await;
    }
    unruled(visit, request, Expect::Call).await
}

/// Tasks: only those that this grant created, while it may do anything at all.
async fn task(visit: Box<Visit>, request: &Request) -> Answer {
    if visit.grant.policy.nothing {
        return refused(&visit, request).await;
    }
    match Box::pin(own_task::find(&visit, request)).await {
        Ok(Some(own)) => return own_task::serve(visit, request, own).await,
        Ok(None) => {}
        Err(own_task::Unread) => return notice_answer(refusal::task_unread(request.id())),
    }
    if !request.task_id().is_some_and(|task| rewrite::owns_task(&visit, task)) {
        let denial = judge::unlisted("This grant created no such task.");
        let attempt = judge::refuse(&visit, request, &Trace::empty(), denial).await;
        return ended(attempt);
    }
    unruled(visit, request, Expect::Call).await
}

/// The list of tasks: asked of the server, which may serve many grants as one client, and left with
/// the tasks that this grant created. Who may do nothing created none.
async fn tasks(visit: Box<Visit>, request: &Request) -> Answer {
    if visit.grant.policy.nothing {
        let body = rewrite::empty_list(request.id(), request.era(), ListKind::Tasks);
        return answer::json(StatusCode::OK, body);
    }
    unruled(visit, request, Expect::List(ListKind::Tasks)).await
}

/// Any other method. The revisions that have no list of tasks do not have this one either; a server
/// may answer it all the same, so where policy lets it pass it is filtered as well.
async fn other(visit: Box<Visit>, request: &Request) -> Answer {
    if !is_open(&visit) {
        return refused(&visit, request).await;
    }
    let expect = if *request.method() == Method::TasksList {
        Expect::List(ListKind::Tasks)
    } else {
        Expect::Call
    };
    unruled(visit, request, expect).await
}

async fn refused(visit: &Visit, request: &Request) -> Answer {
    let denial = observe::not_allowed(visit, request);
    ended(judge::refuse(visit, request, &Trace::empty(), denial).await)
}

fn ended(attempt: Attempt) -> Answer {
    match attempt {
        Attempt::Refused(notice) => notice_answer(notice),
        Attempt::Held(held) => notice_answer(held.notice),
        Attempt::Go(call, _unused) => {
            drop(call);
            answer::refused(answer::Refused::Panicked)
        }
    }
}

/// Passes a request without rules of policy, with its audit record.
async fn unruled(visit: Box<Visit>, request: &Request, expect: Expect) -> Answer {
    match observe::admit_unruled(&visit, request).await {
        Attempt::Go(call, permit) => {
            let exchange = Exchange::new(visit, request, expect).with_call(call);
            super::go(exchange, permit, request).await
        }
        refused @ (Attempt::Refused(_) | Attempt::Held(_)) => ended(refused),
    }
}

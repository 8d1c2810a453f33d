//! Listening streams: the GET stream of a legacy session and `subscriptions/listen` of the modern
//! era. The server's events pass as in any exchange; beside them the gateway announces that the
//! list of tools reads differently, because policy or the server's tools changed. Announcements
//! carry no event identifier, and several that come together become one.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};
use mcp::sse::{self, Event};
use mcp::{Era, Method, RawId, Request, Response, ServerMessage, read_message, reply};
use policy::Trace;
use tokio::sync::watch;

use super::exchange::{self, Exchange, notice_answer, reframed};
use super::judge::{self, Attempt};
use super::rewrite::{self, Expect};
use super::visit::{Claim, Visit};
use super::{forward, observe};
use crate::admission;
use crate::answer::{self, Answer, Refused};
use crate::body::{LiveStream, OnLeave};
use crate::upstream::{EventStream, Outgoing, Patience, Reply, SendError, Verb, kept};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// Opens the GET stream of a legacy session.
pub(crate) async fn get(visit: Box<Visit>, headers: &HeaderMap) -> Result<Answer, Refused> {
    if matches!(visit.claim, Claim::Unknown) {
        return Err(Refused::NoSession);
    }
    let mut open = Outgoing::post(Bytes::new());
    open.verb = Verb::Get;
    open.patience = Patience::Stream;
    open.agent = visit.grant.live.number;
    open.session = visit.session().map(|session| session.upstream());
    open.headers.clone_from(&visit.mirrored);
    match admission::only(headers, &LAST_EVENT_ID) {
        Ok(None) => {}
        Ok(Some(id)) if visit.desk().has_issued(id.as_bytes()) => {
            open.headers.push((LAST_EVENT_ID, id.clone()));
        }
        Ok(Some(_)) | Err(admission::Twice) => return Err(Refused::ForeignEvent),
    }
    let sent = match forward::upstream(&visit.server) {
        Ok(client) => client.send(forward::passage(), open).await,
        Err(error) => Err(error),
    };
    match sent {
        Ok(Reply::Sse { events, .. }) => Ok(listening(visit, Subscription::Session, events)),
        Ok(Reply::Refused(refused)) if refused.status == StatusCode::METHOD_NOT_ALLOWED => {
            Err(Refused::Method)
        }
        Ok(Reply::Refused(refused)) if !super::is_challenge(refused.status) => {
            Ok(answer::empty(refused.status))
        }
        Err(SendError::SessionGone(_)) => {
            if let Some(session) = visit.session() {
                visit.plane.sessions.end(session);
            }
            Err(Refused::NoSession)
        }
        Ok(Reply::Json { .. } | Reply::Empty { .. } | Reply::Refused(_)) | Err(_) => {
            Err(Refused::BadGateway)
        }
    }
}

/// Opens the stream of `subscriptions/listen`: for resources that the grant may see.
pub(super) async fn subscribe(visit: Box<Visit>, request: Request) -> Answer {
    let seen = request
        .subscribed_uris()
        .all(|uri| uri.is_some_and(|uri| rewrite::sees_resource(&visit, &uri)));
    let admitted = if seen && !visit.grant.policy.nothing {
        observe::admit_unruled(&visit, &request).await
    } else {
        let denial = observe::not_allowed(&visit, &request);
        judge::refuse(&visit, &request, &Trace::empty(), denial).await
    };
    let (call, permit) = match admitted {
        Attempt::Go(call, permit) => (call, permit),
        Attempt::Refused(notice) => return notice_answer(notice),
        Attempt::Held(held) => return notice_answer(held.notice),
    };
    let wants_tools =
        request.subscription_filter().and_then(|filter| filter.get("toolsListChanged")?.as_bool())
            == Some(true);
    let body = request.body().clone();
    let reply = forward::send(&visit, permit, body, Patience::Stream).await;
    let exchange = Exchange::new(visit, &request, Expect::Call).with_call(call);
    match reply {
        Ok(Reply::Sse { events, .. }) => {
            let visit = exchange.visit.clone();
            let subscription = Subscription::Request {
                exchange: Box::new(exchange),
                announces: if wants_tools { Announces::Unacknowledged } else { Announces::No },
            };
            listening(visit, subscription, events)
        }
        other @ (Ok(_) | Err(_)) => exchange.deliver(other).await,
    }
}

/// Whether a stream announces changes of the tool list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announces {
    Yes,
    No,
    /// It was asked for; the acknowledgement, which must come first, says whether it is given.
    Unacknowledged,
}

/// What a listening stream belongs to.
enum Subscription {
    /// The GET stream of a legacy session, or of an agent without one.
    Session,
    /// A `subscriptions/listen` request.
    Request { exchange: Box<Exchange>, announces: Announces },
}

fn listening(mut visit: Box<Visit>, subscription: Subscription, events: EventStream) -> Answer {
    for (_name, value) in &mut visit.mirrored {
        *value = kept(value);
    }
    let plane = Arc::clone(&visit.plane);
    let ends = [visit.grant.live.ended.clone(), plane.closing.clone()];
    let mut changes = visit.grant.live.changes.subscribe();
    let epoch = *changes.borrow_and_update();
    if visit.session().is_some_and(|session| session.missed(epoch)) {
        // The session had no stream when the list changed.
        changes.mark_changed();
    }
    let listener = Listener { visit, subscription, events, changes, changed: false, over: false };
    let pieces = futures_util::stream::unfold(listener, |mut listener| async {
        let piece = listener.next_piece().await?;
        Some((piece, listener))
    });
    answer::live(LiveStream::new(Box::pin(pieces), ends, None, OnLeave::Drop))
}

struct Listener {
    visit: Box<Visit>,
    subscription: Subscription,
    events: EventStream,
    changes: watch::Receiver<u64>,
    /// The list changed, and nothing was announced yet.
    changed: bool,
    over: bool,
}

/// What wakes a listening stream.
enum Woken {
    Event(Option<Result<Event, SendError>>),
    /// Policy or the server's tools changed.
    Changed,
    /// The grant, the session or the server is over, or the server was set up anew.
    Over,
}

impl Listener {
    async fn next_piece(&mut self) -> Option<Bytes> {
        while !self.over {
            if let Some(piece) = self.announcement() {
                return Some(piece);
            }
            match self.wake().await {
                Woken::Over | Woken::Event(None) => return None,
                Woken::Changed => {
                    // What comes from here on is judged by what is in force now.
                    self.visit = self.visit.again()?;
                    self.changes.mark_unchanged();
                    self.changed = true;
                }
                Woken::Event(Some(Err(error))) => {
                    tracing::info!(%error, "a listening stream broke");
                    return None;
                }
                Woken::Event(Some(Ok(event))) => {
                    if let Some(session) = self.visit.session() {
                        session.touch(self.visit.plane.now());
                    }
                    if let Some(piece) = self.event(event).await {
                        return Some(piece);
                    }
                }
            }
        }
        None
    }

    async fn wake(&mut self) -> Woken {
        let session = self.visit.session().map(|session| session.over.clone());
        let session_over = async move {
            match session {
                Some(over) => over.cancelled_owned().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = session_over => Woken::Over,
            () = self.visit.server.ended.cancelled() => Woken::Over,
            moved = self.changes.changed() => match moved {
                Ok(()) => Woken::Changed,
                Err(_gone) => Woken::Over,
            },
            event = self.events.next() => Woken::Event(event),
        }
    }

    /// The announcement that lists read differently, where this stream is the one to carry it.
    fn announcement(&mut self) -> Option<Bytes> {
        if !self.changed {
            return None;
        }
        let subscription: Option<&RawId> = match &self.subscription {
            Subscription::Session => {
                self.changed = false;
                let epoch = *self.changes.borrow();
                let session = self.visit.session()?;
                if !session.announces_tools() || !session.wins_announcement(epoch) {
                    return None;
                }
                None
            }
            Subscription::Request { exchange, announces } => {
                if *announces == Announces::Unacknowledged {
                    return None;
                }
                self.changed = false;
                if *announces == Announces::No {
                    return None;
                }
                Some(&exchange.id)
            }
        };
        Some(sse::encode(&reply::changed(TOOLS_CHANGED, subscription)))
    }

    /// Reads from the acknowledgement of a subscription whether changes of tools are part of it.
    fn note_acknowledged(&mut self, message: &ServerMessage) {
        if let ServerMessage::Notification(notification) = message
            && *notification.method() == Method::NotifySubscriptionsAcknowledged
            && let Subscription::Request { announces, .. } = &mut self.subscription
            && *announces == Announces::Unacknowledged
        {
            let accepted = notification
                .params()
                .and_then(|params| params.at_path(&["notifications", "toolsListChanged"]))
                .and_then(mcp::Node::as_bool);
            *announces = if accepted == Some(true) { Announces::Yes } else { Announces::No };
        }
    }

    /// Whether a message may go to a subscription: news of a task only to the grant that created it.
    /// A subscription names tasks that there are, so that one of nobody is none of this grant's.
    fn may_hear(&self, message: &ServerMessage) -> bool {
        match (message, &self.subscription) {
            (ServerMessage::Notification(news), Subscription::Request { .. })
                if matches!(news.method(), Method::NotifyTasks | Method::NotifyTasksStatus) =>
            {
                let task = news.params().and_then(|params| params.get("taskId")?.as_str());
                task.is_some_and(|task| rewrite::owns_task(&self.visit, &task))
            }
            (
                ServerMessage::Notification(_)
                | ServerMessage::Request(_)
                | ServerMessage::Response(_),
                Subscription::Request { .. } | Subscription::Session,
            ) => true,
        }
    }

    async fn event(&mut self, event: Event) -> Option<Bytes> {
        let era = match &self.subscription {
            Subscription::Session => Era::Legacy,
            Subscription::Request { .. } => Era::Modern,
        };
        if let Some(id) = event.id.as_ref().filter(|id| !id.is_empty())
            && era == Era::Legacy
        {
            self.visit.desk().issued(id);
        }
        let data = match &event.data {
            Some(data) if !data.is_empty() => data.clone(),
            Some(_) | None => return Some(event.raw),
        };
        match read_message(data) {
            Ok(ServerMessage::Response(response)) => self.response(response, event).await,
            Ok(message @ (ServerMessage::Request(_) | ServerMessage::Notification(_))) => {
                self.note_acknowledged(&message);
                if !self.may_hear(&message) {
                    return None;
                }
                exchange::from_server(&self.visit, era, message, event).await
            }
            Err(error) => {
                tracing::info!(%error, "a server sent what is no message");
                self.over = true;
                None
            }
        }
    }

    /// A response: the end of a subscription, or the late answer to a request of this session. An
    /// answer to anything else is dropped.
    async fn response(&mut self, response: Response, event: Event) -> Option<Bytes> {
        let id = response.id()?.clone();
        let before = response.body().clone();
        let body = match &mut self.subscription {
            Subscription::Request { exchange, .. } => {
                if exchange.id != id {
                    return None;
                }
                self.over = true;
                exchange.whole(before.clone()).await.body
            }
            Subscription::Session => {
                let awaited = self.visit.desk().late(id.key(), event.id.as_deref())?;
                if let Some(call) = awaited.take_call() {
                    call.answered(&response, StatusCode::OK.as_u16());
                }
                rewrite::answer(&self.visit, &awaited.expect, Era::Legacy, response).await
            }
        };
        Some(if exchange::is_same(&body, &before) { event.raw } else { reframed(&event, &body) })
    }
}

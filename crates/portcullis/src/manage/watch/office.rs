//! Where held calls are looked at and decided: the store beside the command, or the API of a running
//! server. A decision carries what the call stood on when it was first shown, so that nobody decides
//! what changed since.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use console::ops::approvals;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use policy::{ApprovalId, ApprovalState, UnixMillis};
use serde_json::{Value, json};
use store::{APPROVALS_PAGE_ROWS_MAX, Answer, ApprovalFilter, FootingTag, state_word};
use tokio::time::timeout;

use crate::causes::chain;
use crate::cli::ConfigArg;
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::manage::Installation;
use crate::outgoing;

/// Bytes of an answer of the API, at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an answer of the API may take, in seconds.
const ANSWER_SECONDS_MAX: u64 = 20;

/// A held call, as texts that others wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) id: String,
    pub(super) server: String,
    pub(super) name: String,
    pub(super) grant: String,
    /// Exactly what the call asks for, as JSON.
    pub(super) arguments: String,
    /// Why it is held: every rule that an approval waives.
    pub(super) messages: Vec<String>,
    pub(super) expires_at: UnixMillis,
}

/// Where calls are held.
pub(super) struct Office {
    place: Place,
    /// What each call stood on when it was first shown.
    shown: HashMap<String, String>,
}

enum Place {
    Store(Box<Installation>),
    Api(Box<Api>),
}

impl Office {
    /// The store of an installation on this machine.
    pub(super) fn beside(config: &ConfigArg) -> Result<Office, Failure> {
        let installation = Installation::open(config)?;
        Ok(Office { place: Place::Store(Box::new(installation)), shown: HashMap::new() })
    }

    /// The API of the console at a URL, with the token in a variable.
    pub(super) fn over_api(url: &str, token_variable: &str) -> Result<Office, Failure> {
        let environment = Environment::of_process();
        let token = environment.get_non_empty(token_variable).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("the variable {token_variable} is not set"))
        })?;
        let api = Api::new(url, token)?;
        Ok(Office { place: Place::Api(Box::new(api)), shown: HashMap::new() })
    }

    /// What waits for a person, the most urgent first.
    pub(super) async fn look(&mut self) -> Result<Vec<Held>, Failure> {
        let mut held = match &self.place {
            Place::Store(at) => in_store(at).await?,
            Place::Api(api) => api.look().await?,
        };
        held.sort_by(|a, b| (a.expires_at, &a.id).cmp(&(b.expires_at, &b.id)));
        self.shown.retain(|id, _| held.iter().any(|one| one.id == *id));
        for one in &held {
            if self.shown.contains_key(&one.id) {
                continue;
            }
            let tag = match &self.place {
                Place::Store(at) => {
                    let id = id_of(&one.id)?;
                    let footing = approvals::footing(&at.console, &at.actor, &id).await?;
                    footing.tag.as_str().to_owned()
                }
                Place::Api(api) => api.tag(&one.id).await?,
            };
            self.shown.insert(one.id.clone(), tag);
        }
        Ok(held)
    }

    /// Decides a call as it was shown; what became of that, in a sentence.
    pub(super) async fn decide(
        &mut self,
        id: &str,
        answer: Answer,
        reason: Option<String>,
    ) -> String {
        let Some(tag) = self.shown.get(id).cloned() else {
            return format!("{id} is decided or over");
        };
        let decided = match &self.place {
            Place::Store(at) => {
                let Ok(id) = id_of(id) else { return format!("{id} is no approval") };
                let tag = Some(FootingTag::claimed(&tag));
                let what = (answer, reason);
                approvals::decide_as_shown(&at.console, &at.actor, &id, what, tag)
                    .await
                    .map(|record| state_word(record.state).to_owned())
                    .map_err(|error| error.to_string())
            }
            Place::Api(api) => api.decide(id, answer, (reason, &tag)).await,
        };
        match decided {
            Ok(state) => format!("{id} is {state}."),
            Err(why) => format!("error: {why}"),
        }
    }
}

fn id_of(text: &str) -> Result<ApprovalId, Failure> {
    text.parse().map_err(|error: policy::ApprovalIdError| {
        Failure::because(Exit::Failed, "no approval", &error)
    })
}

async fn in_store(at: &Installation) -> Result<Vec<Held>, Failure> {
    let filter =
        ApprovalFilter { state: Some(ApprovalState::Pending), ..ApprovalFilter::default() };
    let found = approvals::list(&at.console, &at.actor, filter, APPROVALS_PAGE_ROWS_MAX).await?;
    let held = found.into_iter().map(|record| Held {
        id: record.id.to_string(),
        server: record.server,
        name: record.name,
        grant: record.grant,
        arguments: record.arguments,
        messages: record.rules.into_iter().map(|rule| rule.message).collect(),
        expires_at: record.expires_at,
    });
    Ok(held.collect())
}

/// The API of a console.
struct Api {
    /// Without a closing slash.
    url: String,
    token: HeaderValue,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Api {
    fn new(url: &str, token: &str) -> Result<Api, Failure> {
        let mut token = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|error| Failure::because(Exit::Usage, "the token", &error))?;
        token.set_sensitive(true);
        let connector = outgoing::connector()
            .map_err(|error| Failure::because(Exit::Failed, "TLS is not available", &error))?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Api { url: url.trim_end_matches('/').to_owned(), token, client })
    }

    async fn ask(
        &self,
        (method, path): (Method, &str),
        body: Option<&Value>,
        tag: Option<&str>,
    ) -> Result<(StatusCode, Option<String>, Value), String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1/{path}", self.url))
            .header(AUTHORIZATION, self.token.clone());
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(tag) = tag {
            request = request.header(IF_MATCH, format!("\"{tag}\""));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request =
            request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            let tag = head.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
            let tag = tag.map(|tag| tag.trim_matches('"').to_owned());
            Ok((head.status, tag, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        let late = || Err(format!("no answer within {ANSWER_SECONDS_MAX} s"));
        timeout(patience, exchange).await.unwrap_or_else(|_elapsed| late())
    }

    async fn read(&self, path: &str) -> Result<(Option<String>, Value), Failure> {
        let unreachable = |why: String| {
            Failure::new(Exit::Unreachable, format!("the console at {}: {why}", self.url))
        };
        let (status, tag, answer) =
            self.ask((Method::GET, path), None, None).await.map_err(unreachable)?;
        if status != StatusCode::OK {
            return Err(Failure::new(Exit::Failed, problem(status, &answer)));
        }
        Ok((tag, answer))
    }

    async fn look(&self) -> Result<Vec<Held>, Failure> {
        let path = format!("approvals?state=pending&limit={APPROVALS_PAGE_ROWS_MAX}");
        let (_tag, page) = self.read(&path).await?;
        let items = page.get("items").and_then(Value::as_array);
        Ok(items.into_iter().flatten().filter_map(held).collect())
    }

    async fn tag(&self, id: &str) -> Result<String, Failure> {
        let (tag, _view) = self.read(&format!("approvals/{id}")).await?;
        Ok(tag.unwrap_or_default())
    }

    async fn decide(
        &self,
        id: &str,
        answer: Answer,
        (reason, tag): (Option<String>, &str),
    ) -> Result<String, String> {
        let word = match answer {
            Answer::Approve => "approve",
            Answer::Reject => "reject",
        };
        let path = format!("approvals/{id}/{word}");
        let body = json!({ "reason": reason });
        let (status, _tag, view) = self.ask((Method::POST, &path), Some(&body), Some(tag)).await?;
        if status.is_success() {
            let state = view.get("state").and_then(Value::as_str);
            return Ok(state.unwrap_or("decided").to_owned());
        }
        Err(problem(status, &view))
    }
}

/// A problem document in a sentence.
fn problem(status: StatusCode, answer: &Value) -> String {
    let detail = answer.get("detail").or_else(|| answer.get("title")).and_then(Value::as_str);
    detail.map_or_else(|| format!("the console answered {status}"), str::to_owned)
}

fn held(item: &Value) -> Option<Held> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let rules = item.get("rules").and_then(Value::as_array).into_iter().flatten();
    let message = |rule: &Value| rule.get("message").and_then(Value::as_str).map(str::to_owned);
    let expires: jiff::Timestamp = text("expires_at")?.parse().ok()?;
    // The id becomes a part of paths: it must be one.
    let id: ApprovalId = text("id")?.parse().ok()?;
    Some(Held {
        id: id.to_string(),
        server: text("server")?,
        name: text("name")?,
        grant: text("grant")?,
        arguments: text("arguments_text")?,
        messages: rules.filter_map(message).collect(),
        expires_at: UnixMillis(expires.as_millisecond()),
    })
}

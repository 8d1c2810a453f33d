//! Where held calls are looked at and decided: the store beside the command, or the API of a running
//! server. A decision carries what the call stood on when it was first shown, so that nobody decides
//! what changed since; once that was said, the call counts as shown anew.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use console::ops::{OpError, approvals};
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use policy::{ApprovalId, ApprovalState, Class, UnixMillis};
use serde_json::{Value, json};
use store::{Answer, ApprovalFilter, ApprovalOrder, ApprovalShown, FootingTag, state_word};
use tokio::time::timeout;

use crate::causes::chain;
use crate::cli::ConfigArg;
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::manage::Installation;
use crate::outgoing;

/// Calls that are looked at, the most urgent ones; how many more wait is not known.
const LOOK_ROWS_MAX: usize = 200;
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
    /// `low` to `critical`, and what makes it so.
    pub(super) risk: String,
    /// What a decision depends on beside the call itself, in lines.
    pub(super) standing: Vec<String>,
    /// Exactly what the call asks for, as JSON.
    pub(super) arguments: String,
    /// Why it is held: every rule that an approval waives.
    pub(super) messages: Vec<String>,
    pub(super) expires_at: UnixMillis,
    /// The digest of what it stands on.
    pub(super) tag: String,
    /// Whether that is another one than when the call was first shown.
    pub(super) changed: bool,
}

/// What a call stands on, as the store or the API says.
#[derive(Debug, Default)]
struct Standing {
    tag: String,
    grant: Option<String>,
    grant_works: bool,
    definition_same: bool,
    policy: Option<(String, u64)>,
    class: Option<Class>,
    risk: Option<String>,
}

impl Standing {
    fn risk(&self) -> String {
        let risk = self.risk.as_deref().unwrap_or("unknown");
        let class = self.class.map(|class| format!("{}: ", class.as_str())).unwrap_or_default();
        format!("{risk} ({class}{})", approvals::why_risk(self.class))
    }

    fn lines(&self) -> Vec<String> {
        let policy = self.policy.as_ref();
        let mut lines: Vec<String> = policy
            .map(|(name, version)| format!("policy {name}, version {version}"))
            .into_iter()
            .collect();
        if !self.grant_works {
            lines.push("the grant works no more: an approval lets nothing pass".to_owned());
        }
        if !self.definition_same {
            lines.push("the tool changed since: an approval lets nothing pass".to_owned());
        }
        lines
    }
}

/// What was found at one look.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// The most urgent calls.
    pub(super) held: Vec<Held>,
    /// Whether more wait.
    pub(super) more: bool,
}

/// What became of a decision.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is no longer what was shown.
    Changed(String),
    Other(String),
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
    pub(super) async fn look(&mut self) -> Result<Looked, Failure> {
        let mut looked = match &self.place {
            Place::Store(at) => in_store(at).await?,
            Place::Api(api) => api.look().await?,
        };
        looked.held.sort_by(|a, b| (a.expires_at, &a.id).cmp(&(b.expires_at, &b.id)));
        self.shown.retain(|id, _| looked.held.iter().any(|one| one.id == *id));
        for one in &mut looked.held {
            let first = self.shown.entry(one.id.clone()).or_insert_with(|| one.tag.clone());
            one.changed = *first != one.tag;
        }
        Ok(looked)
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
                let decided =
                    approvals::decide_as_shown(&at.console, &at.actor, &id, what, tag).await;
                decided.map(|record| state_word(record.state).to_owned()).map_err(|error| {
                    if let OpError::Changed(why) = error {
                        Refused::Changed(why)
                    } else {
                        Refused::Other(chain(&error))
                    }
                })
            }
            Place::Api(api) => api.decide(id, answer, (reason, &tag)).await,
        };
        match decided {
            Ok(state) => format!("{id} is {state}."),
            Err(Refused::Changed(why)) => {
                // As it is shown from now on, it can be decided.
                self.shown.remove(id);
                format!("nothing was decided: {why}; look again")
            }
            Err(Refused::Other(why)) => format!("error: {why}"),
        }
    }
}

fn id_of(text: &str) -> Result<ApprovalId, Failure> {
    text.parse().map_err(|error: policy::ApprovalIdError| {
        Failure::because(Exit::Failed, "no approval", &error)
    })
}

async fn in_store(at: &Installation) -> Result<Looked, Failure> {
    let filter =
        ApprovalFilter { state: Some(ApprovalState::Pending), ..ApprovalFilter::default() };
    let how = (ApprovalOrder::UrgentFirst, LOOK_ROWS_MAX);
    let found = approvals::page(&at.console, &at.actor, filter, how).await?;
    Ok(Looked { held: found.calls.into_iter().map(of_store).collect(), more: found.more })
}

fn of_store(call: ApprovalShown) -> Held {
    let ApprovalShown { record, footing } = call;
    let standing = Standing {
        tag: footing.tag.as_str().to_owned(),
        grant: footing.grant,
        grant_works: footing.grant_works,
        definition_same: footing.definition_same,
        policy: footing.policy.map(|one| (one.name.to_string(), u64::from(one.version))),
        class: footing.class,
        risk: footing.risk.map(|risk| risk.as_str().to_owned()),
    };
    Held {
        id: record.id.to_string(),
        server: record.server,
        name: record.name,
        risk: standing.risk(),
        standing: standing.lines(),
        grant: standing.grant.unwrap_or(record.grant),
        arguments: record.arguments,
        messages: record.rules.into_iter().map(|rule| rule.message).collect(),
        expires_at: record.expires_at,
        tag: standing.tag,
        changed: false,
    }
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
    ) -> Result<(StatusCode, Value), String> {
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
            Ok((head.status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        let late = || Err(format!("no answer within {ANSWER_SECONDS_MAX} s"));
        timeout(patience, exchange).await.unwrap_or_else(|_elapsed| late())
    }

    async fn read(&self, path: &str) -> Result<Value, Failure> {
        let unreachable = |why: String| {
            Failure::new(Exit::Unreachable, format!("the console at {}: {why}", self.url))
        };
        let (status, answer) =
            self.ask((Method::GET, path), None, None).await.map_err(unreachable)?;
        if status != StatusCode::OK {
            return Err(Failure::new(Exit::Failed, problem(status, &answer)));
        }
        Ok(answer)
    }

    async fn look(&self) -> Result<Looked, Failure> {
        let path = format!("approvals?state=pending&sort=urgent&limit={LOOK_ROWS_MAX}");
        let page = self.read(&path).await?;
        let items = page.get("items").and_then(Value::as_array);
        let held = items.into_iter().flatten().filter_map(held).collect();
        Ok(Looked { held, more: page.get("next").is_some_and(|next| !next.is_null()) })
    }

    async fn decide(
        &self,
        id: &str,
        answer: Answer,
        (reason, tag): (Option<String>, &str),
    ) -> Result<String, Refused> {
        let word = match answer {
            Answer::Approve => "approve",
            Answer::Reject => "reject",
        };
        let path = format!("approvals/{id}/{word}");
        let body = json!({ "reason": reason });
        let asked = self.ask((Method::POST, &path), Some(&body), Some(tag)).await;
        let (status, view) = asked.map_err(Refused::Other)?;
        if status.is_success() {
            let state = view.get("state").and_then(Value::as_str);
            return Ok(state.unwrap_or("decided").to_owned());
        }
        let why = problem(status, &view);
        Err(match status {
            StatusCode::PRECONDITION_FAILED => Refused::Changed(why),
            _ => Refused::Other(why),
        })
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
    let standing = standing(item.get("stands_on")?)?;
    Some(Held {
        id: id.to_string(),
        server: text("server")?,
        name: text("name")?,
        risk: standing.risk(),
        standing: standing.lines(),
        grant: standing.grant.unwrap_or(text("grant")?),
        arguments: text("arguments_text")?,
        messages: rules.filter_map(message).collect(),
        expires_at: UnixMillis(expires.as_millisecond()),
        tag: standing.tag,
        changed: false,
    })
}

fn standing(item: &Value) -> Option<Standing> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let flag = |name: &str| item.get(name).and_then(Value::as_bool);
    Some(Standing {
        tag: text("tag")?,
        grant: text("grant_label"),
        grant_works: flag("grant_works")?,
        definition_same: flag("definition_same")?,
        policy: text("policy").zip(item.get("policy_version").and_then(Value::as_u64)),
        class: text("class").and_then(|class| class.parse().ok()),
        risk: text("risk"),
    })
}

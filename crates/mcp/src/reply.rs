//! The gateway's own messages, valid against the schemas of both eras. Never forwards anything.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::{
    id::RawId,
    method::Method,
    refusal::code,
    request::{
        META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, META_SUBSCRIPTION_ID,
    },
    version::{Era, ProtocolVersion},
};

/// A text as JSON, quotes included.
pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON-RPC error response. `data` is JSON text. Without an id the member is left out, as the schemas of 2025-11-25 and
/// 2026-07-28 have it.
pub fn error(id: Option<&RawId>, code: i64, message: &str, data: Option<&str>) -> Bytes {
    let id = id.map(|id| format!("\"id\":{},", id.as_str())).unwrap_or_default();
    let data = data.map(|data| format!(",\"data\":{data}")).unwrap_or_default();
    let message = json_string(message);
    Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":{code},\"message\":{message}{data}}}}}"
    ))
}

/// A JSON-RPC result response. `members` is the JSON text of the result's members without braces; a modern result gets
/// `"resultType":"complete"`, so `members` must not name one.
pub fn result(id: &RawId, era: Era, members: &str) -> Bytes {
    let kind = match era {
        Era::Legacy => "",
        Era::Modern => "\"resultType\":\"complete\"",
    };
    let comma = if kind.is_empty() || members.is_empty() { "" } else { "," };
    Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{{kind}{comma}{members}}}}}",
        id.as_str()
    ))
}

/// The refusal of a tool call: a result with `isError` that the model reads, and the decision as data. `decision` is the JSON
/// text of `_meta["portcullis/decision"]`.
pub fn tool_refusal(id: &RawId, era: Era, text: &str, decision: &str) -> Bytes {
    let text = json_string(text);
    let members = format!(
        "\"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"isError\":true,\"_meta\":{{\"portcullis/decision\":{decision}}}"
    );
    result(id, era, &members)
}

/// A notification. `params` is JSON text of an object.
pub fn notification(method: &str, params: Option<&str>) -> Bytes {
    let params = params.map(|params| format!(",\"params\":{params}")).unwrap_or_default();
    Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"method\":{}{params}}}", json_string(method)))
}

/// Progress of a request, under the token that its sender chose (JSON text). `progress` must grow from message to message.
pub fn progress(token: &str, progress: u64, total: Option<u64>, message: Option<&str>) -> Bytes {
    let total = total.map(|total| format!(",\"total\":{total}")).unwrap_or_default();
    let message =
        message.map(|message| format!(",\"message\":{}", json_string(message))).unwrap_or_default();
    notification(
        "notifications/progress",
        Some(&format!("{{\"progressToken\":{token},\"progress\":{progress}{total}{message}}}")),
    )
}

/// A change notification of the gateway itself, such as `notifications/tools/list_changed`. On a modern subscription it carries
/// the subscription: the id of the `subscriptions/listen` request.
pub fn changed(method: &str, subscription: Option<&RawId>) -> Bytes {
    let params = subscription
        .map(|id| format!("{{\"_meta\":{{\"{}\":{}}}}}", META_SUBSCRIPTION_ID, id.as_str()));
    notification(method, params.as_deref())
}

/// What the gateway calls itself towards a server.
#[derive(Clone, Copy, Debug)]
pub struct OwnClient<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// JSON text of the capabilities that it declares.
    pub capabilities: &'a str,
}

impl OwnClient<'_> {
    fn info(&self) -> String {
        format!("{{\"name\":{},\"version\":{}}}", json_string(self.name), json_string(self.version))
    }
}

/// A request of the gateway itself. `members` is the JSON text of the parameters' members without braces; a modern request gets
/// the `_meta` that 2026-07-28 requires.
pub fn request(
    id: &RawId,
    version: ProtocolVersion,
    method: &Method,
    members: &str,
    client: OwnClient<'_>,
) -> Bytes {
    let meta = match version.era() {
        Era::Legacy => String::new(),
        Era::Modern => format!(
            "\"_meta\":{{\"{META_PROTOCOL_VERSION}\":\"{version}\",\"{META_CLIENT_INFO}\":{},\"{META_CLIENT_CAPABILITIES}\":{}}}",
            client.info(),
            client.capabilities
        ),
    };
    let comma = if meta.is_empty() || members.is_empty() { "" } else { "," };
    let (id, method) = (id.as_str(), json_string(method.as_str()));
    Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{method},\"params\":{{{meta}{comma}{members}}}}}"
    ))
}

/// The gateway's own `initialize` (legacy).
pub fn initialize(id: &RawId, version: ProtocolVersion, client: OwnClient<'_>) -> Bytes {
    let (info, capabilities) = (client.info(), client.capabilities);
    let members = format!(
        "\"protocolVersion\":\"{version}\",\"capabilities\":{capabilities},\"clientInfo\":{info}"
    );
    let (id, method) = (id.as_str(), Method::Initialize);
    Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{{members}}}}}"
    ))
}

/// The gateway's own list request, from `cursor` on.
pub fn list_request(
    id: &RawId,
    version: ProtocolVersion,
    method: &Method,
    cursor: Option<&str>,
    client: OwnClient<'_>,
) -> Bytes {
    let members =
        cursor.map(|cursor| format!("\"cursor\":{}", json_string(cursor))).unwrap_or_default();
    request(id, version, method, &members, client)
}

/// `notifications/cancelled` for a request. `request_id` is JSON text: the id as the receiver knows it.
pub fn cancelled(request_id: &str, reason: Option<&str>) -> Bytes {
    let reason =
        reason.map(|reason| format!(",\"reason\":{}", json_string(reason))).unwrap_or_default();
    notification(
        Method::NotifyCancelled.as_str(),
        Some(&format!("{{\"requestId\":{request_id}{reason}}}")),
    )
}

/// First message of a modern subscription. `filter` is JSON text of the accepted subset of the client's filter.
pub fn subscription_acknowledged(subscription: &RawId, filter: &str) -> Bytes {
    let id = subscription.as_str();
    let params =
        format!("{{\"_meta\":{{\"{META_SUBSCRIPTION_ID}\":{id}}},\"notifications\":{filter}}}");
    notification(Method::NotifySubscriptionsAcknowledged.as_str(), Some(&params))
}

/// The graceful end of a modern subscription.
pub fn subscription_ended(subscription: &RawId) -> Bytes {
    let id = subscription.as_str();
    result(subscription, Era::Modern, &format!("\"_meta\":{{\"{META_SUBSCRIPTION_ID}\":{id}}}"))
}

/// The state of a task that the gateway serves (the tasks extension of 2026-07-28).
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Its id.
    pub id: &'a str,
    /// Where it stands.
    pub status: TaskStatus<'a>,
    /// One sentence for people.
    pub message: Option<&'a str>,
    /// When it was made, RFC 3339.
    pub created_at: &'a str,
    /// When it last changed, RFC 3339.
    pub updated_at: &'a str,
    /// How long it is kept after it was made, in milliseconds; `None`: without end.
    pub ttl_ms: Option<u64>,
    /// How often to ask, in milliseconds.
    pub poll_interval_ms: Option<u64>,
    /// JSON text of `_meta`, an object.
    pub meta: Option<&'a str>,
}

/// Where a task stands, with what belongs to that: all JSON text.
#[derive(Clone, Copy, Debug)]
pub enum TaskStatus<'a> {
    /// It runs, or waits for a person elsewhere.
    Working,
    /// It waits for the client: the `inputRequests` object.
    InputRequired(&'a str),
    /// It is done: what the request would have returned.
    Completed(&'a str),
    /// It failed: the JSON-RPC error object.
    Failed(&'a str),
    /// It was cancelled.
    Cancelled,
}

fn task_members(task: &Task<'_>) -> String {
    let (status, extra) = match task.status {
        TaskStatus::Working => ("working", String::new()),
        TaskStatus::InputRequired(requests) => {
            ("input_required", format!(",\"inputRequests\":{requests}"))
        }
        TaskStatus::Completed(result) => ("completed", format!(",\"result\":{result}")),
        TaskStatus::Failed(error) => ("failed", format!(",\"error\":{error}")),
        TaskStatus::Cancelled => ("cancelled", String::new()),
    };
    let message = task
        .message
        .map(|text| format!(",\"statusMessage\":{}", json_string(text)))
        .unwrap_or_default();
    let ttl = task.ttl_ms.map_or_else(|| "null".to_owned(), |ttl| ttl.to_string());
    let poll =
        task.poll_interval_ms.map(|poll| format!(",\"pollIntervalMs\":{poll}")).unwrap_or_default();
    let meta = task.meta.map(|meta| format!(",\"_meta\":{meta}")).unwrap_or_default();
    let (id, created, updated) =
        (json_string(task.id), json_string(task.created_at), json_string(task.updated_at));
    format!(
        "\"taskId\":{id},\"status\":\"{status}\"{message},\"createdAt\":{created},\"lastUpdatedAt\":{updated},\"ttlMs\":{ttl}{poll}{extra}{meta}"
    )
}

/// The answer to a call that became a task of the gateway: `resultType` is `task`.
pub fn task_created(id: &RawId, task: &Task<'_>) -> Bytes {
    // The handle carries the state's common members only.
    let handle = Task { status: TaskStatus::Working, ..*task };
    let members = task_members(&handle);
    Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"resultType\":\"task\",{members}}}}}",
        id.as_str()
    ))
}

/// The answer to `tasks/get`.
pub fn task_state(id: &RawId, task: &Task<'_>) -> Bytes {
    result(id, Era::Modern, &task_members(task))
}

/// A link for the user, as an elicitation request of the gateway (2025-11-25). Opening it approves nothing.
pub fn elicit_url(id: &RawId, elicitation_id: &str, message: &str, url: &str) -> Bytes {
    let (message, url, elicitation_id) =
        (json_string(message), json_string(url), json_string(elicitation_id));
    let params = format!(
        "{{\"mode\":\"url\",\"message\":{message},\"url\":{url},\"elicitationId\":{elicitation_id}}}"
    );
    let (id, method) = (id.as_str(), Method::ElicitationCreate);
    Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}"
    ))
}

/// Says that what the user was sent to by [`elicit_url`] is over (2025-11-25).
pub fn elicitation_complete(elicitation_id: &str) -> Bytes {
    let params = format!("{{\"elicitationId\":{}}}", json_string(elicitation_id));
    notification(Method::NotifyElicitationComplete.as_str(), Some(&params))
}

/// The refusal of a request until the user has been at a link (2025-11-25, −32042). `data` is the JSON text of further members
/// of the error's data, without braces.
pub fn elicitation_required(
    id: &RawId,
    elicitation_id: &str,
    (message, url): (&str, &str),
    data: &str,
) -> Bytes {
    let comma = if data.is_empty() { "" } else { "," };
    let (text, url, elicitation_id) =
        (json_string(message), json_string(url), json_string(elicitation_id));
    let data = format!(
        "{{\"elicitations\":[{{\"mode\":\"url\",\"elicitationId\":{elicitation_id},\"url\":{url},\"message\":{text}}}]{comma}{data}}}"
    );
    error(Some(id), code::ELICITATION_REQUIRED, message, Some(&data))
}

/// A link for the user, as an `input_required` result of the gateway (2026-07-28). `state` comes back with the retry; it is not
/// trusted for being the gateway's own.
pub fn input_required_url(id: &RawId, key: &str, message: &str, url: &str, state: &str) -> Bytes {
    let (key, message, url, state) =
        (json_string(key), json_string(message), json_string(url), json_string(state));
    let request = format!(
        "{{\"method\":\"elicitation/create\",\"params\":{{\"mode\":\"url\",\"message\":{message},\"url\":{url}}}}}"
    );
    let members = format!(
        "\"resultType\":\"input_required\",\"inputRequests\":{{{key}:{request}}},\"requestState\":{state}"
    );
    Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{{members}}}}}", id.as_str()))
}

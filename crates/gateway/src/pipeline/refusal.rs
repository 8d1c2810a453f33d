//! What an agent reads when policy refuses or holds its call (POLICY.md section 8, GATEWAY.md
//! section 4): texts, codes and the decision as data. Nothing here decides.

use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use mcp::{Era, Method, RawId, Request, code, reply};
use policy::{Denial, Reason, UnixMillis};

use crate::plane::Plane;

/// The code of a 404, as in the refusals of `answer`.
const NO_SESSION_CODE: i64 = 1404;

/// A message of the gateway itself, with the HTTP status under which it goes out where no event
/// stream is open yet.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Notice {
    fn ok(body: Bytes) -> Self {
        Self { status: StatusCode::OK, body }
    }
}

/// The approval that a held call waits for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: policy::ApprovalId,
    pub(crate) expires_at: UnixMillis,
}

impl Asked {
    /// The page on which a person decides.
    pub(crate) fn url(&self, plane: &Plane) -> String {
        format!("{}/approvals/{}", plane.config.console_url.trim_end_matches('/'), self.id)
    }
}

/// The refusal of a judged call.
pub(crate) fn denied(request: &Request, denial: &Denial, request_id: &str) -> Notice {
    let decision = decision_json("deny", denial, request_id, None);
    let method = request.method();
    if *method == Method::ToolsCall {
        if denial.reason == Reason::Hidden {
            return unknown_tool(request.id(), request.name().unwrap_or_default());
        }
        let text = format!("[POLICY DENIED] {}", denial.message);
        return Notice::ok(reply::tool_refusal(request.id(), request.era(), &text, &decision));
    }
    let resource = matches!(
        method,
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
    );
    let known = method.exists(request.effective_version(), mcp::Sender::Client);
    if known && resource && is_unseen(denial) {
        return no_resource(request);
    }
    if *method == Method::PromptsGet && is_unseen(denial) {
        return no_prompt(request.id(), request.name().unwrap_or_default());
    }
    if known && request.task_id().is_some() && is_unseen(denial) {
        return no_task(request);
    }
    denied_method(request, method, &decision)
}

/// Whether the denial means that the grant does not even see the resource or prompt (POLICY.md
/// section 6: steps 1 to 3).
fn is_unseen(denial: &Denial) -> bool {
    match denial.reason {
        Reason::Hidden | Reason::NotListed | Reason::ActionDeny | Reason::NoPolicy => true,
        Reason::TypeMismatch => &*denial.rule == "/resources",
        Reason::SchemaInvalid
        | Reason::RequireFailed
        | Reason::DenyIfMatched
        | Reason::StoreUnavailable
        | Reason::LimitExceeded
        | Reason::ApprovalRequired
        | Reason::ApprovalRejected
        | Reason::TooManyPending
        | Reason::Quarantined
        | Reason::AuditUnavailable
        | Reason::Malformed
        | Reason::PolicyInvalid => false,
    }
}

fn denied_method(request: &Request, method: &Method, decision: &str) -> Notice {
    let known = method.exists(request.effective_version(), mcp::Sender::Client);
    if request.era() == Era::Modern && !known {
        let body =
            reply::error(Some(request.id()), code::METHOD_NOT_FOUND, "Method not found", None);
        return Notice { status: StatusCode::NOT_FOUND, body };
    }
    let data = format!("{{\"portcullis/decision\":{decision}}}");
    Notice::ok(reply::error(Some(request.id()), code::DENIED, "denied by policy", Some(&data)))
}

/// The call that waits for a person.
pub(crate) fn held(
    request: &Request,
    denial: &Denial,
    request_id: &str,
    asked: (&Asked, &Plane),
) -> Notice {
    let (asked, plane) = asked;
    let url = asked.url(plane);
    let decision = decision_json("hold", denial, request_id, Some((asked, &url)));
    if *request.method() == Method::ToolsCall {
        let text = format!(
            "[APPROVAL REQUIRED] {} A person can approve this call at {url} — then call again \
             with exactly the same arguments.",
            denial.message
        );
        return Notice::ok(reply::tool_refusal(request.id(), request.era(), &text, &decision));
    }
    let data = format!("{{\"portcullis/decision\":{decision}}}");
    let body =
        reply::error(Some(request.id()), code::APPROVAL_REQUIRED, "approval required", Some(&data));
    Notice::ok(body)
}

/// A tool that is hidden, or that the server never listed: the same bytes.
pub(crate) fn unknown_tool(id: &RawId, name: &str) -> Notice {
    let message = format!("Unknown tool: {name}");
    Notice::ok(reply::error(Some(id), code::INVALID_PARAMS, &message, None))
}

fn no_prompt(id: &RawId, name: &str) -> Notice {
    let message = format!("Unknown prompt: {name}");
    Notice::ok(reply::error(Some(id), code::INVALID_PARAMS, &message, None))
}

/// A resource that may not be read answers like one that does not exist (MCP 2025-11-25: −32002,
/// 2026-07-28: −32602, both with the URI).
fn no_resource(request: &Request) -> Notice {
    let uri = reply::json_string(request.uri().unwrap_or_default());
    let data = format!("{{\"uri\":{uri}}}");
    let code = match request.era() {
        Era::Legacy => code::RESOURCE_NOT_FOUND,
        Era::Modern => code::INVALID_PARAMS,
    };
    Notice::ok(reply::error(Some(request.id()), code, "Resource not found", Some(&data)))
}

/// The extension that tasks belong to (MCP 2026-07-28, SEP-2663).
pub(super) const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// A task that this grant did not create, or that never was (2025-11-25 and 2026-07-28: −32602). To a
/// modern client that did not declare the extension, −32021 names it.
fn no_task(request: &Request) -> Notice {
    if request.era() == Era::Legacy || request.declares_extension(TASKS_EXTENSION) {
        let body = reply::error(Some(request.id()), code::INVALID_PARAMS, "Task not found", None);
        return Notice::ok(body);
    }
    let data =
        format!("{{\"requiredCapabilities\":{{\"extensions\":{{\"{TASKS_EXTENSION}\":{{}}}}}}}}");
    let text = "Missing required client capability";
    let body = reply::error(Some(request.id()), code::MISSING_CAPABILITY, text, Some(&data));
    Notice { status: StatusCode::BAD_REQUEST, body }
}

/// What is said of a task whose result is gone.
pub(super) const NOT_KEPT: &str = "Task has ended, and what came of it is no longer kept: its call \
                                   may have been made, and is not made again";

/// A task of this grant whose call ended, and whose result had to make room (2026-07-28: −32602, with
/// what became of it).
pub(super) fn task_not_kept(id: &RawId) -> Notice {
    Notice::ok(reply::error(Some(id), code::INVALID_PARAMS, NOT_KEPT, None))
}

/// A task of which nobody can say now where it stands (2026-07-28: −32603). "Not found" would be
/// untrue.
pub(super) fn task_unread(id: &RawId) -> Notice {
    let message = "Task cannot be read now: ask again later";
    Notice::ok(reply::error(Some(id), code::INTERNAL_ERROR, message, None))
}

/// The server cannot be reached, or was never listed.
pub(crate) fn unreachable(id: &RawId) -> Notice {
    Notice::ok(reply::error(Some(id), code::UPSTREAM_UNREACHABLE, "upstream unreachable", None))
}

/// The server has forgotten the session and did not open it again: by the status the agent knows
/// that it must (MCP 2025-11-25, Session Management).
pub(crate) fn no_session(id: &RawId) -> Notice {
    let body = reply::error(Some(id), NO_SESSION_CODE, "there is no such session", None);
    Notice { status: StatusCode::NOT_FOUND, body }
}

/// The answers to the batch before this request are as long as they may be.
pub(crate) fn batch_full(id: &RawId) -> Notice {
    let message = "the answers of this batch are too long together";
    Notice::ok(reply::error(Some(id), code::INVALID_REQUEST, message, None))
}

/// The server's answer is none to this request.
pub(crate) fn bad_answer(id: &RawId) -> Notice {
    Notice::ok(reply::error(Some(id), code::BAD_UPSTREAM_ANSWER, "bad upstream answer", None))
}

/// The denial as `_meta["portcullis/decision"]` (POLICY.md section 8).
fn decision_json(
    verdict: &str,
    denial: &Denial,
    request_id: &str,
    asked: Option<(&Asked, &str)>,
) -> String {
    let text = reply::json_string;
    let mut json = format!(
        "{{\"verdict\":\"{verdict}\",\"reason\":\"{}\",\"rule\":{},\"message\":{}",
        denial.reason.as_str(),
        text(&denial.rule),
        text(&denial.message),
    );
    let mut push = |part: std::fmt::Arguments<'_>| {
        // Writing into a string cannot fail.
        let _written: Result<(), std::fmt::Error> = json.write_fmt(part);
    };
    if let Some(hint) = &denial.hint {
        push(format_args!(",\"hint\":{}", text(hint)));
    }
    if let Some(wait) = denial.retry_after_ms {
        push(format_args!(",\"retry_after_ms\":{wait}"));
    }
    push(format_args!(",\"request_id\":{}", text(request_id)));
    if let Some((asked, url)) = asked {
        push(format_args!(
            ",\"approval\":{{\"id\":\"{}\",\"url\":{},\"expires_at\":\"{}\"}}",
            asked.id,
            text(url),
            rfc3339(asked.expires_at)
        ));
    }
    json.push('}');
    json
}

/// A time as RFC 3339 in UTC with milliseconds. Civil date after H. Hinnant's `civil_from_days`
/// arithmetic over 400-year cycles.
pub(super) fn rfc3339(at: UnixMillis) -> String {
    let millis = at.0.rem_euclid(86_400_000);
    let days = at.0.div_euclid(86_400_000).saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
    let (second, rest) = (millis / 1000 % 60, millis % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

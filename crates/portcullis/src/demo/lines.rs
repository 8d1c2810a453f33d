//! The small commands of the demo: `demo call`, `demo approve`, `demo reject`, `demo audit`.
//!
//! What never lives here: the demo itself.

use std::io::Write;

use hyper::Method;
use serde_json::{Value, json};

use super::client::{ClientError, ask_api, call_tool};
use super::state::State;

/// Calls in one command, at most.
pub(crate) const TIMES_MAX: u32 = 100;

/// What the agent reads of an answer: the text of a result, or the error.
fn said(answer: &Value) -> String {
    if let Some(error) = answer.get("error") {
        let text = error.get("message").and_then(Value::as_str).unwrap_or("error");
        return format!("error {}: {text}", error.get("code").unwrap_or(&Value::Null));
    }
    let content = answer.pointer("/result/content").and_then(Value::as_array);
    let texts = content.into_iter().flatten().filter_map(|c| c.get("text")?.as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// Calls a tool and prints what the agent reads.
pub(crate) async fn call(
    state: &State,
    (tool, arguments, times): (&str, &Value, u32),
    out: &mut impl Write,
) -> Result<(), LineError> {
    for n in 1..=times.min(TIMES_MAX) {
        let answer = call_tool(&state.mcp_url, &state.grant_token, tool, arguments).await?;
        if times > 1 {
            write!(out, "{n:>3}  ")?;
        }
        writeln!(out, "{}", said(&answer))?;
        let decision = answer.pointer("/result/_meta").and_then(|m| m.get("portcullis/decision"));
        for (key, word) in
            [("rule", "rule"), ("hint", "hint"), ("retry_after_ms", "try again in ms")]
        {
            if let Some(value) = decision.and_then(|d| d.get(key)).filter(|v| !v.is_null()) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                writeln!(out, "     {word}: {text}")?;
            }
        }
    }
    Ok(())
}

/// Decides the oldest pending hold.
pub(crate) async fn decide(
    state: &State,
    (word, reason): (&str, Option<&str>),
    out: &mut impl Write,
) -> Result<(), LineError> {
    let url = format!("{}/api/v1/approvals?state=pending", state.api_url);
    let pending = ask_api(Method::GET, &url, &state.api_token, None).await?;
    let newest_first = pending.get("items").and_then(Value::as_array);
    let Some(hold) = newest_first.and_then(|items| items.last()) else {
        writeln!(out, "Nothing waits for a decision.")?;
        return Ok(());
    };
    let id = hold.get("id").and_then(Value::as_str).unwrap_or_default();
    let text = |key: &str| hold.get(key).map(Value::to_string).unwrap_or_default();
    writeln!(out, "{id}: {} {}", text("name").trim_matches('"'), text("arguments"))?;
    let url = format!("{}/api/v1/approvals/{id}/{word}", state.api_url);
    let body = json!({ "reason": reason });
    let decided = ask_api(Method::POST, &url, &state.api_token, Some(&body)).await?;
    let now = decided.get("state").and_then(Value::as_str).unwrap_or("decided");
    writeln!(out, "{now}: this one call, with exactly these arguments")?;
    Ok(())
}

/// Rows of the audit that the demo shows, at most.
const AUDIT_ROWS: usize = 40;

/// Prints the newest decisions, oldest of them first.
pub(crate) async fn audit(state: &State, out: &mut impl Write) -> Result<(), LineError> {
    let url = format!("{}/api/v1/audit?kind=decision&limit={AUDIT_ROWS}", state.api_url);
    let page = ask_api(Method::GET, &url, &state.api_token, None).await?;
    let rows = page.get("items").and_then(Value::as_array);
    for row in rows.into_iter().flatten().rev() {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("");
        let time = text("time").get(11..19).unwrap_or("");
        let why = [text("reason"), text("rule")].join(" ");
        writeln!(out, "{time}  {:<5}  {:<28} {}", text("verdict"), text("tool"), why.trim())?;
    }
    Ok(())
}

/// Why a small command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The demo did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nobody reads what is printed.
    #[error("cannot print")]
    Print(#[from] std::io::Error),
}

/// Looks for the hold that a call is about to cause, at most so often.
const HOLD_LOOKS_MAX: u32 = 100;
/// Milliseconds between two looks.
const HOLD_LOOK_MS: u64 = 100;

/// Approves a hold as soon as there is one.
pub(crate) async fn decide_when_held(state: &State, out: &mut impl Write) -> Result<(), LineError> {
    let url = format!("{}/api/v1/approvals?state=pending", state.api_url);
    for _look in 0..HOLD_LOOKS_MAX {
        let pending = ask_api(Method::GET, &url, &state.api_token, None).await?;
        let any = pending.get("items").and_then(Value::as_array).is_some_and(|i| !i.is_empty());
        if any {
            return decide(state, ("approve", None), out).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(HOLD_LOOK_MS)).await;
    }
    Ok(())
}

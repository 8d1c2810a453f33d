//! The demo's small clients: one MCP call through the gateway, one request to the API.
//!
//! What never lives here: a general MCP client. It speaks as much as the five lines of the demo need.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use thiserror::Error;

/// Bytes of an answer, at most.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an answer may take; longer than any hold of the demo waits.
const ANSWER_SECONDS_MAX: u64 = 180;
/// The protocol revision that the demo's client speaks.
const PROTOCOL: &str = "2025-11-25";

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// Nobody listens there.
    #[error("nothing answers at {url}: is the demo still running?")]
    Unreachable {
        /// Where.
        url: String,
    },
    /// It took too long.
    #[error("{url} did not answer within {ANSWER_SECONDS_MAX} s")]
    TooSlow {
        /// Where.
        url: String,
    },
    /// The answer is none that this client understands.
    #[error("{url} answered {status}: {text}")]
    Strange {
        /// Where.
        url: String,
        /// HTTP status.
        status: StatusCode,
        /// The beginning of the body.
        text: String,
    },
}

/// Sends one request and collects the answer.
async fn send(
    method: Method,
    url: &str,
    token: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let unreachable = || ClientError::Unreachable { url: url.to_owned() };
    let payload = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", PROTOCOL)
        .body(Full::new(payload));
    let request = request.map_err(|_malformed_url| unreachable())?;
    let exchange = async {
        let response = client.request(request).await.map_err(|_refused| unreachable())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_cut_off| unreachable())?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), exchange)
        .await
        .unwrap_or_else(|_elapsed| Err(ClientError::TooSlow { url: url.to_owned() }))
}

/// The JSON-RPC answer in a body: the whole of it, or the last event of a stream that has an id.
fn rpc_answer(body: &[u8]) -> Option<Value> {
    if let Ok(whole) = serde_json::from_slice::<Value>(body) {
        return Some(whole);
    }
    let text = std::str::from_utf8(body).ok()?;
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let messages = data.filter_map(|d| serde_json::from_str::<Value>(d.trim()).ok());
    messages.rev().find(|m| m.get("id").is_some() && m.get("method").is_none())
}

/// Calls a tool through the gateway; the JSON-RPC answer.
pub(crate) async fn call_tool(
    url: &str,
    token: &str,
    tool: &str,
    arguments: &Value,
) -> Result<Value, ClientError> {
    let params = json!({ "name": tool, "arguments": arguments });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let (status, body) = send(Method::POST, url, token, Some(&call)).await?;
    rpc_answer(&body).ok_or_else(|| strange(url, status, &body))
}

fn strange(url: &str, status: StatusCode, body: &[u8]) -> ClientError {
    let text = String::from_utf8_lossy(body).chars().take(300).collect();
    ClientError::Strange { url: url.to_owned(), status, text }
}

/// Asks the API; refuses anything but a 2xx with JSON.
pub(crate) async fn ask_api(
    method: Method,
    url: &str,
    token: &str,
    body: Option<&Value>,
) -> Result<Value, ClientError> {
    let (status, answer) = send(method, url, token, body).await?;
    let json = serde_json::from_slice(&answer).ok();
    json.filter(|_| status.is_success()).ok_or_else(|| strange(url, status, &answer))
}

//! The demo's MCP server: Streamable HTTP without sessions, for clients of both protocol eras.
//!
//! What never lives here: policy, tokens. It listens on loopback only.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::ledger::{Ledger, Outcome, tools};

/// Bytes of a request's body, at most.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The newest revision of the handshake era, and the one without a handshake.
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
/// Revisions whose `initialize` is answered as it was asked.
const LEGACY_KNOWN: [&str; 3] = [LEGACY, "2025-06-18", "2025-03-26"];

type Answer = Response<Full<Bytes>>;

/// Serves until the listener's task is dropped.
pub(super) async fn serve(listener: TcpListener, tasks: TaskTracker) {
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let ledger = Arc::clone(&ledger);
        tasks.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&ledger), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // A broken connection is the client's own affair.
            drop(connection.await);
        });
    }
}

fn plain(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn message(status: StatusCode, body: &Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn answer(
    ledger: Arc<Mutex<Ledger>>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    if request.uri().path() != "/mcp" {
        return Ok(plain(StatusCode::NOT_FOUND));
    }
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    }
    let version = request.headers().get("mcp-protocol-version").cloned();
    let modern = version.is_some_and(|v| v.as_bytes() == MODERN.as_bytes());
    let Ok(body) = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let Ok(call) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
        let error = json!({ "code": -32700, "message": "this is not JSON" });
        let body = json!({ "jsonrpc": "2.0", "id": null, "error": error });
        return Ok(message(StatusCode::BAD_REQUEST, &body));
    };
    let Some(id) = call.get("id").cloned() else {
        return Ok(plain(StatusCode::ACCEPTED));
    };
    let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = call.get("params").cloned().unwrap_or_default();
    Ok(match result(&ledger, method, &params) {
        Ok(mut result) => {
            if let (true, Some(members)) = (modern, result.as_object_mut()) {
                members.insert("resultType".to_owned(), json!("complete"));
            }
            message(StatusCode::OK, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
        }
        Err((code, text)) => {
            let unknown = modern && code == -32601;
            let status = if unknown { StatusCode::NOT_FOUND } else { StatusCode::OK };
            let error = json!({ "code": code, "message": text });
            message(status, &json!({ "jsonrpc": "2.0", "id": id, "error": error }))
        }
    })
}

fn identity() -> Value {
    json!({ "name": "portcullis-demo-payments", "version": env!("CARGO_PKG_VERSION") })
}

fn result(ledger: &Mutex<Ledger>, method: &str, params: &Value) -> Result<Value, (i32, String)> {
    match method {
        "initialize" => {
            let asked = params.get("protocolVersion").and_then(Value::as_str).unwrap_or(LEGACY);
            let version = if LEGACY_KNOWN.contains(&asked) { asked } else { LEGACY };
            Ok(json!({
                "protocolVersion": version,
                "capabilities": { "tools": {} },
                "serverInfo": identity(),
            }))
        }
        "server/discover" => Ok(json!({
            "supportedVersions": [MODERN],
            "capabilities": { "tools": {} },
            "serverInfo": identity(),
            "ttlMs": 0,
            "cacheScope": "private",
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools(), "ttlMs": 0, "cacheScope": "private" })),
        "tools/call" => call(ledger, params),
        _ => Err((-32601, format!("unknown method {method}"))),
    }
}

fn call(ledger: &Mutex<Ledger>, params: &Value) -> Result<Value, (i32, String)> {
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    let arguments = params.get("arguments").cloned().unwrap_or_else(|| json!({}));
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let (text, is_error) = match ledger.run(name, &arguments) {
        None => return Err((-32602, format!("Unknown tool: {name}"))),
        Some(Outcome::Done(text)) => (text, false),
        Some(Outcome::Failed(text)) => (text, true),
    };
    Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": is_error }))
}

//! One connection with one MCP session: introduces itself, calls, and checks the answer. The first
//! answer is parsed; each later one must be the same bytes with its own id, or is parsed too.

use std::net::SocketAddr;

use crate::http1::{Connection, Head};
use crate::message::{self, Expected, Fault, ID_DIGITS, OPENING};

/// Where a target is reached.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) to: SocketAddr,
    pub(super) path: String,
    pub(super) token: Option<String>,
}

impl Door {
    /// A request with the headers of an MCP client.
    pub(super) fn request(&self, verb: &str, session: Option<&str>, body: &str) -> Vec<u8> {
        let mut head = format!("{verb} {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.to);
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        if let Some(token) = &self.token {
            line("Authorization", &format!("Bearer {token}"));
        }
        let accepted = if verb == "GET" { EVENTS } else { "application/json, text/event-stream" };
        line("Accept", accepted);
        line("MCP-Protocol-Version", message::REVISION);
        if let Some(session) = session {
            line("Mcp-Session-Id", session);
        }
        if verb == "POST" {
            line("Content-Type", "application/json");
            line("Content-Length", &body.len().to_string());
        }
        head.push_str("\r\n");
        head.push_str(body);
        head.into_bytes()
    }

    /// Connects and opens a session; its id.
    ///
    /// # Errors
    /// When the target does not take it.
    pub(super) async fn introduce(&self) -> Result<(Connection, Option<String>), String> {
        let mut connection = Connection::open(self.to).await?;
        let request = self.request("POST", None, &message::initialize());
        let (head, body) = connection.exchange(&request).await?;
        if head.status != 200 {
            let body = String::from_utf8_lossy(body).into_owned();
            return Err(format!("initialize: HTTP {}: {body}", head.status));
        }
        let request = self.request("POST", head.session.as_deref(), &message::initialized());
        let (ready, body) = connection.exchange(&request).await?;
        if ready.status != 202 {
            let body = String::from_utf8_lossy(body).into_owned();
            return Err(format!("initialized: HTTP {}: {body}", ready.status));
        }
        Ok((connection, head.session))
    }
}

/// The media type of an event stream.
const EVENTS: &str = "text/event-stream";

/// A session that calls.
#[derive(Debug)]
pub(super) struct Caller {
    connection: Connection,
    request: Vec<u8>,
    id_at: usize,
    expected: Expected,
    /// An answer that was found right, and where its id stands.
    right: Option<(Vec<u8>, usize)>,
}

impl Caller {
    /// Connects, opens a session and prepares the request.
    ///
    /// # Errors
    /// When the target does not take it.
    pub(super) async fn introduced(
        door: &Door,
        request: &str,
        expected: Expected,
    ) -> Result<Self, String> {
        let (connection, session) = door.introduce().await?;
        let bytes = door.request("POST", session.as_deref(), request);
        let id_at = bytes.len().saturating_sub(request.len()).saturating_add(OPENING.len());
        Ok(Self { connection, request: bytes, id_at, expected, right: None })
    }

    /// Calls once, with that id.
    ///
    /// # Errors
    /// When the answer is not the one that was asked for.
    pub(super) async fn call(&mut self, id: u64) -> Result<(), Fault> {
        let digits = id.to_string();
        let id_end = self.id_at.saturating_add(ID_DIGITS);
        let place = self.request.get_mut(self.id_at..id_end);
        let place = place.filter(|place| place.len() == digits.len());
        place
            .ok_or_else(|| Fault::Wrong("ids are used up".to_owned()))?
            .copy_from_slice(digits.as_bytes());
        let (head, body) = self.connection.exchange(&self.request).await.map_err(Fault::Wrong)?;
        check_head(&head, body)?;
        if self.right.as_ref().is_some_and(|(right, at)| is_same(body, right, *at, &digits)) {
            return Ok(());
        }
        self.expected.check(body, id)?;
        let id_at = memchr::memmem::find(body, digits.as_bytes()).unwrap_or(body.len());
        self.right = Some((body.to_vec(), id_at));
        Ok(())
    }
}

fn check_head(head: &Head, body: &[u8]) -> Result<(), Fault> {
    if head.status == 200 {
        return Ok(());
    }
    Err(message::wrong(&format!("HTTP {}", head.status), body))
}

/// Whether two answers differ in nothing but the id.
fn is_same(body: &[u8], right: &[u8], id_at: usize, id: &str) -> bool {
    let id_end = id_at.saturating_add(ID_DIGITS);
    body.len() == right.len()
        && body.get(..id_at) == right.get(..id_at)
        && body.get(id_at..id_end) == Some(id.as_bytes())
        && body.get(id_end..) == right.get(id_end..)
}

#[cfg(test)]
#[path = "caller_tests.rs"]
mod tests;

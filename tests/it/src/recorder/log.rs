//! What a recorder wrote down, shared by all servers of one test so that their order is known.

use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A call that a server ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// The server's name.
    pub server: &'static str,
    /// The tool that ran, by the name that the server gave it.
    pub tool: String,
    /// The arguments as the server read them.
    pub arguments: Value,
}

/// A message that reached a server, whatever became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Forwarded {
    /// The server's name.
    pub server: &'static str,
    /// The JSON-RPC method, as the server read it.
    pub method: String,
    /// `params.name` or `params.uri`, as the server read it.
    pub subject: String,
}

/// An HTTP request, or a line on a pipe, as it came.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// The server's name.
    pub server: &'static str,
    /// The HTTP method; `PIPE` for a line.
    pub method: String,
    /// Header lines, names in lower case; empty for a line.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// Whether the gateway's own credential came with it.
    pub credential: bool,
}

impl RawRequest {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _value)| held == name).map(|(_name, value)| value.as_str())
    }

    /// Whether a text stands anywhere in it.
    pub fn holds(&self, text: &str) -> bool {
        let in_headers = self.headers.iter().any(|(_name, value)| value.contains(text));
        in_headers || self.body.windows(text.len().max(1)).any(|bytes| bytes == text.as_bytes())
    }
}

#[derive(Debug, Default)]
struct Entries {
    executed: Vec<Executed>,
    forwarded: Vec<Forwarded>,
    requests: Vec<RawRequest>,
}

/// The log of one test; clones are the same log.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Entries>>);

impl Log {
    pub(super) fn execute(&self, executed: Executed) {
        self.0.lock().expect("no holder panics").executed.push(executed);
    }

    pub(super) fn forward(&self, forwarded: Forwarded) {
        self.0.lock().expect("no holder panics").forwarded.push(forwarded);
    }

    pub(super) fn request(&self, request: RawRequest) {
        self.0.lock().expect("no holder panics").requests.push(request);
    }

    /// Every call that ran, in order.
    pub fn executed(&self) -> Vec<Executed> {
        self.0.lock().expect("no holder panics").executed.clone()
    }

    /// How many calls ran.
    pub fn executed_count(&self) -> usize {
        self.0.lock().expect("no holder panics").executed.len()
    }

    /// The tools of the calls that ran from the `skip`-th on, in order.
    pub fn tools_after(&self, skip: usize) -> Vec<String> {
        let entries = self.0.lock().expect("no holder panics");
        entries.executed.iter().skip(skip).map(|call| call.tool.clone()).collect()
    }

    /// Every message that arrived, in order.
    pub fn forwarded(&self) -> Vec<Forwarded> {
        self.0.lock().expect("no holder panics").forwarded.clone()
    }

    /// Every raw request, in order.
    pub fn requests(&self) -> Vec<RawRequest> {
        self.0.lock().expect("no holder panics").requests.clone()
    }

    /// Hands every raw request from the `skip`-th on to `look`, without copying them.
    pub fn each_request_after(&self, skip: usize, mut look: impl FnMut(&RawRequest)) {
        let entries = self.0.lock().expect("no holder panics");
        entries.requests.iter().skip(skip).for_each(&mut look);
    }

    /// How many raw requests arrived.
    pub fn request_count(&self) -> usize {
        self.0.lock().expect("no holder panics").requests.len()
    }

    /// How many messages arrived.
    pub fn forwarded_count(&self) -> usize {
        self.0.lock().expect("no holder panics").forwarded.len()
    }
}

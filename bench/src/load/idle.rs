//! Sessions that only wait: each has a connection with an open GET stream. They are opened, memory is
//! read before and after, and one announcement must then arrive on every stream.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::caller::Door;
use super::{Found, LoadArgs, seconds};
use crate::clock;
use crate::http1::Connection;
use crate::message::{self, ANNOUNCED};
use crate::procfs::Memory;

/// What idle sessions cost.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Idle {
    /// Sessions that were opened.
    pub(crate) sessions: u64,
    /// Streams on which the announcement arrived.
    pub(crate) heard: u64,
    /// Memory of the watched process before, in KiB.
    pub(crate) before_kib: u64,
    /// The same with all sessions open.
    pub(crate) open_kib: u64,
    /// The difference for one session, in KiB.
    pub(crate) each_kib: f64,
}

/// How long an announcement may take to reach every stream.
const HEARD_MAX: Duration = Duration::from_mins(1);

/// Opens the sessions, measures, and makes sure that their streams are alive.
///
/// # Errors
/// When a session or its stream cannot be opened.
pub(super) async fn run(args: &LoadArgs, door: &Door) -> Result<Found, String> {
    // One session comes and goes before, so that what is made once is not charged to the sessions.
    let (mut speaker, session) = door.introduce().await?;
    let memory = || args.watch.map(Memory::of).transpose();
    tokio::time::sleep(seconds(args.warmup)?).await;
    let before = memory()?;
    let mut streams = opened(door, args.sessions).await?;
    tokio::time::sleep(seconds(args.settle)?).await;
    let open = memory()?;
    let request = door.request("POST", session.as_deref(), &message::announce());
    let (head, body) = speaker.exchange(&request).await?;
    if head.status != 200 || memchr::memmem::find(body, b"\"isError\":false").is_none() {
        return Err(format!("announce: {}", String::from_utf8_lossy(body)));
    }
    let heard = tokio::time::timeout(HEARD_MAX, listened(&mut streams)).await;
    let heard = heard.map_err(|_late| "an announcement did not reach every stream in time")?;
    let (before, open) = (before.map_or(0, |m| m.resident_kib), open.map_or(0, |m| m.resident_kib));
    let sessions = u64::try_from(streams.len()).unwrap_or(u64::MAX);
    let each_kib = clock::real(open.saturating_sub(before)) / clock::real(sessions.max(1));
    let idle = Idle { sessions, heard, before_kib: before, open_kib: open, each_kib };
    let errors = sessions.saturating_sub(heard);
    let first_problem = (errors > 0).then(|| format!("{errors} streams were closed"));
    let peak_kib = memory()?.map(|memory| memory.peak_kib);
    let answers = sessions;
    Ok(Found { answers, errors, first_problem, peak_kib, idle: Some(idle), ..Found::default() })
}

/// So many sessions whose connections wait.
///
/// # Errors
/// When a session or its stream cannot be opened.
pub(super) async fn opened(door: &Door, sessions: usize) -> Result<Vec<Connection>, String> {
    let mut streams = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        streams.push(open(door).await?);
    }
    Ok(streams)
}

/// A session whose connection waits for what the server has to say.
async fn open(door: &Door) -> Result<Connection, String> {
    let (mut connection, session) = door.introduce().await?;
    let head = connection.ask(&door.request("GET", session.as_deref(), "")).await?;
    if head.status != 200 || !head.is_stream {
        return Err(format!("the GET stream: HTTP {}", head.status));
    }
    connection.shrink();
    Ok(connection)
}

/// On how many streams the announcement arrives.
async fn listened(streams: &mut [Connection]) -> u64 {
    let mut heard = 0;
    for stream in streams {
        heard += u64::from(stream.wait_for(ANNOUNCED.as_bytes()).await.is_ok());
    }
    heard
}

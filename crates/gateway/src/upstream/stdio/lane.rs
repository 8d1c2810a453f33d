//! Which children run: one for each era that the program speaks and agents use. Starting, remembering what the program speaks, and
//! waiting longer each time it ends too soon. Never here: what is said to a child after its handshake.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp::Era;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::child::{Child, Limits, serve, supervise};
use super::handshake::{Hello, Spoken, Versions, initialize, probe};
use super::mux::Mux;
use super::pipes::Threads;
use super::process::{STOP_GRACE, spawn};
use crate::diary::{Blots, Diary};
use crate::upstream::message::{SendError, Sent, Unreachable};
use crate::upstream::room::Room;
use crate::upstream::spec::{FromServer, Program, ServerSpec, Timeouts};

/// The wait after the first early end of a child; it doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// The longest wait between two starts. A program that can run again must be used within five seconds, also when both eras
/// need a process.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// A child that ran this long counts as healthy: the next wait is the first one again.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);
/// The longest wait that a message is held for instead of being refused.
const HELD_FOR_START_MAX: Duration = Duration::from_secs(1);

/// How many threads at the pipes of earlier children may be left when another child is started; each child has three. It takes a
/// process that left its group with the pipe's lock to keep one.
const THREADS_BEFORE_START_MAX: usize = 9;

/// A child to talk to.
pub(super) enum Ready {
    /// It runs; its `initialize` answer if it is a legacy one.
    Running(Arc<Child>, Option<Hello>),
    /// The program does not speak this era.
    OtherEra,
}

/// The children of one server.
#[derive(Debug)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
    /// Starts under way. They are nobody's own: others may wait for a child when the one who asked first has gone.
    starts: Mutex<JoinSet<()>>,
}

/// What the starts of children share.
#[derive(Debug)]
struct Shared {
    program: Program,
    search_path: Option<OsString>,
    server: Arc<str>,
    timeouts: Timeouts,
    from_server: FromServer,
    line_bytes_max: usize,
    changes: watch::Sender<u64>,
    room: Arc<Room>,
    diary: Arc<Diary>,
    blots: Arc<Blots>,
    stopped: CancellationToken,
    /// Held while a child is started, so that two messages do not start two.
    starting: tokio::sync::Mutex<Starts>,
    running: Mutex<Running>,
    tasks: Mutex<JoinSet<()>>,
    threads: Threads,
}

#[derive(Debug, Default)]
struct Running {
    legacy: Option<(Arc<Child>, Hello)>,
    modern: Option<Arc<Child>>,
    known: Known,
}

/// What the program is known to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Known {
    #[default]
    Nothing,
    LegacyOnly,
    /// It answered as a stateless server that lists no handshake revision. Some of them speak one all the same to whoever begins with
    /// `initialize`, which is tried with a process of its own when the first agent of that era comes.
    ModernFirst,
    ModernOnly,
    Both,
}

impl Known {
    fn speaks(self, era: Era) -> bool {
        match self {
            Self::Nothing | Self::ModernFirst | Self::Both => true,
            Self::LegacyOnly => era == Era::Legacy,
            Self::ModernOnly => era == Era::Modern,
        }
    }
}

/// When children were started, for the back-off.
#[derive(Debug, Default)]
struct Starts {
    last: Option<Instant>,
    in_a_row: u32,
}

impl Starts {
    /// The earliest instant of the next start.
    fn next(&self) -> Option<Instant> {
        let doublings = self.in_a_row.checked_sub(1)?;
        let wait = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(BACKOFF_MAX);
        Some(self.last? + wait)
    }

    fn note(&mut self, now: Instant) {
        let healthy = self.last.is_some_and(|last| now.duration_since(last) > HEALTHY_AFTER);
        self.in_a_row = if healthy { 1 } else { self.in_a_row.saturating_add(1) };
        self.last = Some(now);
    }
}

impl Lanes {
    pub(super) fn new(spec: &ServerSpec, program: Program, changes: watch::Sender<u64>) -> Self {
        let shared = Shared {
            blots: Arc::new(Blots::of(&program.env)),
            diary: Arc::clone(&spec.diary),
            program,
            // The child's own environment is empty, so that only the gateway can look the program up.
            search_path: std::env::var_os("PATH"),
            server: Arc::clone(&spec.slug),
            timeouts: spec.timeouts,
            from_server: spec.from_server,
            line_bytes_max: spec.answer_bytes_max,
            changes,
            room: Arc::clone(&spec.room),
            stopped: CancellationToken::new(),
            starting: tokio::sync::Mutex::default(),
            running: Mutex::default(),
            tasks: Mutex::default(),
            threads: Threads::default(),
        };
        Self { shared: Arc::new(shared), starts: Mutex::default() }
    }

    /// The child of an era if it runs.
    pub(super) fn running(&self, era: Era) -> Option<(Arc<Child>, Option<Hello>)> {
        self.shared.running(era)
    }

    /// The child of an era, started if it does not run.
    pub(super) async fn ready(&self, era: Era, by: Instant) -> Result<Ready, SendError> {
        if let Some((child, hello)) = self.running(era) {
            return Ok(Ready::Running(child, hello));
        }
        if !self.shared.lock().known.speaks(era) {
            return Ok(Ready::OtherEra);
        }
        self.start(by, move |shared| async move {
            let mut starts = shared.starting.lock().await;
            shared.ready(era, &mut starts, by).await
        })
        .await
    }

    /// The era to speak to the program when there is a choice: that of a child that runs, else the handshake era, which is the one
    /// that agents with sessions need.
    pub(super) async fn era(&self, by: Instant) -> Result<Era, SendError> {
        for era in [Era::Legacy, Era::Modern] {
            if self.running(era).is_some() {
                return Ok(era);
            }
        }
        if self.shared.lock().known == Known::Nothing {
            self.start(by, move |shared| async move {
                let mut starts = shared.starting.lock().await;
                let known = shared.lock().known;
                if known == Known::Nothing {
                    shared.discover(&mut starts, by).await
                } else {
                    Ok(())
                }
            })
            .await?;
        }
        let known = self.shared.lock().known;
        if known == Known::ModernFirst && self.running(Era::Modern).is_some() {
            return Ok(Era::Modern);
        }
        match self.ready(Era::Legacy, by).await? {
            Ready::Running(..) => Ok(Era::Legacy),
            Ready::OtherEra => Ok(Era::Modern),
        }
    }

    /// Runs something that may start a child to its end, also when the caller is dropped meanwhile.
    async fn start<T, F>(
        &self,
        by: Instant,
        work: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
    ) -> Result<T, SendError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SendError>> + Send,
    {
        let (done, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        {
            let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
            while starts.try_join_next().is_some() {}
            starts.spawn(async move {
                let stopped = shared.stopped.clone();
                let ended = tokio::select! {
                    biased;
                    () = stopped.cancelled() => Err(SendError::Unreachable(Unreachable::Stopped)),
                    ended = timeout_at(by, work(shared)) => {
                        ended.unwrap_or(Err(SendError::TimedOut(Sent::No)))
                    }
                };
                if done.send(ended).is_err() {
                    tracing::debug!("nobody waits for the start of a child any more");
                }
            });
        }
        answer.await.unwrap_or(Err(SendError::Unreachable(Unreachable::Stopped)))
    }

    /// Ends all children, and waits until they have ended.
    pub(super) async fn stop(&self) {
        self.shared.stopped.cancel();
        let all = async {
            for tasks in [&self.starts, &self.shared.tasks] {
                let mut tasks =
                    std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
                while tasks.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout(STOP_GRACE.saturating_mul(2), all).await.is_err() {
            tracing::error!("a child cannot be ended in time");
        }
    }
}

impl Shared {
    /// The child of an era if it runs.
    pub(super) fn running(&self, era: Era) -> Option<(Arc<Child>, Option<Hello>)> {
        let running = self.lock();
        let alive = |child: &Arc<Child>| !child.ending.is_cancelled();
        match era {
            Era::Legacy => {
                let (child, hello) = running.legacy.as_ref().filter(|(child, _)| alive(child))?;
                Some((Arc::clone(child), Some(hello.clone())))
            }
            Era::Modern => running
                .modern
                .as_ref()
                .filter(|child| alive(child))
                .map(|child| (Arc::clone(child), None)),
        }
    }

    /// The child of an era, started if it does not run.
    async fn ready(&self, era: Era, starts: &mut Starts, by: Instant) -> Result<Ready, SendError> {
        for _ in 0..STARTS_FOR_ONE_MESSAGE_MAX {
            if let Some((child, hello)) = self.running(era) {
                return Ok(Ready::Running(child, hello));
            }
            let known = self.lock().known;
            match (known, era) {
                (Known::Nothing, _) => self.discover(starts, by).await?,
                (Known::LegacyOnly | Known::ModernFirst | Known::Both, Era::Legacy) => {
                    self.start_legacy(starts, by).await?;
                }
                (Known::ModernFirst | Known::ModernOnly | Known::Both, Era::Modern) => {
                    self.start_modern(starts, by).await?;
                }
                (Known::ModernOnly, Era::Legacy) | (Known::LegacyOnly, Era::Modern) => {
                    return Ok(Ready::OtherEra);
                }
            }
        }
        Err(SendError::Unreachable(Unreachable::NotRunning))
    }

    /// Starts the program for the first time and asks what it speaks.
    async fn discover(&self, starts: &mut Starts, by: Instant) -> Result<(), SendError> {
        let child = self.start(starts, by).await?;
        let ending = Ending(Some(Arc::clone(&child)));
        let probed = probe(&child, self.from_server, self.timeouts.connect, by).await?;
        let Some(spoken) = probed else {
            // It ended at a first message that it does not know, and is no stateless server.
            self.lock().known = Known::LegacyOnly;
            return Ok(());
        };
        ending.keep();
        let mut running = self.lock();
        match spoken {
            Spoken::Legacy(hello) => {
                running.known = Known::LegacyOnly;
                running.legacy = Some((child, hello));
            }
            Spoken::Modern(versions) => {
                running.known = match versions {
                    Versions::ModernOnly => Known::ModernFirst,
                    Versions::Both => Known::Both,
                };
                running.modern = Some(child);
            }
        }
        Ok(())
    }

    async fn start_legacy(&self, starts: &mut Starts, by: Instant) -> Result<(), SendError> {
        let child = self.start(starts, by).await?;
        let ending = Ending(Some(Arc::clone(&child)));
        let hello = initialize(&child, self.from_server, by).await?;
        let mut running = self.lock();
        match (hello, running.known) {
            (Some(hello), known) => {
                ending.keep();
                if known == Known::ModernFirst {
                    running.known = Known::Both;
                }
                running.legacy = Some((child, hello));
                Ok(())
            }
            (None, Known::ModernFirst) => {
                running.known = Known::ModernOnly;
                Ok(())
            }
            (None, Known::Nothing | Known::LegacyOnly | Known::ModernOnly | Known::Both) => {
                Err(SendError::Unreachable(Unreachable::Handshake))
            }
        }
    }

    async fn start_modern(&self, starts: &mut Starts, by: Instant) -> Result<(), SendError> {
        let child = self.start(starts, by).await?;
        self.lock().modern = Some(child);
        Ok(())
    }

    /// Starts a process, after the back-off.
    async fn start(&self, starts: &mut Starts, by: Instant) -> Result<Arc<Child>, SendError> {
        let now = Instant::now();
        if let Some(earliest) = starts.next().filter(|earliest| *earliest > now) {
            if earliest > by || earliest.duration_since(now) > HELD_FOR_START_MAX {
                return Err(SendError::Unreachable(Unreachable::NotRunning));
            }
            sleep_until(earliest).await;
        }
        if self.stopped.is_cancelled() {
            return Err(SendError::Unreachable(Unreachable::Stopped));
        }
        starts.note(Instant::now());
        let threads = self.threads.running();
        if threads > THREADS_BEFORE_START_MAX {
            tracing::error!(threads, "earlier children still hold their pipes");
            return Err(SendError::Unreachable(Unreachable::NotRunning));
        }
        let process = spawn(&self.program, self.search_path.as_deref())
            .map_err(|error| SendError::Unreachable(Unreachable::Spawn(error)))?;
        let mux = Mux::new(self.from_server, self.changes.clone(), Arc::clone(&self.room));
        let (child, writes) = Child::new(mux, nonce()?, self.stopped.child_token());
        let limits = Limits {
            server: Arc::clone(&self.server),
            line_bytes_max: self.line_bytes_max,
            diary: Arc::clone(&self.diary),
            blots: Arc::clone(&self.blots),
        };
        let served = serve(Arc::clone(&child), process, writes, limits, &self.threads)
            .map_err(|error| SendError::Unreachable(Unreachable::Spawn(error)))?;
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(supervise(served));
        Ok(child)
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many processes are started at most for one message: one to ask what the program speaks, one to serve.
const STARTS_FOR_ONE_MESSAGE_MAX: u32 = 3;

/// Ends a child whose handshake fails or is given up.
struct Ending(Option<Arc<Child>>);

impl Ending {
    /// The child stays.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
            child.ending.cancel();
        }
    }
}

/// 128 random bits as text: the sessions of one child never look like those of another.
fn nonce() -> Result<String, SendError> {
    let mut bytes = [0_u8; 16];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_exhausted| {
        SendError::Unreachable(Unreachable::Spawn(std::io::Error::other("no random bytes")))
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests;

//! Reloading: a SIGHUP or a changed file puts the whole configuration in force, or nothing of it.
//! A refused one leaves the last good state and is shown until it is cured.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use gateway::Gateway;
use store::{FileObjects, Store};
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::objects;
use crate::causes::chain;
use crate::clock;
use crate::config::{self, Channel, Config, Environment};

/// How often the files are looked at.
const LOOK_MILLIS: u64 = 250;
/// A refused configuration is read again after so many looks, for a cure in a file that could not
/// be read before and so is not watched.
const RETRY_LOOKS: u32 = 8;

/// Whether what stands in the files is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ReloadState {
    /// Why the files are not in force; empty when they are.
    pub(super) problems: Vec<String>,
}

/// What a file looked like: anything that changes it changes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The stamps of the watched files; `None` for one that is not there.
type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

fn stamps(paths: Vec<PathBuf>) -> Stamps {
    let stamp = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some(Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    };
    paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect()
}

/// The settings that a running process cannot change: what they were at the start, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fixed(BTreeMap<&'static str, String>);

impl Fixed {
    fn of(config: &Config) -> Self {
        let waits = config.hold_waits;
        Self(BTreeMap::from([
            ("data_dir", config.data_dir.display().to_string()),
            ("public_url", format!("{:?}", config.public_url)),
            ("console_url", format!("{:?}", config.console_url)),
            ("drain_seconds", config.drain_seconds.to_string()),
            ("[listen]", format!("{:?}", config.listen)),
            ("[audit]", format!("{:?} {:?}", config.audit_mode, config.audit_values)),
            ("[approvals]", format!("{waits:?}")),
            ("[notifications]", config.channels.iter().map(Channel::stamp).collect()),
            ("[console]", fixed_sign_on(config)),
        ]))
    }

    fn changed(&self, other: &Self) -> Vec<String> {
        let differs = self.0.iter().filter(|(key, value)| other.0.get(*key) != Some(*value));
        differs.map(|(key, _)| format!("a change of `{key}` needs a restart")).collect()
    }
}

/// Sign-on as text; of its secret, whether it is the same.
fn fixed_sign_on(config: &Config) -> String {
    let secret = config.sign_on.as_ref().and_then(|sign_on| sign_on.client_secret.as_ref());
    let secret = secret.map(|secret| store::TokenHash::of(secret.expose()).0);
    format!("{:?} {secret:?}", config.sign_on)
}

/// Watches the files of a running process.
#[derive(Debug)]
pub(super) struct Reloader {
    path: PathBuf,
    environment: Environment,
    store: Store,
    gateway: Gateway,
    fixed: Fixed,
    watched: Vec<PathBuf>,
    seen: Stamps,
    state: watch::Sender<ReloadState>,
}

impl Reloader {
    /// A watch over the files of `config`, which is in force.
    pub(super) fn new(
        config: &Config,
        environment: Environment,
        (store, gateway): (Store, Gateway),
    ) -> Self {
        Self {
            path: config.path.clone(),
            environment,
            store,
            gateway,
            fixed: Fixed::of(config),
            watched: config.watched.clone(),
            // Read now: a change between the load and this look is found by the first comparison
            // with the sizes and times of a later look only if the file changes again, so the
            // first look always reloads.
            seen: Stamps::new(),
            state: watch::Sender::new(ReloadState::default()),
        }
    }

    /// Whether the files are in force.
    pub(super) fn state(&self) -> watch::Receiver<ReloadState> {
        self.state.subscribe()
    }

    /// Looks at the files until `stop`.
    pub(super) async fn run(mut self, mut hangups: Option<Signal>, stop: CancellationToken) {
        let mut looks = tokio::time::interval(Duration::from_millis(LOOK_MILLIS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut since_refused: u32 = 0;
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => false,
                () = next_hangup(&mut hangups) => true,
            };
            let watched = self.watched.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || stamps(watched)).await else {
                continue;
            };
            let refused = !self.state.borrow().problems.is_empty();
            since_refused = if refused { since_refused + 1 } else { 0 };
            if asked || now != self.seen || since_refused >= RETRY_LOOKS {
                since_refused = 0;
                self.seen = now;
                self.reload().await;
            }
        }
    }

    async fn reload(&mut self) {
        let problems = match self.read().await {
            Err(problems) => problems,
            Ok((objects, watched)) => match self.put_in_force(objects).await {
                Ok(()) => {
                    self.watch_also(watched).await;
                    Vec::new()
                }
                Err(problem) => vec![problem],
            },
        };
        let before = self.state.send_replace(ReloadState { problems: problems.clone() });
        if problems.is_empty() {
            if !before.problems.is_empty() {
                tracing::info!("the configuration is good again and in force");
            }
        } else if before.problems != problems {
            for problem in &problems {
                tracing::error!(problem, "the changed configuration is refused");
            }
        }
    }

    /// Reads the files, off the call path.
    async fn read(&self) -> Result<(FileObjects, Vec<PathBuf>), Vec<String>> {
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let fixed = self.fixed.clone();
        let pinned =
            objects::pinned_tools(&self.store).await.map_err(|error| vec![chain(&error)])?;
        let read = tokio::task::spawn_blocking(move || {
            let source = config::Source { path, environment: &environment };
            let config = config::load(&source).map_err(|error| error.lines())?;
            let changed = fixed.changed(&Fixed::of(&config));
            if !changed.is_empty() {
                return Err(changed);
            }
            let pinned = objects::counted(pinned, &config.servers);
            config::policies::run_tests(&config.policies, &pinned)
                .map_err(|files| config::ConfigError::Policies(files).lines())?;
            Ok((objects::of(&config), config.watched))
        });
        read.await.unwrap_or_else(|error| Err(vec![error.to_string()]))
    }

    async fn put_in_force(&self, objects: FileObjects) -> Result<(), String> {
        let before = *self.store.revision().borrow();
        let revision = self
            .store
            .apply_file_objects(objects, clock::now())
            .await
            .map_err(|error| chain(&error))?;
        if revision != before {
            self.gateway.reload().await.map_err(|error| chain(&error))?;
            tracing::info!(revision = revision.0, "the changed configuration is in force");
        }
        Ok(())
    }

    /// Watches the files of the configuration that is in force now. What was seen of a file that
    /// was watched before stays, so that a change during the reload is found.
    async fn watch_also(&mut self, watched: Vec<PathBuf>) {
        self.watched.clone_from(&watched);
        let Ok(now) = tokio::task::spawn_blocking(move || stamps(watched)).await else { return };
        let seen = std::mem::take(&mut self.seen);
        self.seen = now
            .into_iter()
            .map(|(path, stamp)| {
                let stamp = seen.get(&path).copied().unwrap_or(stamp);
                (path, stamp)
            })
            .collect();
    }
}

/// The next SIGHUP; never, where nobody handed them over.
async fn next_hangup(hangups: &mut Option<Signal>) {
    let came = match hangups {
        Some(signal) => signal.recv().await.is_some(),
        None => false,
    };
    if !came {
        std::future::pending::<()>().await;
    }
}

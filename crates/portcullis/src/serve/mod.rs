//! `serve`: one process from configuration to drain. Puts the parts together and holds them; what
//! each part does stands in its own crate.

mod descriptors;
mod facts;
mod first_link;
mod objects;
mod pages;
mod reload;
mod sign_on;
pub(crate) mod signals;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use console::Site;
use gateway::{Classifier, Clock, Gateway, GatewayConfig, Randomness};
use store::{Entropy, Store, StoreConfig};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::first_link::FirstLink;
pub(crate) use self::pages::check_server;
use crate::clock;
use crate::config::{self, Config, Environment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::notify::Notifier;
use crate::traces::Traces;

/// What `serve` is started with.
#[derive(Debug)]
pub(crate) struct ServeOptions {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// The variables that it may name.
    pub(crate) environment: Environment,
    /// Whether a link to make the first account is printed where there is none.
    pub(crate) first_link: FirstLink,
    /// Told once both listeners are bound and the first snapshot is in force.
    pub(crate) ready: Option<oneshot::Sender<Ready>>,
    /// Ends serving like a SIGTERM does.
    pub(crate) stop: CancellationToken,
}

/// Where a process that is ready listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// The gateway.
    pub(crate) gateway: SocketAddr,
    /// The console.
    pub(crate) console: SocketAddr,
}

impl Ready {
    /// The addresses as `config` has them, for a process that listens itself to neither.
    pub(crate) fn configured(config: &Config) -> Self {
        Self { gateway: config.listen.gateway, console: config.listen.console }
    }
}

/// Serves until a signal or `options.stop`, then drains.
pub(crate) async fn run(options: ServeOptions) -> Result<Exit, Failure> {
    let mut signals = signals::Signals::install()?;
    descriptors::raise();
    let config = config::load(&config::Source {
        path: options.config.clone(),
        environment: &options.environment,
    })?;
    let doors = Doors::bind(&config).await?;
    let store = open_store(&config)?;
    let pinned = objects::counted(objects::pinned_tools(&store).await?, &config.servers);
    config::policies::run_tests(&config.policies, &pinned)
        .map_err(|files| Failure::in_files(Exit::Policy, files))?;
    store.apply_file_objects(objects::of(&config), clock::now()).await.map_err(|error| {
        Failure::because(Exit::Failed, "the configuration cannot be put in force", &error)
    })?;
    let traces = Traces::start(&options.environment)?;
    let observed =
        GatewayConfig { observer: traces.observer(), ..gateway_config(&config, doors.ready) };
    let gateway = Gateway::new(observed, store.clone());
    let revision = gateway.reload().await?;
    tracing::info!(
        gateway = %doors.ready.gateway,
        console = %doors.ready.console,
        revision = revision.0,
        servers = config.servers.len(),
        grants = config.grants.len(),
        "portcullis is ready"
    );
    let parts = Parts {
        store,
        gateway,
        config: &config,
        environment: options.environment,
        first_link: options.first_link,
    };
    let ended = parts.serve(doors, options.ready, options.stop, &mut signals).await;
    if matches!(ended, Ok(Exit::Good)) {
        traces.finish().await;
    }
    ended
}

/// Both listeners, bound.
struct Doors {
    gateway: TcpListener,
    console: TcpListener,
    ready: Ready,
}

impl Doors {
    async fn bind(config: &Config) -> Result<Self, Failure> {
        let gateway = bind("listen.gateway", config.listen.gateway).await?;
        let console = bind("listen.console", config.listen.console).await?;
        let address = |listener: &TcpListener| {
            listener
                .local_addr()
                .map_err(|error| Failure::because(Exit::Failed, "a listener", &error))
        };
        let ready = Ready { gateway: address(&gateway)?, console: address(&console)? };
        Ok(Self { gateway, console, ready })
    }
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::because(Exit::Failed, &format!("{key}: cannot listen on {address}"), &error)
    })
}

fn open_store(config: &Config) -> Result<Store, Failure> {
    let opened = Store::open(
        &StoreConfig {
            data_dir: config.data_dir.clone(),
            audit_mode: config.audit_mode,
            role: store::Role::Serve,
        },
        clock::now(),
    );
    opened.map_err(|error| Failure::because(Exit::Failed, "cannot open the store", &error))
}

/// What the gateway takes of `config`; nobody observes its calls.
pub(crate) fn gateway_config(config: &Config, ready: Ready) -> GatewayConfig {
    let gateway_url = || format!("http://{}", ready.gateway);
    GatewayConfig {
        public_url: config.public_url.clone().unwrap_or_else(gateway_url),
        console_url: console_url(config, ready),
        host_names: config.listen.hosts.clone(),
        origins: config.listen.origins.clone(),
        hold_waits: gateway::HoldWaits {
            plain_seconds: config.hold_waits.plain_seconds,
            with_progress_seconds: config.hold_waits.with_progress_seconds,
        },
        audit_values: match config.audit_values {
            config::AuditValues::None => gateway::AuditValues::None,
            config::AuditValues::Redacted => gateway::AuditValues::Redacted,
            config::AuditValues::Full => gateway::AuditValues::Full,
        },
        classifier: Classifier::unknown(),
        clock: Clock::new(clock::now),
        randomness: Randomness::new(fill_with_random_bytes),
        drain_seconds: config.drain_seconds,
        observer: None,
    }
}

/// What links to the console begin with.
pub(crate) fn console_url(config: &Config, ready: Ready) -> String {
    config.console_url.clone().unwrap_or_else(|| format!("http://{}", ready.console))
}

/// Random bytes for identifiers that must not be guessed. Without them there is no safe way on:
/// the task that asked ends, and its request with it.
#[expect(
    clippy::panic,
    reason = "an identifier without randomness would open somebody else's session"
)]
fn fill_with_random_bytes(out: &mut [u8]) {
    let entropy = Entropy::system();
    for chunk in out.chunks_mut(32) {
        match entropy.bytes::<32>() {
            Ok(bytes) => {
                chunk.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Everything that lives as long as the process serves.
struct Parts<'c> {
    store: Store,
    gateway: Gateway,
    config: &'c Config,
    environment: Environment,
    first_link: FirstLink,
}

impl Parts<'_> {
    /// What tells people outside of held calls.
    fn notifier(&self, ready: Ready) -> Notifier {
        let settings = gateway_config(self.config, ready);
        Notifier {
            store: self.store.clone(),
            console_url: settings.console_url.trim_end_matches('/').into(),
            values: settings.audit_values,
        }
    }

    async fn serve(
        self,
        doors: Doors,
        ready: Option<oneshot::Sender<Ready>>,
        stop: CancellationToken,
        signals: &mut signals::Signals,
    ) -> Result<Exit, Failure> {
        let notifier = self.notifier(doors.ready);
        let reloader = reload::Reloader::new(
            self.config,
            self.environment,
            (self.store.clone(), self.gateway.clone()),
        );
        let (store, gateway) = (self.store.clone(), self.gateway.clone());
        let checks = pages::checks(store, gateway, reloader.state());
        let url = console_url(self.config, doors.ready);
        let site = Site {
            sign_on: sign_on::of(self.config, &url)?,
            ..facts::site(self.config, doors.ready)
        };
        let console = pages::console(&self.store, &self.gateway, (site, checks));
        first_link::offer(&console, &url, self.first_link).await;
        let pages = pages::router(console, &self.gateway);
        let pages = console::door::guarded(pages, doors.ready.console, console_names(self.config));
        let hangups = signals.take_hangups();
        let mut beside = JoinSet::new();
        beside.spawn(reloader.run(hangups, stop.clone()));
        for channel in &self.config.channels {
            beside.spawn(notifier.clone().run(channel.clone(), stop.clone()));
        }
        beside.spawn(pages::serve(doors.console, pages, stop.clone()));
        let mut data_plane = JoinSet::new();
        let serving = self.gateway.clone();
        let closing = stop.clone();
        data_plane.spawn(async move { serving.serve(doors.gateway, closing).await });
        if let Some(ready) = ready {
            // Whoever waited for this may be gone; serving goes on.
            let _waits = ready.send(doors.ready).is_ok();
        }
        let ended = tokio::select! {
            () = signals.terminated() => None,
            () = stop.cancelled() => None,
            ended = data_plane.join_next() => ended,
        };
        if let Some(Ok(Err(error))) = ended {
            return Err(Failure::because(Exit::Failed, "the gateway stopped", &error));
        }
        tracing::info!(seconds = self.config.drain_seconds, "finishing running calls");
        stop.cancel();
        tokio::select! {
            _ = data_plane.join_next() => {}
            () = signals.terminated() => {
                tracing::warn!("a second signal: running calls are cut off");
                return Ok(Exit::Failed);
            }
        }
        beside.abort_all();
        self.store.close().await;
        tracing::info!("portcullis has stopped");
        Ok(Exit::Good)
    }
}

/// The console's names beside the loopback ones: those of the file, and that of its own URL.
fn console_names(config: &Config) -> Vec<String> {
    let url = config.console_url.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
    let named = url.and_then(|url| url.host().map(str::to_ascii_lowercase));
    config.listen.hosts.iter().cloned().chain(named).collect()
}

/// The clock as the console takes it.
fn console_clock() -> Arc<dyn Fn() -> policy::UnixMillis + Send + Sync> {
    Arc::new(clock::now)
}

//! A host in this process: the order in which the rooms start, and the order in which they end.
//! `run`, `dev`, `demo` and `bench` are hosts of this one kind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use host_core::limits::Limits;
use host_core::manifest::{Grant, Manifest};
use host_engine::clock::{Clock, SystemClock};
use host_engine::commit::Commit;
use host_engine::failpoint::{FailPoint, FailPoints};
use host_engine::{Engine, Parts, Served};
use host_monitor::door::Readiness;
use host_monitor::{Handle, Inputs, Monitor};
use host_remote::Remote;
use host_runtime::{Hook, Plugins, PluginsOptions, StepRunner};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compiler;
use crate::config::{Config, HostCount, StoreKind};
use crate::descriptors;
use crate::door::HostDoor;
use crate::needed;
use crate::steps::{Steps, served};
use crate::use_cases::UseCases;
use crate::wiring::{self, Wired};

/// How long requests that are under way may take to end once nothing runs any more.
const REQUESTS_DRAIN: Duration = Duration::from_secs(3);

/// The threads of a host. Steps have their own: one that computes for a second must not hold up an answer.
pub struct Threads {
    pub service: Runtime,
    pub workers: Runtime,
}

impl Threads {
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let mut workers = tokio::runtime::Builder::new_multi_thread();
        if config.limits.workers > 0 {
            workers.worker_threads(config.limits.workers);
        }
        let mut service = tokio::runtime::Builder::new_multi_thread();
        Ok(Self {
            service: service.enable_all().thread_name("saga-service").build().context("starting threads")?,
            workers: workers.enable_all().thread_name("saga-worker").build().context("starting threads")?,
        })
    }

    /// Let go of threads that are busy with a call that does not end.
    pub fn end(self) {
        self.workers.shutdown_background();
        self.service.shutdown_timeout(REQUESTS_DRAIN);
    }
}

/// A running host.
pub struct Host {
    engine: Arc<Engine>,
    monitor: Handle,
    door: Arc<HostDoor>,
    remote: Remote,
    commit: Arc<dyn Commit>,
    close: Box<dyn FnOnce() + Send>,
    stop: CancellationToken,
    tasks: TaskTracker,
    drain: Duration,
    /// Cancelled when the commit has ended and a host that starts again goes on.
    outdated: CancellationToken,
}

impl Host {
    /// Start everything. Ready for work on return.
    pub async fn start(config: &Config, workers: &tokio::runtime::Handle) -> anyhow::Result<Host> {
        Self::start_with(config, workers, |plugins| Arc::new(plugins.clone())).await
    }

    /// The same, with another runner of steps in front of the plugins.
    pub async fn start_with(
        config: &Config,
        workers: &tokio::runtime::Handle,
        runner: impl FnOnce(&Plugins) -> Arc<dyn StepRunner>,
    ) -> anyhow::Result<Host> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::begin());
        let fail_points = Arc::new(fail_points()?);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let Wired { commit, store, broker, delays, close } = {
            let (config, clock, fail_points, stop) = (config.clone(), clock.clone(), fail_points.clone(), stop.clone());
            tokio::task::spawn_blocking(move || wiring::wire(&config, clock, fail_points, stop)).await??
        };
        let shared = wiring::shared_state(config).await?;
        tasks.spawn(delays);
        // After the database, whose lock says that the data folder is ours.
        let use_cases = open_use_cases(config)?;
        // Before the engine writes its first record, so that the monitor misses none.
        let journal = commit.follow();
        let door = Arc::new(HostDoor::new(use_cases.clone()));
        let inputs = Inputs { door: door.clone(), store: store.clone(), broker: broker.clone(), journal };
        let monitor = Monitor::start(monitor_options(config), inputs).await?;
        let plugins = open_plugins(config, &fail_points).await?;
        let remote = open_remote(config, &tasks, stop.clone()).await?;
        door.show_steps(plugins.clone(), remote.clone());

        tasks.spawn(use_cases.clone().watch(stop.clone()));
        tasks.spawn({
            let (plugins, stop) = (plugins.clone(), stop.clone());
            async move {
                if let Err(error) = plugins.watch(stop).await {
                    tracing::error!(%error, "the plugins folder is not watched any more");
                }
            }
        });
        let served = follow_served(&plugins, &remote, &tasks, stop.clone());
        let definitions = use_cases.revisions();
        let parts = Parts {
            commit: commit.clone(),
            store,
            shared,
            broker,
            runner: Arc::new(Steps { here: runner(&plugins), elsewhere: remote.clone() }),
            use_cases,
            clock,
            fail_points,
            served,
            definitions,
            workers: workers.clone(),
        };
        let engine = Arc::new(Engine::start_up(parts, engine_options(config)).await?);
        door.open(engine.clone());
        let outdated = CancellationToken::new();
        watch_commit(&commit, &door, &tasks, stop.clone(), outdated.clone());
        Ok(Host { engine, monitor, door, remote, commit, close, stop, tasks, drain: config.shutdown.drain, outdated })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.monitor.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub fn monitor(&self) -> &Handle {
        &self.monitor
    }

    /// Wait until this host can do no more and one that starts in its place can. Cancel-safe.
    pub async fn outdated(&self) {
        self.outdated.cancelled().await;
    }

    /// End in order: no new work, what runs may finish, then the API, then the disk.
    pub async fn shut_down(self) {
        self.door.close(Readiness::Stopping);
        self.remote.close();
        self.engine.shut_down(self.drain).await;
        self.monitor.shutdown(REQUESTS_DRAIN).await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let close = self.close;
        if tokio::task::spawn_blocking(close).await.is_err() {
            tracing::error!("the last batch could not be written");
        }
        drop(self.commit);
    }
}

/// For tests that kill the host at a named place.
fn fail_points() -> anyhow::Result<FailPoints> {
    match std::env::var("SAGA_FAIL_POINT") {
        Ok(text) => Ok(FailPoints::parse(&text)?),
        Err(_) => Ok(FailPoints::default()),
    }
}

fn open_use_cases(config: &Config) -> anyhow::Result<Arc<UseCases>> {
    let archive_dir = match config.store.kind {
        StoreKind::Embedded | StoreKind::Postgres => Some(config.data_dir.join("use-cases")),
        StoreKind::Memory => None,
    };
    UseCases::open(config.use_cases_dir.clone(), archive_dir)
}

async fn open_plugins(config: &Config, fail_points: &Arc<FailPoints>) -> anyhow::Result<Plugins> {
    let mut options = PluginsOptions::new(config.plugins_dir.clone(), config.data_dir.join("artefacts"));
    options.calls_at_once_max = u32::try_from(config.limits.in_flight).unwrap_or(u32::MAX);
    options.compiler = compiler::compiler(&config.limits);
    if config.broker.hosts == HostCount::Several && config.store.kind != StoreKind::Postgres {
        // Known at the start, it is a mistake of the installation; a plugin that comes later is rejected by itself.
        let manifests = needed::manifests(&config.plugins_dir);
        if let Some(Manifest { address, .. }) = manifests.iter().find(|manifest| manifest.grants(Grant::KeyValue)) {
            anyhow::bail!("step {address} is granted {} by its manifest, and {NOT_SHARED}", Grant::KeyValue.as_str());
        }
        options.withheld.push((Grant::KeyValue, NOT_SHARED));
    }
    if fail_points.is_armed(FailPoint::DuringReload) {
        let fail_points = fail_points.clone();
        options.before_replacing = Some(Hook::new(move || fail_points.hit(FailPoint::DuringReload)));
    }
    Ok(Plugins::open(options).await?)
}

/// After the plugins, whose folder it is.
async fn open_remote(config: &Config, tasks: &TaskTracker, stop: CancellationToken) -> anyhow::Result<Remote> {
    let dir = config.plugins_dir.clone();
    let opened = tokio::task::spawn_blocking(move || Remote::open(dir)).await?;
    let (remote, service) =
        opened.with_context(|| format!("reading the plugins folder {}", config.plugins_dir.display()))?;
    tasks.spawn(service.run(stop));
    Ok(remote)
}

/// Why a step has no key-values where hosts share the work.
const NOT_SHARED: &str = "broker.hosts is \"several\": what an embedded store keeps under its keys no other host would see; \
    share a database (store.kind = \"postgres\"), let one host do the work (broker.hosts = \"one\"), or the step do without";

fn message_limits(config: &Config) -> Limits {
    Limits {
        body_bytes_max: config.limits.body.as_usize(),
        meta_bytes_max: config.limits.meta.as_usize(),
        step_count_max: config.limits.steps,
    }
}

fn monitor_options(config: &Config) -> host_monitor::Options {
    let limits = host_monitor::Limits {
        body_bytes_max: config.limits.body.as_usize(),
        meta_bytes_max: config.limits.meta.as_usize(),
        connection_count_max: descriptors::room_for(config.limits.connections),
        ..host_monitor::Limits::default()
    };
    let token = config.token.as_ref().map(|token| token.reveal().to_owned());
    host_monitor::Options { listen: config.listen, token, limits }
}

fn engine_options(config: &Config) -> host_engine::Options {
    host_engine::Options {
        limits: message_limits(config),
        host_name: config.host_name.clone(),
        in_flight_max: config.limits.in_flight,
        backlog_max: config.limits.backlog,
        signal_memory: config.retention.signals,
        finished_kept: config.retention.finished,
    }
}

/// The engine's view of the steps, kept up to date.
fn follow_served(
    plugins: &Plugins,
    remote: &Remote,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> watch::Receiver<Arc<Served>> {
    let (mut snapshots, mut remotes) = (plugins.subscribe(), remote.subscribe());
    let first = served(&snapshots.borrow_and_update(), &remotes.borrow_and_update());
    let (sender, receiver) = watch::channel(Arc::new(first));
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = snapshots.changed() => if changed.is_err() { return },
                changed = remotes.changed() => if changed.is_err() { return },
            }
            let next = served(&snapshots.borrow_and_update(), &remotes.borrow_and_update());
            sender.send_if_modified(|served| {
                let is_new = **served != next;
                if is_new {
                    *served = Arc::new(next);
                }
                is_new
            });
        }
    });
    receiver
}

/// Tell callers when the disk or the broker failed: the host then answers questions and takes no more work.
fn watch_commit(
    commit: &Arc<dyn Commit>,
    door: &Arc<HostDoor>,
    tasks: &TaskTracker,
    stop: CancellationToken,
    outdated: CancellationToken,
) {
    let (commit, door) = (commit.clone(), door.clone());
    tasks.spawn(async move {
        // No unit has this number: the wait ends when the committer does.
        let end_of_time = host_core::id::Lsn(u64::MAX);
        tokio::select! {
            () = stop.cancelled() => {}
            ended = commit.durable(end_of_time) => if let Err(stopped) = ended {
                tracing::error!(error = %stopped, "the host takes no more work");
                door.close(Readiness::Failed(stopped.to_string()));
                if stopped.restart_helps {
                    outdated.cancel();
                }
            },
        }
    });
}

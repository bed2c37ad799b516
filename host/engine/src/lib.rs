//! The engine: takes messages from the broker, runs steps, and commits what came of it; waits, signals, acts, starts
//! and housekeeping beside it. Knows core and the three traits; it must not know a driver, a database, wasmtime or
//! HTTP. The door is `Engine`.
#![forbid(unsafe_code)]

mod ack_guard;
pub mod clock;
mod commands;
pub mod commit;
mod context;
pub mod failpoint;
mod intake;
mod lanes;
pub mod limits;
mod marks;
pub mod metrics;
mod parking;
mod pipeline;
mod service;
mod settle;
mod shared;
mod start;
mod strangers;
mod sweeper;
mod topics;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host_broker::Broker;
use host_core::id::{GlobalId, Lsn, TopicName, WaitKey};
use host_core::limits::Limits;
use host_core::record::Verb;
use host_core::saga::Saga;
use host_core::unit::{Headers, Mark, Message, Payload, Publish, Unit};
use host_runtime::{KeyValues, StepRunner};
use host_store::Store;
use host_store::shared::SharedState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::commit::{Commit, Stopped};
use crate::context::{Context, StoreKeyValues};
use crate::failpoint::FailPoints;
use crate::lanes::Lanes;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::parking::Parking;
use crate::shared::SharedKeyValues;
use crate::start::Starts;

pub use context::UseCases;
pub use lanes::Served;
pub use start::{Start, StartError, Started};
pub use topics::needed as needed_topics;

/// What an engine is made of.
pub struct Parts {
    pub commit: Arc<dyn Commit>,
    pub store: Arc<dyn Store>,
    /// Key-values of steps that hosts share. They are the store's where there is none.
    pub shared: Option<Arc<dyn SharedState>>,
    pub broker: Arc<dyn Broker>,
    pub runner: Arc<dyn StepRunner>,
    pub use_cases: Arc<dyn UseCases>,
    pub clock: Arc<dyn Clock>,
    pub fail_points: Arc<FailPoints>,
    /// The steps that are served, as they come and go.
    pub served: watch::Receiver<Arc<Served>>,
    /// Changes whenever a definition changes.
    pub definitions: watch::Receiver<u64>,
    /// Where deliveries run; their threads may be busy for as long as a plugin computes.
    pub workers: tokio::runtime::Handle,
}

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct Options {
    pub limits: Limits,
    /// Named in dead letters.
    pub host_name: String,
    /// Calls that may be under way at once on this host.
    pub in_flight_max: usize,
    /// Messages waiting on work queues above which starts are refused.
    pub backlog_max: u64,
    pub signal_memory: Duration,
    /// How long a finished saga is kept.
    pub finished_kept: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            host_name: "localhost".to_owned(),
            in_flight_max: 256,
            backlog_max: 1_000_000,
            signal_memory: host_core::limits::SIGNAL_MEMORY_DEFAULT,
            finished_kept: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// The running engine. Cheap to share.
pub struct Engine {
    context: Arc<Context>,
    starts: Arc<Starts>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Why an act, a signal or a publish was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no saga {0}")]
    UnknownSaga(GlobalId),
    #[error("saga {global_id} is {status}; {verb} is possible only for {possible}")]
    WrongStatus { global_id: GlobalId, status: &'static str, verb: &'static str, possible: &'static str },
    #[error(transparent)]
    Store(#[from] host_store::Error),
    #[error(transparent)]
    Broker(#[from] host_broker::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Engine {
    /// Start every service. The topics that are needed by now exist then, or none was started. Messages begin to flow
    /// before this returns.
    pub async fn start_up(parts: Parts, options: Options) -> Result<Engine, Error> {
        // Where hosts share the work: what they did while this one was away.
        parts.broker.catch_up().await?;
        let marks = Marks::load(parts.store.marks().await?);
        ensure_topics(&parts).await?;
        let fail_points = parts.fail_points.clone();
        let key_values: Arc<dyn KeyValues> = match &parts.shared {
            Some(state) => Arc::new(SharedKeyValues { state: state.clone(), fail_points }),
            None => Arc::new(StoreKeyValues { store: parts.store.clone(), fail_points }),
        };
        let shared = parts.shared.map(|state| {
            let (shared, services) = shared::open(state, parts.commit.clone(), parts.fail_points.clone());
            // Calls that are drained at the end still need them: they end with the last of those.
            parts.workers.spawn(services.run());
            shared
        });
        let context = Arc::new(Context {
            key_values,
            shared,
            commit: parts.commit,
            store: parts.store,
            broker: parts.broker,
            runner: parts.runner,
            use_cases: parts.use_cases,
            clock: parts.clock,
            fail_points: parts.fail_points,
            limits: options.limits,
            host_name: options.host_name,
            marks,
            strangers: strangers::Strangers::default(),
            parking: Parking::new(options.signal_memory),
            metrics: Arc::new(Metrics::default()),
        });
        let starts = Arc::new(Starts::new(context.clone(), options.backlog_max));
        let engine = Engine {
            context: context.clone(),
            starts: starts.clone(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let stop = &engine.stop;
        let workers = &parts.workers;
        let lanes = Lanes::new(context.clone(), parts.served, options.in_flight_max, engine.tasks.clone());
        engine.tasks.spawn_on(lanes.run(stop.clone()), workers);
        engine.service(workers, "signals", &context, parking::run_signals);
        engine.service(workers, "time-outs", &context, parking::run_time_outs);
        engine.service(workers, "commands", &context, commands::run);
        if context.has_other_hosts() {
            engine.service(workers, "marks", &context, commands::run_marks);
        }
        engine.service(workers, "sweeper", &context, sweeper::run);
        let finished_kept = options.finished_kept;
        engine.service(workers, "retention", &context, move |context, stop| {
            sweeper::run_retention(context, finished_kept, stop)
        });
        let triggers = run_triggers(context, starts, parts.definitions, stop.clone(), engine.tasks.clone());
        engine.tasks.spawn_on(triggers, workers);
        Ok(engine)
    }

    fn service<F>(
        &self,
        workers: &tokio::runtime::Handle,
        name: &'static str,
        context: &Arc<Context>,
        run: impl Fn(Arc<Context>, CancellationToken) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), parking::Error>> + Send + 'static,
    {
        let (context, stop) = (context.clone(), self.stop.clone());
        let begin = {
            let stop = stop.clone();
            move || run(context.clone(), stop.clone())
        };
        self.tasks.spawn_on(service::keep(name, stop, begin), workers);
    }

    /// Start a saga. Not durable on return: see `durable`.
    pub async fn start(&self, start: Start) -> Result<Started, StartError> {
        self.starts.start(start).await
    }

    /// Wait until everything up to `lsn` survives a crash.
    pub async fn durable(&self, lsn: Lsn) -> Result<(), Stopped> {
        self.context.commit.durable(lsn).await
    }

    /// Release what waits for `key`. Durable on return.
    pub async fn signal(&self, key: WaitKey) -> Result<(), Error> {
        self.context.metrics.signals.add(1);
        let now = self.context.now();
        self.publish_durably(topics::signal(key, now)).await
    }

    /// Publish as a foreign producer would. Durable on return.
    pub async fn publish(&self, topic: TopicName, key: Arc<str>, payload: Bytes) -> Result<(), Error> {
        let headers = Headers { foreign: true, ..Headers::default() };
        let message = Message { topic, key, headers, payload: Payload::Encoded(payload) };
        self.publish_durably(Publish { message, due: None }).await
    }

    async fn publish_durably(&self, publish: Publish) -> Result<(), Error> {
        let mut unit = Unit::default();
        unit.publishes.push(publish);
        match parking::submit(&self.context, unit).await? {
            Some(lsn) => Ok(self.context.commit.durable(lsn).await?),
            None => unreachable!("a unit without a delivery has none to lose"),
        }
    }

    /// Check whether an act is possible now, without doing it.
    pub async fn check_act(&self, global_id: &GlobalId, verb: Verb) -> Result<(), Error> {
        self.context.broker.catch_up().await?;
        let journal = self.context.store.journal(global_id).await?;
        let saga = Saga::fold(&journal).ok_or_else(|| Error::UnknownSaga(global_id.clone()))?;
        commands::possible(verb, &saga).map_err(|possible| Error::WrongStatus {
            global_id: global_id.clone(),
            status: saga.status.as_str(),
            verb: verb.as_str(),
            possible,
        })
    }

    /// Act on a saga: recorded and durable on return, applied right after.
    pub async fn act(&self, global_id: GlobalId, verb: Verb, who: String, reason: Option<String>) -> Result<(), Error> {
        self.check_act(&global_id, verb).await?;
        let mark = Mark { global_id, verb, who, reason, at: self.context.now() };
        self.publish_durably(topics::command(&mark)).await
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.context.metrics
    }

    /// Take nothing new, let what runs come to its end for at most `drain`, then end every service. What did not come
    /// to its end stays with the broker. The committer is the caller's to close, afterwards.
    pub async fn shut_down(&self, drain: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!(in_flight = self.tasks.len(), "calls were still running when the time to drain was over");
        }
    }
}

/// What is served and defined at the start is known, so what it needs is made or told at once. What comes later is made
/// when it is first needed.
async fn ensure_topics(parts: &Parts) -> Result<(), host_broker::Error> {
    let served = parts.served.borrow().clone();
    let use_cases = parts.use_cases.all();
    let manifests = served.steps.values().map(|manifest| &**manifest);
    let topics = topics::needed(manifests, use_cases.iter().map(|use_case| &**use_case));
    parts.broker.ensure(topics.into_iter().collect()).await
}

/// Keep one consumer for each use case with a trigger topic.
async fn run_triggers(
    context: Arc<Context>,
    starts: Arc<Starts>,
    mut definitions: watch::Receiver<u64>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let mut running: Option<CancellationToken> = None;
    let mut served = BTreeSet::new();
    loop {
        definitions.borrow_and_update();
        let triggered: Vec<_> =
            context.use_cases.all().into_iter().filter(|use_case| use_case.trigger_topic.is_some()).collect();
        let now: BTreeSet<_> = triggered.iter().map(|use_case| (use_case.reference().name, use_case.version)).collect();
        if now != served {
            if let Some(running) = running.take() {
                running.cancel();
            }
            let token = stop.child_token();
            for use_case in triggered {
                let (starts, stop) = (starts.clone(), token.clone());
                let name = format!("trigger of {}", use_case.name);
                let begin = {
                    let stop = stop.clone();
                    move || starts.clone().run_trigger(use_case.clone(), stop.clone())
                };
                tasks.spawn(service::keep(name, stop, begin));
            }
            running = Some(token);
            served = now;
        }
        tokio::select! {
            changed = definitions.changed() => if changed.is_err() { break },
            () = stop.cancelled() => break,
        }
    }
}

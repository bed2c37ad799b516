//! One engine in this process: memory tables, the real broker, store and committer, scripted steps, virtual time.

mod scripted;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use host_broker::drivers::embedded::{EmbeddedBroker, EmbeddedOptions};
use host_core::id::{GlobalId, StepAddress, UseCaseName, WaitKey};
use host_core::json::Json;
use host_core::record::{Record, Verb};
use host_core::saga::{Saga, Status};
use host_core::time::Timestamp;
use host_core::use_case::{Policy, UseCase};
use host_engine::clock::{Clock, Steady, TokioClock};
use host_engine::commit::Joint;
use host_engine::failpoint::FailPoints;
use host_engine::{Engine, Options, Parts, Start, Started, UseCases};
use host_store::Store;
use host_store::backends::memory::MemoryTables;
use host_store::embedded::EmbeddedStore;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use scripted::*;

/// Definitions that a test wrote down.
#[derive(Default)]
pub(crate) struct Definitions(Mutex<HashMap<UseCaseName, Arc<UseCase>>>);

impl UseCases for Definitions {
    fn current(&self, name: &UseCaseName) -> Option<Arc<UseCase>> {
        self.0.lock().get(name).cloned()
    }

    fn version(&self, reference: &host_core::envelope::UseCaseRef) -> Option<Arc<UseCase>> {
        self.current(&reference.name)
    }

    fn all(&self) -> Vec<Arc<UseCase>> {
        self.0.lock().values().cloned().collect()
    }
}

/// The host's clock over a wall clock that jumps when it is told to. The time that passes is tokio's.
pub(crate) struct JumpingClock {
    wall: TokioClock,
    epoch: Timestamp,
    /// Milliseconds by which the wall clock is ahead.
    ahead: AtomicI64,
    steady: Steady,
}

impl JumpingClock {
    fn starting_at(epoch: Timestamp) -> Self {
        let steady = Steady::starting_at(epoch);
        Self { wall: TokioClock::starting_at(epoch), epoch, ahead: AtomicI64::new(0), steady }
    }

    /// Set the wall clock to be ahead of the true time by so many seconds; behind it, if negative.
    pub(crate) fn jump_to(&self, seconds: i64) {
        self.ahead.store(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        let passed = self.wall.now().since(self.epoch);
        let wall = self.wall.now().as_ms().saturating_add_signed(self.ahead.load(Ordering::Relaxed));
        self.steady.at(Timestamp::from_ms(wall), passed)
    }
}

/// The system under test.
pub(crate) struct World {
    pub(crate) tables: Arc<MemoryTables>,
    pub(crate) steps: Arc<Steps>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) host: Option<Host>,
    pub(crate) options: Options,
    pub(crate) clock: Arc<JumpingClock>,
    /// Units that are committed at once at most.
    pub(crate) batch_units_max: usize,
}

pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) broker: Arc<EmbeddedBroker>,
    pub(crate) joint: Arc<Joint<EmbeddedStore, EmbeddedBroker>>,
    delays: CancellationToken,
    _definitions: watch::Sender<u64>,
}

pub(crate) const STEPS: [&str; 3] = ["d.s.one", "d.s.two", "d.s.three"];

impl World {
    /// A running host that serves three steps, with the use case `trip` over them.
    pub(crate) async fn new() -> World {
        let mut world = World::stopped();
        world.steps.serve(&STEPS);
        world.define("trip", &STEPS, |_| {});
        world.start_host().await;
        world
    }

    pub(crate) fn stopped() -> World {
        World {
            tables: Arc::new(MemoryTables::new()),
            steps: Steps::new(),
            definitions: Arc::default(),
            host: None,
            options: Options::default(),
            clock: Arc::new(JumpingClock::starting_at(Timestamp::from_ms(1_795_000_000_000))),
            batch_units_max: host_engine::limits::OPEN_UNITS_DEFAULT,
        }
    }

    pub(crate) fn define(&self, name: &str, steps: &[&str], change: impl FnOnce(&mut UseCase)) {
        let name = UseCaseName::try_new(name).unwrap();
        let steps: Vec<StepAddress> = steps.iter().map(|step| address(step)).collect();
        let mut use_case = UseCase {
            name: name.clone(),
            version: 1,
            owner: "tests".to_owned(),
            description: String::new(),
            steps: steps.into(),
            policy: Policy::default(),
            deadline: None,
            trigger_topic: None,
            body_schema: None,
        };
        change(&mut use_case);
        self.definitions.0.lock().insert(name, Arc::new(use_case));
    }

    pub(crate) async fn start_host(&mut self) {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let store = Arc::new(EmbeddedStore::open(self.tables.clone()).unwrap());
        let broker = EmbeddedBroker::open(self.tables.clone(), EmbeddedOptions::default()).unwrap();
        let broker = Arc::new(broker);
        let joint = Joint::start(
            store.clone(),
            broker.clone(),
            self.tables.clone(),
            clock.clone(),
            Arc::new(FailPoints::default()),
            store.last_lsn(),
            self.batch_units_max,
        )
        .unwrap();
        let (definitions, watched) = watch::channel(0);
        let parts = Parts {
            commit: joint.clone(),
            shared: None,
            store: store.clone(),
            broker: broker.clone(),
            runner: self.steps.clone(),
            use_cases: self.definitions.clone(),
            clock,
            fail_points: Arc::new(FailPoints::default()),
            served: self.steps.served.subscribe(),
            definitions: watched,
            workers: tokio::runtime::Handle::current(),
        };
        let delays = CancellationToken::new();
        tokio::spawn(joint.clone().run_delays(delays.clone()));
        let engine = Engine::start_up(parts, self.options.clone()).await.unwrap();
        self.host = Some(Host { engine, store, broker, joint, delays, _definitions: definitions });
    }

    pub(crate) fn host(&self) -> &Host {
        self.host.as_ref().unwrap()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.host().engine
    }

    /// End the host in order, and begin again on the same tables.
    pub(crate) async fn restart(&mut self) {
        let host = self.host.take().unwrap();
        host.engine.shut_down(Duration::from_secs(5)).await;
        host.delays.cancel();
        let joint = host.joint.clone();
        tokio::task::spawn_blocking(move || joint.close()).await.unwrap();
        self.start_host().await;
    }

    pub(crate) async fn start(&self, use_case: &str, global_id: &str, body: &str) -> Started {
        let start = Start {
            use_case: UseCaseName::try_new(use_case).unwrap(),
            body: Json::try_from_text(body).unwrap(),
            global_id: Some(GlobalId::try_new(global_id).unwrap()),
            minted: false,
            traceparent: None,
            tracestate: None,
        };
        self.engine().start(start).await.unwrap()
    }

    pub(crate) async fn publish(&self, topic: &str, payload: &str) {
        let topic = host_core::id::TopicName::try_new(topic).unwrap();
        self.engine().publish(topic, Arc::from("foreign"), payload.to_owned().into()).await.unwrap();
    }

    pub(crate) async fn signal(&self, key: &str) {
        self.engine().signal(WaitKey::try_new(key).unwrap()).await.unwrap();
    }

    pub(crate) async fn act(&self, global_id: &str, verb: Verb) {
        let global_id = GlobalId::try_new(global_id).unwrap();
        self.engine().act(global_id, verb, "tester".to_owned(), Some("a test".to_owned())).await.unwrap();
    }

    pub(crate) async fn journal(&self, global_id: &str) -> Vec<Record> {
        self.host().store.journal(&GlobalId::try_new(global_id).unwrap()).await.unwrap()
    }

    pub(crate) async fn saga(&self, global_id: &str) -> Option<Saga> {
        Saga::fold(&self.journal(global_id).await)
    }

    /// Wait, in virtual time, until the saga stands as told.
    pub(crate) async fn until(&self, global_id: &str, status: Status) -> Saga {
        self.until_saga(global_id, |saga| saga.status == status).await
    }

    pub(crate) async fn until_saga(&self, global_id: &str, holds: impl Fn(&Saga) -> bool) -> Saga {
        let mut pause = Duration::from_millis(20);
        for _ in 0..2_000 {
            if let Some(saga) = self.saga(global_id).await
                && holds(&saga)
            {
                return saga;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 11 / 10).min(Duration::from_secs(60));
        }
        panic!("saga {global_id} never came there: {:#?}", self.saga(global_id).await);
    }

    /// The words of a saga's journal.
    pub(crate) async fn events(&self, global_id: &str) -> Vec<&'static str> {
        self.journal(global_id).await.iter().map(|record| record.event.as_str()).collect()
    }

    pub(crate) async fn value(&self, bucket: &str, key: &str) -> Option<String> {
        let bucket = host_core::id::BucketName::try_new(bucket).unwrap();
        let value = self.host().store.value(&bucket, key).await.unwrap();
        value.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }
}

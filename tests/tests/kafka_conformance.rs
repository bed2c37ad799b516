//! The suite of the brokers over the Kafka driver and a real Apache Kafka. Goal: the driver does what every driver
//! must, through crashes of the host. Method: each case has topics of its own, by a prefix; a crash is an end without a
//! commit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use host_broker::conformance::{SHORT_LOG, SHORT_LOG_AGE_MAX, SHORT_LOG_BYTES_MAX, Subject};
use host_broker::drivers::kafka::{KafkaBroker, KafkaOptions, Open};
use host_broker::{Broker, JointBroker, broker_conformance};
use host_core::id::{Lsn, TopicName};
use host_core::table::Batch;
use host_core::time::Timestamp;
use host_core::unit::Unit;
use saga_tests::kafka::Cluster;
use tokio::task::spawn_blocking;

/// More than a partition takes to be given to the one who asks, on a machine that builds beside.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Delayed messages are moved in rounds of this size.
const DUE_LIMIT: usize = 256;

struct KafkaSubject {
    options: KafkaOptions,
    broker: Option<KafkaBroker>,
    /// What was committed and not synced.
    open: Mutex<Open>,
    now: Timestamp,
}

async fn open(options: KafkaOptions) -> KafkaBroker {
    let opened = spawn_blocking(move || KafkaBroker::open(options)).await.expect("opening does not panic");
    opened.expect("the cluster can be reached")
}

impl KafkaSubject {
    async fn new() -> Self {
        let cluster = spawn_blocking(Cluster::shared).await.expect("a cluster starts");
        let mut options = KafkaOptions::new(cluster.bootstrap(), "conformance");
        options.prefix = format!("case-{:x}.", fastrand::u64(..));
        // The suite speaks of the order of a topic; with more partitions there is one of each partition only.
        options.partitions = 1;
        let short = TopicName::try_new(SHORT_LOG).expect("the suite names it correctly");
        options.kept.push((short, SHORT_LOG_AGE_MAX, SHORT_LOG_BYTES_MAX));
        let broker = open(options.clone()).await;
        let now = Timestamp::from_ms(1_800_000_000_000);
        Self { options, broker: Some(broker), open: Mutex::default(), now }
    }

    fn kafka(&self) -> &KafkaBroker {
        self.broker.as_ref().expect("the subject runs except within a crash")
    }

    fn staged<T>(&self, stage: impl FnOnce(&mut Open) -> T) -> T {
        stage(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn move_due(&self) {
        let is_due = || self.kafka().next_due().expect("it is known in memory").is_some_and(|due| due <= self.now);
        while is_due() {
            self.staged(|open| self.kafka().take_due(open, Lsn(0), self.now, DUE_LIMIT));
        }
    }
}

#[async_trait]
impl Subject for KafkaSubject {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.kafka().clone())
    }

    async fn commit(&self, mut unit: Unit) {
        self.staged(|open| self.kafka().stage(open, Lsn(0), self.now, &mut unit));
    }

    async fn sync(&self) {
        let open = self.staged(std::mem::take);
        let broker = self.kafka().clone();
        let sealed = spawn_blocking(move || broker.seal(open, Lsn(0), &[], &mut Batch::default())).await;
        sealed.expect("a seal does not panic").expect("the transaction is made");
    }

    async fn crash(&mut self) {
        let broker = self.broker.take().expect("the subject runs except within a crash");
        self.staged(|open| *open = Open::default());
        spawn_blocking(move || broker.stopped()).await.expect("an end does not panic");
        self.broker = Some(open(self.options.clone()).await);
        self.move_due();
    }

    async fn advance(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.move_due();
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn message_row_count(&self) -> Option<usize> {
        None
    }
}

broker_conformance!(KafkaSubject::new().await);

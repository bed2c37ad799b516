//! Messages in and out: topics, consumers with positions, order per key, delivery at a due time, retention.
//! It must not know what a saga is beyond its message, nor stores, plugins or HTTP. The door is the trait `Broker`;
//! `JointBroker` is its half of the embedded commit.
#![deny(unsafe_code)]

pub mod conformance;
pub mod drivers;
mod error;

use std::time::Duration;

use async_trait::async_trait;
use host_core::id::{Lsn, TopicKind, TopicName};
use host_core::record::Record;
use host_core::table::{Batch, Durability};
use host_core::time::Timestamp;
use host_core::unit::{Ack, Message, Offset, Unit};
use tokio::sync::Notify;

pub use error::Error;

/// What a driver can do by itself; the engine's commit strategy makes up for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Output, acknowledgement and store writes are one atomic unit: a delivery never repeats a committed one.
    pub atomic_commit: bool,
    /// A message can be given a due time.
    pub delays: bool,
    /// Messages of one key are delivered one at a time, in order.
    pub order_per_key: bool,
    /// Other hosts may work with the same topics: what this one knows of sagas may be behind what they did.
    pub has_other_hosts: bool,
}

/// How long a topic keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// A work queue: a message goes when it is acknowledged. Every step's `.in` and `.compensate`, and `saga.*`
    /// commands.
    UntilAcknowledged,
    /// A log: kept for readers until it is too old or the topic too large. Every other topic (`.error`, emitted
    /// events).
    Kept { age_max: Duration, bytes_max: u64 },
}

impl Retention {
    /// Whether a topic of this name is a work queue. Every driver keeps to it.
    pub fn is_work_queue(topic: &TopicName) -> bool {
        match topic.step() {
            Some((_, TopicKind::In | TopicKind::Compensate)) => true,
            Some((_, TopicKind::Error)) => false,
            None => WORK_QUEUES.contains(&topic.as_str()),
        }
    }
}

/// Work queues that are no step's: what operators and signals ask for.
const WORK_QUEUES: [&str; 2] = ["saga.signals", "saga.commands"];

/// Who consumes what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Consumers of one group share a topic's messages; each group has its own position. A work queue has one group.
    pub group: String,
    pub topic: TopicName,
    /// Deliveries that may be out at once. The consumer gives no more until one is acknowledged or released.
    pub in_flight_max: usize,
}

/// Topics, consumers, and what operators look at. Publishing and acknowledging go through a commit.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    fn capabilities(&self) -> Capabilities;

    /// See to it that these topics exist, all at once: missing ones are made, or the error tells each of them and what
    /// it must be. Where topics come into being by themselves nothing is done. Idempotent; after an error some may
    /// have been made.
    async fn ensure(&self, _topics: Vec<TopicName>) -> Result<(), Error> {
        Ok(())
    }

    /// Consume a topic, which is made if it does not exist. A second consumer of the same group and topic takes over
    /// from the first where the driver has one consumer a group (embedded).
    async fn subscribe(&self, subscription: Subscription) -> Result<Box<dyn Consumer>, Error>;

    /// Give a delivery back unhandled: it comes again, first among its key's. For a shutdown or a vanished plugin.
    fn release(&self, ack: Ack);

    /// Every topic that holds or held something.
    async fn topics(&self) -> Result<Vec<TopicState>, Error>;

    /// Those of them that are work queues. Asked every second, so it must not look at logs where that costs anything.
    async fn queues(&self) -> Result<Vec<TopicState>, Error> {
        let mut topics = self.topics().await?;
        topics.retain(|state| Retention::is_work_queue(&state.topic));
        Ok(topics)
    }

    /// Look at messages of a topic from `from` on without consuming them.
    async fn browse(&self, topic: &TopicName, from: Offset, limit: usize) -> Result<Vec<Browsed>, Error>;

    /// Take one message at rest out of a work queue or the delayed messages bound for it, as a delivery. None if it is
    /// gone or out with a consumer.
    async fn claim(&self, topic: &TopicName, key: &str) -> Result<Option<Delivery>, Error>;

    /// The same of a message that is at hand here; it joins nobody and asks nobody. Where hosts share the work each
    /// looks at what it has.
    async fn claim_here(&self, topic: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        self.claim(topic, key).await
    }

    /// Whether messages of this topic and key are this host's to handle now.
    fn is_here(&self, _topic: &TopicName, _key: &str) -> bool {
        true
    }

    /// Whether a host other than this one consumes a topic now.
    async fn is_consumed_elsewhere(&self, _topic: &TopicName) -> Result<bool, Error> {
        Ok(false)
    }

    /// Whether a message of this key that is not done with lies on a work queue, at whatever host it may be. True also
    /// where that cannot be told. It may read the whole backlog: for rare questions.
    async fn is_waiting(&self, _topic: &TopicName, _key: &str) -> Result<bool, Error> {
        Ok(true)
    }

    /// Wait until what every host had committed when this was called is in the tables here. Cancel-safe.
    async fn catch_up(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The tables hold everything that any host had committed then. None where no other host writes.
    fn as_of(&self) -> Option<Timestamp> {
        None
    }

    /// Forget what retention allows; a bounded piece of work. Answers how many messages went.
    async fn retain(&self, now: Timestamp) -> Result<usize, Error>;
}

/// The messages of one subscription. Dropping it ends the consumption; deliveries that are out may still be
/// acknowledged or released.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery. Cancel-safe: a delivery is either returned or not taken. None when the broker closes.
    async fn next(&mut self) -> Option<Delivery>;

    /// A delivery that is at hand, without waiting: to empty a batch after `next`. None says nothing about later.
    fn try_next(&mut self) -> Option<Delivery> {
        None
    }
}

/// A message in our hands until its `ack` is committed or released.
#[derive(Debug)]
pub struct Delivery {
    pub message: Message,
    pub ack: Ack,
    /// The broker may have delivered this message before.
    pub redelivered: bool,
}

/// How long a batch is held open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gather {
    /// As long as something is staged within such a span.
    pub gap: Duration,
    pub at_most: Duration,
}

/// What hosts have committed, on its way into the tables of one of them.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order in which they were committed, saga by saga.
    pub records: Vec<Record>,
    /// Rows of the store's tables, and how far these are with them.
    pub rows: Batch,
}

/// A message that was looked at.
#[derive(Debug, Clone)]
pub struct Browsed {
    pub offset: Offset,
    pub published_at: Timestamp,
    pub message: Message,
}

/// What a topic holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    pub topic: TopicName,
    /// Messages ready or out with a consumer (work queue), or kept (log).
    pub message_count: u64,
    pub delayed_count: u64,
    pub consumers: Vec<ConsumerState>,
    /// When the oldest message that is still here was published.
    pub oldest_at: Option<Timestamp>,
}

/// How far a group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerState {
    pub group: String,
    pub in_flight_count: u64,
    /// Messages that this group has not yet acknowledged.
    pub lag: u64,
}

/// The broker's half of a commit that shares one database with the store; called like `host_store::JointStore`.
pub trait JointBroker: Broker {
    /// What was staged and not yet sealed.
    type Open: Default + Send;

    /// Whether a delivery is still this host's. One that is not went to another host, which handles it again: its unit
    /// is refused before anything of it is staged.
    fn holds(&self, _ack: &Ack) -> bool {
        true
    }

    /// Take `ack` and `publishes` of a unit. `lsn` grows from unit to unit, across restarts as well. Published messages
    /// may be delivered at once, before they are written: whoever acts on one is committed later in the same order, so
    /// a crash loses both or neither.
    fn stage(&self, open: &mut Self::Open, lsn: Lsn, now: Timestamp, unit: &mut Unit);

    /// Turn what was staged into writes, added to those of the store. A message that was published and acknowledged
    /// since the last seal leaves none. A driver whose broker is elsewhere carries everything out there, with the
    /// journal's records of this batch, before it returns: what the tables then hold is a copy. After an error nothing
    /// more may be staged.
    fn seal(&self, open: Self::Open, lsn: Lsn, journal: &[Record], batch: &mut Batch) -> Result<(), Error>;

    /// Why nothing can be committed any more, though no commit has failed. Cheap: it is asked again and again.
    fn failure(&self) -> Option<Error> {
        None
    }

    /// Whether tables are written by following what all hosts commit, with `next_page`, rather than batch by batch.
    fn is_followed(&self) -> bool {
        false
    }

    /// The next page for the tables. Blocks; none when the broker is stopped.
    fn next_page(&self) -> Option<Page> {
        None
    }

    /// The last page is in the tables.
    fn page_written(&self) {}

    /// The last of this host's batches up to which all are in the tables that are written by following.
    fn reached(&self) -> Option<Lsn> {
        None
    }

    /// How long a batch is held open for what follows at once on what it holds. None where a commit costs no more than
    /// that.
    fn gather(&self) -> Option<Gather> {
        None
    }

    /// What a write of a batch waits for.
    fn durability(&self) -> Durability {
        Durability::Synced
    }

    /// Everything up to `lsn` is in the tables (and synced).
    fn written(&self, lsn: Lsn);

    /// When the next delayed message is due. Cheap; now and then it reads a page of the tables.
    fn next_due(&self) -> Result<Option<Timestamp>, Error>;

    /// Told when something is due before what `next_due` answered last, or when that may be. For one waiter.
    fn due_changed(&self) -> &Notify;

    /// Move messages that are due into their topics, at most `limit`; called like `stage`, with an lsn of its own.
    /// Answers how many it moved; then ask `next_due` again, which may find more that are due already.
    fn take_due(&self, open: &mut Self::Open, lsn: Lsn, now: Timestamp, limit: usize) -> usize;

    /// Nothing is committed any more: every consumer ends.
    fn stopped(&self);
}

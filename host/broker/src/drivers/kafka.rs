//! The Kafka driver: a consumer group per step, and one transaction for each batch of units.
//!
//! A unit is staged in memory: what it publishes to a partition that this host owns is at hand at once, before it is
//! written, so that a run of steps on one host costs one transaction. The transaction holds every message, every
//! journal record and the positions of every group concerned; a crash before its commit leaves nothing of it.

mod asking;
mod catch_up;
mod clients;
mod cluster;
mod consumer;
mod copies;
mod delays;
mod done_text;
mod examine;
mod follow;
mod give;
mod group;
mod headers;
mod held;
mod ledger;
mod look;
mod open;
mod options;
mod partitioner;
mod positions;
mod producers;
mod reach;
mod reading;
mod record;
mod refusal;
mod security;
mod shared;
mod token;
mod token_file;
mod topic;
mod transaction;
mod voice;
mod wake;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use host_core::id::{Lsn, TopicName};
use host_core::record::Record;
use host_core::table::{Batch, Durability, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Ack, Offset, Unit};
use tokio::sync::Notify;

use self::consumer::KafkaConsumer;
use self::copies::Copies;
use self::look::Exactness;
use self::shared::Shared;
use super::off_thread::off_thread;
use crate::{
    Broker, Browsed, Capabilities, Consumer, Delivery, Error, Gather, JointBroker, Page, Retention, Subscription,
    TopicState,
};

pub use self::examine::{Examined, Finding, Grade};
pub use self::open::Open;
pub use self::options::{Hosts, KafkaOptions};
pub use self::security::Contradiction;
pub use self::token_file::TokenFile;

/// The Kafka driver. A cheap handle; clones are the same driver.
#[derive(Clone)]
pub struct KafkaBroker {
    shared: Arc<Shared>,
}

impl KafkaBroker {
    /// Reach the cluster, and join those who move delayed messages. Blocks.
    pub fn open(options: KafkaOptions) -> Result<Self, Error> {
        Self::open_expecting(options, &[])
    }

    /// The same by one who knows which topics will be asked for next: if the driver's own are missing and it may not
    /// make them, these are told with them, so that whoever makes topics is asked once.
    pub fn open_expecting(options: KafkaOptions, expected: &[TopicName]) -> Result<Self, Error> {
        Ok(Self { shared: Shared::open(options, expected)? })
    }

    /// Hold a cluster against what the promises need. `needed` are topics beside the driver's own. Joins nobody and
    /// changes nothing. Blocks.
    pub fn examine(options: &KafkaOptions, needed: &[TopicName]) -> Result<Examined, Error> {
        examine::examine(options, needed)
    }

    /// Be the one host that works with these topics: its tables hold what no other host can see. Blocks until a host
    /// that died is known to be dead, or says that one lives.
    pub fn take_cluster(&self) -> Result<(), Error> {
        self.shared.take_cluster()
    }

    /// Be one of several hosts: bring what all of them commit into these tables, from where they end. Blocks until it
    /// is known that no host works alone with these topics.
    pub fn begin_following(&self, tables: &dyn Tables) -> Result<(), Error> {
        self.shared.begin_following(tables)
    }

    /// Whether these tables are a copy of what a cluster holds.
    pub fn was_here(tables: &dyn Tables) -> Result<bool, Error> {
        copies::were_here(tables)
    }

    /// Bring rows of the store's tables up to what the cluster holds. Before the store is opened. Answers how many rows
    /// changed. Blocks.
    pub fn recover_rows(&self, tables: &dyn Tables) -> Result<usize, Error> {
        copies::recover_rows(&self.shared, tables)
    }

    /// The journal's records that the tables do not hold yet, a page at a time until it is empty. They are in the
    /// batch's tables when it is written. Blocks.
    pub fn recover_records(&self, tables: &dyn Tables, batch: &mut Batch) -> Result<Vec<Record>, Error> {
        copies::recover_records(&self.shared, tables, batch)
    }

    fn has_other_hosts(&self) -> bool {
        self.shared.options.hosts == Hosts::Several
    }

    async fn off_the_async_threads<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Shared>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.shared.clone();
        off_thread(move || work(&shared)).await
    }
}

#[async_trait]
impl Broker for KafkaBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_commit: true, delays: true, order_per_key: true, has_other_hosts: self.has_other_hosts() }
    }

    async fn ensure(&self, topics: Vec<TopicName>) -> Result<(), Error> {
        self.off_the_async_threads(move |shared| shared.cluster.ensure(&topics, &[])).await
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<Box<dyn Consumer>, Error> {
        let (topic, right) = self.off_the_async_threads(move |shared| shared.subscribe(&subscription)).await?;
        Ok(Box::new(KafkaConsumer { shared: self.shared.clone(), topic, right }))
    }

    fn release(&self, ack: Ack) {
        self.shared.release(&ack);
    }

    async fn topics(&self) -> Result<Vec<TopicState>, Error> {
        self.off_the_async_threads(|shared| shared.list(Exactness::ForPeople, |_| true)).await
    }

    async fn queues(&self) -> Result<Vec<TopicState>, Error> {
        self.off_the_async_threads(|shared| shared.list(Exactness::Rough, Retention::is_work_queue)).await
    }

    async fn browse(&self, topic: &TopicName, from: Offset, limit: usize) -> Result<Vec<Browsed>, Error> {
        let topic = topic.clone();
        self.off_the_async_threads(move |shared| shared.browse(&topic, from, limit)).await
    }

    async fn claim(&self, topic: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        let (topic, key) = (topic.clone(), key.to_owned());
        let shared = self.shared.clone();
        let claim = move |_: &Arc<Shared>| {
            let delivery = shared.claim(&topic, &key)?;
            Ok(Unclaimed { shared, delivery })
        };
        Ok(self.off_the_async_threads(claim).await?.take())
    }

    async fn claim_here(&self, topic: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        if !self.has_other_hosts() {
            return self.claim(topic, key).await;
        }
        let (topic, key) = (topic.clone(), key.to_owned());
        let shared = self.shared.clone();
        let claim = move |_: &Arc<Shared>| {
            let delivery = shared.claim_here(&topic, &key)?;
            Ok(Unclaimed { shared, delivery })
        };
        Ok(self.off_the_async_threads(claim).await?.take())
    }

    fn is_here(&self, topic: &TopicName, key: &str) -> bool {
        self.shared.is_here(topic, key)
    }

    async fn is_consumed_elsewhere(&self, topic: &TopicName) -> Result<bool, Error> {
        let topic = topic.clone();
        self.off_the_async_threads(move |shared| shared.is_consumed_elsewhere(&topic)).await
    }

    async fn is_waiting(&self, topic: &TopicName, key: &str) -> Result<bool, Error> {
        let (topic, key) = (topic.clone(), key.to_owned());
        self.off_the_async_threads(move |shared| shared.is_waiting(&topic, &key)).await
    }

    async fn catch_up(&self) -> Result<(), Error> {
        if self.has_other_hosts() { self.shared.catch_up.now().await } else { Ok(()) }
    }

    fn as_of(&self) -> Option<Timestamp> {
        self.shared.catch_up.as_of()
    }

    async fn retain(&self, now: Timestamp) -> Result<usize, Error> {
        self.off_the_async_threads(move |shared| shared.forget(now)).await
    }
}

impl JointBroker for KafkaBroker {
    type Open = Open;

    fn holds(&self, ack: &Ack) -> bool {
        self.shared.holds(ack)
    }

    fn stage(&self, open: &mut Open, _lsn: Lsn, now: Timestamp, unit: &mut Unit) {
        self.shared.stage(open, now, unit);
    }

    fn failure(&self) -> Option<Error> {
        self.shared.failure()
    }

    fn gather(&self) -> Option<Gather> {
        // A transaction takes several milliseconds, a step some tens of microseconds.
        Some(Gather { gap: Duration::from_micros(200), at_most: Duration::from_millis(2) })
    }

    fn seal(&self, open: Open, lsn: Lsn, journal: &[Record], batch: &mut Batch) -> Result<(), Error> {
        let copies = Copies::of(&self.shared, journal, batch)?;
        let offsets = self.shared.seal(open, copies.extras())?;
        let ends = copies.ends(&offsets);
        match self.shared.follow.get() {
            Some(follow) => follow.expect(lsn, ends),
            None => copies::told(&ends, batch),
        }
        Ok(())
    }

    fn is_followed(&self) -> bool {
        self.has_other_hosts()
    }

    fn next_page(&self) -> Option<Page> {
        self.shared.follow.get()?.next(&self.shared)
    }

    fn page_written(&self) {
        if let Some(follow) = self.shared.follow.get() {
            follow.page_written();
        }
    }

    fn reached(&self) -> Option<Lsn> {
        self.shared.follow.get()?.reached()
    }

    /// The cluster holds everything: what the tables lose in a crash is read again.
    fn durability(&self) -> Durability {
        Durability::Visible
    }

    fn written(&self, _lsn: Lsn) {}

    fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.shared.delays.next_due())
    }

    fn due_changed(&self) -> &Notify {
        &self.shared.delays.changed
    }

    fn take_due(&self, open: &mut Open, _lsn: Lsn, now: Timestamp, limit: usize) -> usize {
        self.shared.take_due(open, now, limit)
    }

    fn stopped(&self) {
        self.shared.stop();
    }
}

/// A claim on its way to the one who asked for it: if nobody waits any more it is put back.
struct Unclaimed {
    shared: Arc<Shared>,
    delivery: Option<Delivery>,
}

impl Unclaimed {
    fn take(mut self) -> Option<Delivery> {
        self.delivery.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            self.shared.release(&delivery.ack);
        }
    }
}

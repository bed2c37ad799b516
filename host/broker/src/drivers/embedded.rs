//! The broker inside this process, over the database that it shares with the store. Owns topics, messages, positions
//! and delays; must not know what implements the tables, nor when a batch is written: the joint committer tells it.
//! Invariant: a delivery is out with one taker, and no other of its topic, group and key is out meanwhile.

mod consumer;
mod delayed;
mod look;
mod open;
mod options;
mod ranges;
mod registry;
mod retention;
mod row;
mod scans;
mod shared;
mod stored;
#[cfg(test)]
mod tests;
mod topic;

use std::sync::Arc;

use async_trait::async_trait;
use host_core::id::{Lsn, TopicName};
use host_core::record::Record;
use host_core::table::{Batch, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Ack, Offset, Unit};
use tokio::sync::Notify;

use self::consumer::EmbeddedConsumer;
use self::shared::Shared;
use super::off_thread::off_thread;
use crate::{Broker, Browsed, Capabilities, Consumer, Delivery, Error, JointBroker, Subscription, TopicState};

pub use self::open::Open;
pub use self::options::EmbeddedOptions;

/// The embedded broker. A cheap handle; clones are the same broker.
#[derive(Clone)]
pub struct EmbeddedBroker {
    shared: Arc<Shared>,
}

impl EmbeddedBroker {
    /// The broker as its tables tell it. Reads topics and positions, not messages: it takes no longer when many wait.
    pub fn open(tables: Arc<dyn Tables>, options: EmbeddedOptions) -> Result<Self, Error> {
        Ok(Self { shared: Arc::new(Shared::open(tables, options)?) })
    }
}

#[async_trait]
impl Broker for EmbeddedBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_commit: true, delays: true, order_per_key: true, has_other_hosts: false }
    }

    async fn subscribe(&self, subscription: Subscription) -> Result<Box<dyn Consumer>, Error> {
        let shared = &self.shared;
        if shared.is_stopped() {
            return Err(Error::ShuttingDown);
        }
        let topic = shared.registry.find_or_make(&subscription.topic, &shared.options);
        let seat = topic.state.lock().subscribe(topic.kind, &subscription.group, subscription.in_flight_max);
        Ok(Box::new(EmbeddedConsumer::new(shared.clone(), topic, seat)))
    }

    fn release(&self, ack: Ack) {
        self.shared.release(&ack);
    }

    async fn topics(&self) -> Result<Vec<TopicState>, Error> {
        self.off_the_async_threads(|shared| shared.topics()).await
    }

    async fn browse(&self, topic: &TopicName, from: Offset, limit: usize) -> Result<Vec<Browsed>, Error> {
        let topic = topic.clone();
        self.off_the_async_threads(move |shared| shared.browse(&topic, from, limit)).await
    }

    async fn claim(&self, topic: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        let (topic, key) = (topic.clone(), key.to_owned());
        let shared = self.shared.clone();
        // Whoever stops waiting must not take the message along: an unclaimed claim is put back.
        let claim = move |_: &Shared| {
            let delivery = shared.claim(&topic, &key)?;
            Ok(Unclaimed { shared, delivery })
        };
        Ok(self.off_the_async_threads(claim).await?.take())
    }

    async fn retain(&self, now: Timestamp) -> Result<usize, Error> {
        self.off_the_async_threads(move |shared| shared.retain(now)).await
    }
}

impl JointBroker for EmbeddedBroker {
    type Open = Open;

    fn stage(&self, open: &mut Open, lsn: Lsn, now: Timestamp, unit: &mut Unit) {
        self.shared.stage(open, lsn, now, unit);
    }

    fn seal(&self, open: Open, lsn: Lsn, _journal: &[Record], batch: &mut Batch) -> Result<(), Error> {
        self.shared.seal(open, lsn, batch);
        Ok(())
    }

    fn written(&self, lsn: Lsn) {
        self.shared.set_written(lsn);
    }

    fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.shared.next_due()
    }

    fn due_changed(&self) -> &Notify {
        &self.shared.delayed.changed
    }

    fn take_due(&self, open: &mut Open, lsn: Lsn, now: Timestamp, limit: usize) -> usize {
        self.shared.take_due(open, lsn, now, limit)
    }

    fn stopped(&self) {
        self.shared.stop();
    }
}

impl EmbeddedBroker {
    /// Work that may read or write much. It is not undone when the caller goes away.
    async fn off_the_async_threads<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.shared.clone();
        off_thread(move || work(&shared)).await
    }
}

/// A claim on its way to the one who asked for it.
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

/// Which group of a topic a delivery was for, as its ack carries it.
fn group_number(index: usize) -> u32 {
    u32::try_from(index).expect("a topic has as many groups as there were names in configurations")
}

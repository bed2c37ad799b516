//! The broker over a damaged row. Promised: opening, looking, consuming and retention either answer or refuse in words,
//! and end.

use std::sync::{Arc, OnceLock};

use host_broker::drivers::embedded::{EmbeddedBroker, EmbeddedOptions};
use host_broker::{Broker, Error, JointBroker, Subscription};
use host_core::id::{Lsn, TopicName};
use host_core::table::{Batch, Durability, Table, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Headers, Message, Offset, Payload, Publish, Unit};
use host_store::backends::memory::MemoryTables;

use super::now;

const TABLES: [Table; 4] = [Table::Topics, Table::Messages, Table::Delayed, Table::Positions];
/// A work queue, a log of dead letters, and one of anybody's.
const TOPICS: [&str; 3] = ["d.s.one.in", "d.s.one.error", "orders.placed"];
const MESSAGES_MAX: usize = 100;

fn topic(name: &str) -> TopicName {
    TopicName::try_new(name).expect("a topic")
}

fn publish(name: &str, number: u64, due: Option<Timestamp>) -> Publish {
    let payload = Payload::Encoded(format!("{{\"meta\":{{}},\"body\":{number}}}").into());
    let message =
        Message { topic: topic(name), key: format!("k{number}").into(), headers: Headers::default(), payload };
    Publish { message, due }
}

/// A database with messages in every state: ready, delayed, and consumed in part.
fn good() -> &'static MemoryTables {
    static GOOD: OnceLock<MemoryTables> = OnceLock::new();
    GOOD.get_or_init(|| {
        let tables = Arc::new(MemoryTables::new());
        let broker = EmbeddedBroker::open(tables.clone(), EmbeddedOptions::default()).expect("empty tables are ours");
        let mut consumer = now(broker.subscribe(subscription(TOPICS[2]))).expect("a consumer");
        for lsn in 1..=4 {
            let mut unit = Unit::default();
            unit.publishes.extend(TOPICS.map(|name| publish(name, lsn, None)));
            unit.publishes.push(publish(TOPICS[0], 10 + lsn, Some(Timestamp::from_ms(1000 * lsn))));
            commit(&broker, &tables, Lsn(2 * lsn), unit);
            let ack = consumer.try_next().map(|delivery| delivery.ack);
            commit(&broker, &tables, Lsn(2 * lsn + 1), Unit { ack, ..Unit::default() });
        }
        drop(consumer);
        drop(broker);
        tables.snapshot_synced()
    })
}

fn subscription(name: &str) -> Subscription {
    Subscription { group: "g".to_owned(), topic: topic(name), in_flight_max: MESSAGES_MAX }
}

fn commit(broker: &EmbeddedBroker, tables: &MemoryTables, lsn: Lsn, mut unit: Unit) {
    let mut open = <EmbeddedBroker as JointBroker>::Open::default();
    broker.stage(&mut open, lsn, Timestamp::from_ms(1), &mut unit);
    let mut batch = Batch::default();
    broker.seal(open, lsn, &[], &mut batch).expect("it seals in memory");
    tables.write(batch, Durability::Synced).expect("memory takes every write");
    broker.written(lsn);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    super::seeds(good(), &TABLES)
}

fn told<T>(answer: Result<T, Error>) -> Option<T> {
    answer.map_err(|error| assert!(error.to_string().len() > 10, "refused without words: {error}")).ok()
}

pub(crate) fn run(input: &[u8]) {
    let Some((tables, _, _)) = super::damaged(good(), &TABLES, input) else { return };
    let Some(broker) = told(EmbeddedBroker::open(tables, EmbeddedOptions::default())) else { return };
    now(use_all(&broker));
}

async fn use_all(broker: &EmbeddedBroker) {
    told(broker.topics().await);
    told(broker.next_due());
    for name in TOPICS {
        told(broker.browse(&topic(name), Offset(0), MESSAGES_MAX).await);
        told(broker.claim(&topic(name), "k2").await);
        if let Some(mut consumer) = told(broker.subscribe(subscription(name)).await) {
            let taken = (0..MESSAGES_MAX).map_while(|_| consumer.try_next()).count();
            assert!(taken < MESSAGES_MAX, "a few messages became many");
        }
    }
    let mut open = <EmbeddedBroker as JointBroker>::Open::default();
    let moved = broker.take_due(&mut open, Lsn(1000), Timestamp::MAX, MESSAGES_MAX);
    assert!(moved < MESSAGES_MAX, "a few delayed messages became many");
    let mut batch = Batch::default();
    broker.seal(open, Lsn(1000), &[], &mut batch).expect("it seals in memory");
    told(broker.retain(Timestamp::MAX).await);
}

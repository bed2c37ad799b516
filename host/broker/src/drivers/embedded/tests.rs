//! What only this driver promises: what it writes, what it keeps in memory, what it reads at a start, and how it takes
//! damage.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use bytes::Bytes;
use host_core::table::{Durability, Table};
use host_core::unit::{Headers, Message, Payload, Publish};

use super::*;
use crate::drivers::memory::MemoryTables;

/// Tables that count the rows they hand out.
#[derive(Default)]
struct CountingTables {
    inner: MemoryTables,
    read_count: AtomicUsize,
}

impl CountingTables {
    fn take_read_count(&self) -> usize {
        self.read_count.swap(0, Ordering::Relaxed)
    }
}

impl Tables for CountingTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, host_core::table::Error> {
        self.read_count.fetch_add(1, Ordering::Relaxed);
        self.inner.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, host_core::table::Error> {
        let rows = self.inner.scan(table, from, to, limit)?;
        self.read_count.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows)
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, host_core::table::Error> {
        self.inner.scan_back(table, from, to, limit)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), host_core::table::Error> {
        self.inner.write(batch, durability)
    }

    fn disk_bytes(&self) -> u64 {
        self.inner.disk_bytes()
    }
}

struct Bench {
    tables: Arc<CountingTables>,
    broker: EmbeddedBroker,
    open: Open,
    lsn: Lsn,
}

const NOW: Timestamp = Timestamp::MIN;

fn queue() -> TopicName {
    TopicName::try_new("a.b.c.in").expect("is a topic name")
}

fn log() -> TopicName {
    TopicName::try_new("events").expect("is a topic name")
}

fn publish(topic: TopicName, key: &str, due: Option<u64>) -> Unit {
    let payload = Payload::Encoded(Bytes::from_static(b"{}"));
    let message = Message { topic, key: key.into(), headers: Headers::default(), payload };
    let publishes = [Publish { message, due: due.map(Timestamp::from_ms) }].into_iter().collect();
    Unit { publishes, ..Unit::default() }
}

fn acknowledge(delivery: Delivery) -> Unit {
    Unit { ack: Some(delivery.ack), ..Unit::default() }
}

impl Bench {
    fn new() -> Self {
        Self::over(Arc::default(), Lsn(0))
    }

    fn over(tables: Arc<CountingTables>, lsn: Lsn) -> Self {
        Self::with(tables, lsn, EmbeddedOptions::default())
    }

    fn with(tables: Arc<CountingTables>, lsn: Lsn, options: EmbeddedOptions) -> Self {
        let broker = EmbeddedBroker::open(tables.clone(), options).expect("the tables open");
        Self { tables, broker, open: Open::default(), lsn }
    }

    async fn subscribe(&self, topic: TopicName) -> Box<dyn Consumer> {
        let subscription = Subscription { group: "g".to_owned(), topic, in_flight_max: 4096 };
        self.broker.subscribe(subscription).await.expect("the topic can be subscribed")
    }

    fn stage(&mut self, mut unit: Unit) {
        self.lsn.0 += 1;
        self.broker.stage(&mut self.open, self.lsn, NOW, &mut unit);
    }

    fn seal(&mut self) -> Batch {
        let mut batch = Batch::default();
        self.broker.seal(std::mem::take(&mut self.open), self.lsn, &[], &mut batch).expect("it seals in memory");
        batch
    }

    fn write(&mut self) {
        let batch = self.seal();
        self.tables.write(batch, Durability::Synced).expect("the batch is written");
        self.broker.written(self.lsn);
    }

    fn tables_of(batch: &Batch) -> Vec<Table> {
        batch.writes.iter().map(|write| write.table).collect()
    }
}

#[tokio::test]
async fn a_message_that_comes_and_goes_within_a_batch_writes_nothing() {
    let mut bench = Bench::new();
    let mut consumer = bench.subscribe(queue()).await;
    bench.stage(publish(queue(), "k", None));
    assert_eq!(Bench::tables_of(&bench.seal()), [Table::Messages, Table::Topics, Table::Topics]);
    let delivery = consumer.try_next().expect("it is there");
    bench.stage(acknowledge(delivery));
    for _ in 0..3 {
        bench.stage(publish(queue(), "k", None));
        let delivery = consumer.try_next().expect("it is there");
        bench.stage(acknowledge(delivery));
    }
    // The removal of the first, and the count.
    assert_eq!(Bench::tables_of(&bench.seal()), [Table::Messages, Table::Topics]);
    bench.stage(publish(queue(), "k", None));
    let delivery = consumer.try_next().expect("it is there");
    bench.stage(acknowledge(delivery));
    assert_eq!(Bench::tables_of(&bench.seal()), []);
    // Delayed, due, delivered and done within one batch.
    bench.stage(publish(queue(), "k", Some(5)));
    bench.lsn.0 += 1;
    assert_eq!(bench.broker.next_due().expect("the tables are well"), Some(Timestamp::from_ms(5)));
    assert_eq!(bench.broker.take_due(&mut bench.open, bench.lsn, Timestamp::from_ms(5), 10), 1);
    let delivery = consumer.try_next().expect("it is there");
    bench.stage(acknowledge(delivery));
    assert_eq!(Bench::tables_of(&bench.seal()), []);
}

#[tokio::test]
async fn nothing_stays_in_memory_of_what_nobody_consumes() {
    let mut bench = Bench::new();
    for number in 0..3000 {
        bench.stage(publish(queue(), &number.to_string(), None));
        bench.stage(publish(log(), &number.to_string(), None));
    }
    let resting = |bench: &Bench| -> usize {
        let topics = bench.broker.shared.registry.all();
        topics.iter().map(|topic| topic.state.lock().in_memory_count()).sum()
    };
    assert_eq!(resting(&bench), 6000);
    bench.write();
    assert_eq!(resting(&bench), 0);
    let mut consumer = bench.subscribe(queue()).await;
    let first = consumer.try_next().expect("it is there");
    assert!((1..=LOADED_MAX).contains(&resting(&bench)));
    drop(consumer);
    assert_eq!(resting(&bench), 1, "what is out stays");
    bench.stage(acknowledge(first));
    bench.write();
    assert_eq!(resting(&bench), 0);
    // The same for what went straight into a window.
    let other = TopicName::try_new("a.b.other.in").expect("is a topic name");
    let consumer = bench.subscribe(other.clone()).await;
    (0..10).for_each(|number| bench.stage(publish(other.clone(), &number.to_string(), None)));
    bench.write();
    assert_eq!(resting(&bench), 10);
    drop(consumer);
    assert_eq!(resting(&bench), 0);
}

/// Messages that one reading of the tables may bring into memory.
const LOADED_MAX: usize = shared::LOAD_ROWS;

#[tokio::test]
async fn a_window_stays_within_its_bounds() {
    let mut bench = Bench::new();
    let mut consumer = bench.subscribe(queue()).await;
    for number in 0..3000 {
        bench.stage(publish(queue(), &number.to_string(), None));
        if number % 100 == 0 {
            bench.write();
        }
    }
    bench.write();
    let topic = bench.broker.shared.registry.find(&queue()).expect("the topic is there");
    assert_eq!(topic.state.lock().in_memory_count(), EmbeddedOptions::default().window_count_max);
    for _ in 0..3000 {
        let delivery = consumer.try_next().expect("it is there");
        bench.stage(acknowledge(delivery));
        bench.write();
        assert!(topic.state.lock().in_memory_count() <= EmbeddedOptions::default().window_count_max);
    }
    assert!(consumer.try_next().is_none());
}

#[tokio::test]
async fn delayed_messages_stay_within_their_bounds() {
    const COUNT: u64 = 100_000;
    let bounds = EmbeddedOptions::default();
    let mut bench = Bench::new();
    for number in 0..COUNT {
        bench.stage(publish(queue(), &number.to_string(), Some((number * 7919) % COUNT + 1)));
        if number % 100 == 0 {
            bench.write();
            assert!(bench.broker.shared.delayed.in_memory_count() <= bounds.delayed_count_max);
        }
    }
    bench.write();
    let mut consumer = bench.subscribe(queue()).await;
    let mut count = 0;
    while let Some(due) = bench.broker.next_due().expect("the tables are well") {
        assert_eq!(due.as_ms(), count + 1, "they come in order");
        bench.lsn.0 += 1;
        let now = Timestamp::from_ms(due.as_ms() + 999);
        count += bench.broker.take_due(&mut bench.open, bench.lsn, now, 1000) as u64;
        while let Some(delivery) = consumer.try_next() {
            bench.stage(acknowledge(delivery));
        }
        bench.write();
        assert!(bench.broker.shared.delayed.in_memory_count() <= bounds.delayed_count_max);
    }
    assert_eq!(count, COUNT);
    assert_eq!(bench.tables.inner.row_count(Table::Delayed), 0);
}

#[tokio::test]
async fn a_start_reads_no_messages_however_many_wait() {
    let mut bench = Bench::new();
    for number in 0..100_000 {
        bench.stage(publish(queue(), &number.to_string(), None));
        bench.stage(publish(queue(), &number.to_string(), Some(1_000_000)));
    }
    bench.write();
    bench.tables.take_read_count();
    let bench = Bench::over(bench.tables, bench.lsn);
    assert!(bench.tables.take_read_count() < 10, "only what is known of the topic is read");
    let topics = bench.broker.topics().await.expect("the topics can be listed");
    assert_eq!((topics[0].message_count, topics[0].delayed_count), (100_000, 100_000));
    let mut consumer = bench.subscribe(queue()).await;
    assert_eq!(&*consumer.try_next().expect("it is there").message.key, "0");
    assert!(bench.tables.take_read_count() < 200, "the first message waits for one page");
}

#[tokio::test]
async fn a_queue_is_not_scanned_from_its_beginning() {
    let mut bench = Bench::new();
    let mut consumer = bench.subscribe(queue()).await;
    for number in 0..1000 {
        bench.stage(publish(queue(), &number.to_string(), None));
    }
    bench.write();
    for _ in 0..990 {
        let delivery = consumer.try_next().expect("it is there");
        bench.stage(acknowledge(delivery));
    }
    bench.write();
    let bench = Bench::over(bench.tables, bench.lsn);
    let topic = bench.broker.shared.registry.find(&queue()).expect("the topic is there");
    assert_eq!(topic.state.lock().groups[0].window.end, 990, "a reading begins behind what was removed");
}

#[tokio::test]
async fn a_corrupt_message_is_passed_over() {
    let mut bench = Bench::new();
    for number in 0..3 {
        bench.stage(publish(queue(), &number.to_string(), None));
        bench.stage(publish(queue(), &number.to_string(), Some(1000 + number)));
    }
    let mut batch = bench.seal();
    for table in [Table::Messages, Table::Delayed] {
        let second = batch.writes.iter_mut().filter(|write| write.table == table).nth(1).expect("there are three");
        second.value = Some(Bytes::from_static(b"\xff rubbish"));
    }
    bench.tables.write(batch, Durability::Synced).expect("the batch is written");
    let mut bench = Bench::over(bench.tables, bench.lsn);
    assert!(bench.broker.next_due().expect("the tables are well").is_some());
    bench.lsn.0 += 1;
    assert_eq!(bench.broker.take_due(&mut bench.open, bench.lsn, Timestamp::from_ms(2000), 10), 2);
    let mut consumer = bench.subscribe(queue()).await;
    let mut keys = Vec::new();
    while let Some(delivery) = consumer.try_next() {
        keys.push(delivery.message.key.to_string());
        bench.stage(acknowledge(delivery));
    }
    assert_eq!(keys, ["0", "2", "0", "2"]);
}

#[tokio::test]
async fn a_consumer_outlives_a_failure_to_read() {
    let mut bench = Bench::new();
    bench.stage(publish(queue(), "k", None));
    bench.write();
    let mut consumer = bench.subscribe(queue()).await;
    bench.tables.inner.fail();
    assert!(consumer.try_next().is_none());
    assert!(bench.broker.next_due().is_err());
    assert!(bench.broker.claim(&queue(), "k").await.is_err());
    assert!(bench.broker.browse(&queue(), Offset(0), 1).await.is_err());
    bench.tables.inner.crash();
    assert_eq!(&*consumer.try_next().expect("it is there").message.key, "k");
    assert_eq!(bench.broker.next_due().expect("the tables are well"), None);
}

#[tokio::test]
async fn consumers_end_when_nothing_is_committed_any_more() {
    let bench = Bench::new();
    let mut waiting = bench.subscribe(queue()).await;
    let mut other = bench.subscribe(log()).await;
    let broker = bench.broker.clone();
    let (over, ()) = tokio::join!(waiting.next(), async {
        tokio::task::yield_now().await;
        broker.stopped();
    });
    assert!(over.is_none());
    assert!(other.next().await.is_none());
    let subscription = Subscription { group: "g".to_owned(), topic: queue(), in_flight_max: 1 };
    assert!(matches!(bench.broker.subscribe(subscription).await, Err(Error::ShuttingDown)));
}

#[tokio::test]
async fn an_earlier_due_time_is_told() {
    let mut bench = Bench::new();
    assert_eq!(bench.broker.next_due().expect("the tables are well"), None);
    let is_told = |bench: &Bench| {
        let broker = bench.broker.clone();
        async move { tokio::time::timeout(std::time::Duration::ZERO, broker.due_changed().notified()).await.is_ok() }
    };
    assert!(!is_told(&bench).await);
    bench.stage(publish(queue(), "k", Some(50)));
    assert!(is_told(&bench).await);
    assert_eq!(bench.broker.next_due().expect("the tables are well"), Some(Timestamp::from_ms(50)));
    bench.stage(publish(queue(), "k", Some(70)));
    assert!(!is_told(&bench).await, "whoever waits for 50 need not hear of 70");
    bench.stage(publish(queue(), "k", Some(20)));
    assert!(is_told(&bench).await);
    assert_eq!(bench.broker.next_due().expect("the tables are well"), Some(Timestamp::from_ms(20)));
}

#[tokio::test]
async fn a_claim_that_nobody_waits_for_any_more_is_put_back() {
    let mut bench = Bench::new();
    bench.stage(publish(queue(), "k", None));
    let queue = queue();
    {
        let topic = bench.broker.shared.registry.find(&queue).expect("the topic is there");
        let _busy = topic.state.lock();
        let mut claim = bench.broker.claim(&queue, "k");
        let polled = claim.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "the claim waits for the topic, and is given up");
    }
    // The work goes on to its end elsewhere; then the message is at rest again.
    let mut consumer = bench.subscribe(queue.clone()).await;
    assert_eq!(&*consumer.next().await.expect("it comes").message.key, "k");
}

#[tokio::test]
async fn a_message_that_goes_while_the_tables_are_read_does_not_come_back() {
    let mut bench = Bench::new();
    for number in 0..3 {
        bench.stage(publish(queue(), &number.to_string(), None));
    }
    bench.write();
    let shared = bench.broker.shared.clone();
    let topic = shared.registry.find(&queue()).expect("the topic is there");
    let seat = topic.state.lock().subscribe(topic.kind, "g", 10);
    let turn = topic.state.lock().turn(topic.kind, &seat, &shared.options, shared.written());
    let topic::Turn::Load { from, to, scan } = turn else { panic!("{turn:?}, the messages are in the tables only") };
    let (rows, upto) = shared.read_messages(&topic, from, to, 10).expect("the tables are well");
    let claimed = shared.claim(&queue(), "1").expect("the tables are well").expect("it is at rest");
    bench.stage(acknowledge(claimed));
    bench.write();
    let found = topic::Found { scan, from, rows, upto };
    topic.state.lock().loaded(topic.kind, seat.index, found, &shared.options, shared.written());
    let mut consumer = EmbeddedConsumer::new(shared, topic, seat);
    let keys: Vec<_> = std::iter::from_fn(|| consumer.try_next()).map(|delivery| delivery.message.key).collect();
    assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["0", "2"]);
}

#[tokio::test]
async fn a_delayed_message_that_comes_while_the_tables_are_read_is_not_overlooked() {
    let mut bench = Bench::new();
    bench.stage(publish(queue(), "10", Some(10)));
    bench.stage(publish(queue(), "30", Some(30)));
    bench.write();
    let mut bench = Bench::over(bench.tables, bench.lsn);
    let shared = bench.broker.shared.clone();
    let delayed::Next::Load { from, scan } = shared.delayed.next(shared.written()) else {
        panic!("they are in the tables only")
    };
    let (rows, upto) = shared.read_delayed(from).expect("the tables are well");
    bench.stage(publish(queue(), "20", Some(20)));
    let claimed = shared.claim(&queue(), "30").expect("the tables are well").expect("it is at rest");
    bench.stage(acknowledge(claimed));
    bench.write();
    shared.delayed.loaded(delayed::Found { scan, from, rows, upto }, &shared.options, shared.written());
    bench.lsn.0 += 1;
    assert_eq!(bench.broker.take_due(&mut bench.open, bench.lsn, Timestamp::from_ms(100), 10), 2);
    let mut consumer = bench.subscribe(queue()).await;
    let keys: Vec<_> = std::iter::from_fn(|| consumer.try_next()).map(|delivery| delivery.message.key).collect();
    assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["10", "20"]);
}

#[tokio::test]
async fn a_claimed_message_is_not_found_again_when_its_neighbours_are_read_anew() {
    let options = EmbeddedOptions { delayed_count_max: 1, ..EmbeddedOptions::default() };
    let mut bench = Bench::with(Arc::default(), Lsn(0), options);
    let take_due = |bench: &mut Bench, now| {
        let mut count = 0;
        while bench.broker.next_due().expect("the tables are well").is_some_and(|due| due.as_ms() <= now) {
            bench.lsn.0 += 1;
            count += bench.broker.take_due(&mut bench.open, bench.lsn, Timestamp::from_ms(now), 10);
        }
        count
    };
    assert_eq!(take_due(&mut bench, 0), 0);
    bench.stage(publish(queue(), "30", Some(30)));
    bench.write();
    let claimed = bench.broker.claim(&queue(), "30").await.expect("the tables are well").expect("it is at rest");
    // Memory takes one: the second of these is read from the tables later, and its neighbour with it.
    bench.stage(publish(queue(), "20", Some(20)));
    bench.stage(publish(queue(), "10", Some(10)));
    bench.write();
    assert_eq!(take_due(&mut bench, 100), 2);
    bench.broker.release(claimed.ack);
    assert_eq!(take_due(&mut bench, 100), 1);
}

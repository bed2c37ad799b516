//! How long the broker's part of a step takes: `next`, a `stage` that acknowledges and publishes, and the share of
//! `seal` and `written`, for messages that come and go within a batch. Run it with `--release`; the budget is a
//! microsecond each.
#![expect(clippy::print_stdout, reason = "it is a measurement for a person")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_broker::drivers::embedded::{EmbeddedBroker, EmbeddedOptions, Open};
use host_broker::drivers::memory::MemoryTables;
use host_broker::{Broker, Consumer, Delivery, JointBroker, Subscription};
use host_core::envelope::{Envelope, Meta};
use host_core::id::{GlobalId, Lsn, StepAddress, TopicKind, TopicName};
use host_core::json::Json;
use host_core::table::{Batch, Durability, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Headers, Message, Payload, Publish, Unit};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Messages on their way at once: as many as there are busy clients.
const CLIENTS: usize = 256;
const ROUNDS: usize = 4_000;
/// Rounds per batch.
const ROUNDS_PER_SEAL: usize = 4;

struct Bench {
    tables: Arc<MemoryTables>,
    broker: EmbeddedBroker,
    consumer: Box<dyn Consumer>,
    open: Open,
    lsn: Lsn,
    topic: TopicName,
}

impl Bench {
    async fn new() -> Result<Self> {
        let tables = Arc::new(MemoryTables::default());
        let broker = EmbeddedBroker::open(tables.clone(), EmbeddedOptions::default())?;
        let topic = StepAddress::try_new("bench.hot.step")?.topic(TopicKind::In);
        let subscription = Subscription { group: "bench".to_owned(), topic: topic.clone(), in_flight_max: CLIENTS };
        let consumer = broker.subscribe(subscription).await?;
        Ok(Self { tables, broker, consumer, open: Open::default(), lsn: Lsn(0), topic })
    }

    fn stage(&mut self, mut unit: Unit) {
        self.lsn.0 += 1;
        self.broker.stage(&mut self.open, self.lsn, Timestamp::from_ms(1), &mut unit);
    }

    fn commit(&mut self) -> Result<usize> {
        let mut batch = Batch::default();
        self.broker.seal(std::mem::take(&mut self.open), self.lsn, &[], &mut batch).expect("it seals in memory");
        let count = batch.writes.len();
        self.tables.write(batch, Durability::Synced)?;
        self.broker.written(self.lsn);
        Ok(count)
    }
}

fn start(topic: &TopicName, client: usize) -> Result<Message> {
    let id = format!("01893b5c-0000-7000-8000-{client:012}");
    let steps = ["bench.hot.step", "bench.hot.next", "bench.hot.last"];
    let steps = steps.into_iter().map(StepAddress::try_new).collect::<std::result::Result<Vec<_>, _>>();
    let meta = Meta::try_start(GlobalId::try_new(&id)?, steps?.into())?;
    let body = Json::try_from_text(r#"{"order-id":"42","account":"a-17","asset":"BTC","amount":"0.125"}"#)?;
    let payload = Payload::Decoded(Arc::new(Envelope { meta, body }));
    Ok(Message { topic: topic.clone(), key: id.as_str().into(), headers: Headers::default(), payload })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut bench = Bench::new().await?;
    for client in 0..CLIENTS {
        let publishes = [Publish { message: start(&bench.topic, client)?, due: None }].into_iter().collect();
        bench.stage(Unit { publishes, ..Unit::default() });
    }
    let (mut next, mut stage, mut seal) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut rows = 0;
    for round in 0..ROUNDS {
        let began = Instant::now();
        let mut deliveries: Vec<Delivery> = Vec::with_capacity(CLIENTS);
        while deliveries.len() < CLIENTS {
            deliveries.push(bench.consumer.next().await.ok_or("the consumer ended")?);
        }
        next += began.elapsed();
        let began = Instant::now();
        for Delivery { message, ack, .. } in deliveries {
            let publishes = [Publish { message, due: None }].into_iter().collect();
            bench.stage(Unit { ack: Some(ack), publishes, ..Unit::default() });
        }
        stage += began.elapsed();
        if round % ROUNDS_PER_SEAL == 0 {
            let began = Instant::now();
            rows += bench.commit()?;
            seal += began.elapsed();
        }
    }
    let count = u32::try_from(ROUNDS * CLIENTS)?;
    println!("next      {:?}", next / count);
    println!("stage     {:?}   (acknowledge one, publish one)", stage / count);
    println!("seal      {:?}   (a unit's share, with the write to memory)", seal / count);
    println!("rows      {:.3}   (a unit's share)", rows as f64 / f64::from(count));
    Ok(())
}

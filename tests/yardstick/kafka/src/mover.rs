//! The loop: consume, hand on, commit positions and outputs as one transaction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::clients::{self, ANSWER_MAX};

/// How long the first message is waited for.
const FIRST_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct Options {
    /// Messages of a transaction, if so many are there.
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// Messages that each one becomes.
    #[arg(long, default_value_t = 2)]
    outputs: usize,
    #[arg(long, default_value_t = 100_000)]
    messages: usize,
    /// Bytes of a message.
    #[arg(long, default_value_t = 400)]
    bytes: usize,
    #[arg(long, default_value_t = 4)]
    partitions: i32,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<(Value, String)> {
    let (from, to) = (clients::fresh("from"), clients::fresh("to"));
    clients::make_topics(bootstrap, &[&from, &to], options.partitions)?;
    let producer = clients::plain(bootstrap)?;
    let body = vec![b'x'; options.bytes];
    for number in 0..options.messages {
        send(&producer, &to_topic(&from, &number.to_string(), &body))?;
    }
    clients::acknowledged(&producer)?;
    let mut mover = Mover::open(bootstrap, &from, &to, options.outputs)?;
    let (mut done, mut transactions, mut began) = (0, 0, None);
    while done < options.messages {
        let moved = mover.step(options.batch.min(options.messages - done))?;
        if moved > 0 {
            began.get_or_insert_with(Instant::now);
            transactions += 1;
        }
        // The first transaction is not counted: it begins before the clock does.
        done += moved;
    }
    let took = began.map_or(Duration::ZERO, |began| began.elapsed());
    let rate = (options.messages - options.batch.min(options.messages)) as f64 / took.as_secs_f64();
    let figures = json!({"messages-per-second": rate.round(), "transactions": transactions, "batch": options.batch,
        "outputs": options.outputs});
    Ok((figures, format!("{rate:.0} messages/s in {transactions} transactions")))
}

/// One message of a topic.
pub struct ToSend<'a> {
    topic: &'a str,
    key: &'a str,
    body: &'a [u8],
}

pub fn to_topic<'a>(topic: &'a str, key: &'a str, body: &'a [u8]) -> ToSend<'a> {
    ToSend { topic, key, body }
}

/// Send a message, and wait for room if there is none.
pub fn send(producer: &BaseProducer, message: &ToSend<'_>) -> anyhow::Result<()> {
    let mut record = BaseRecord::to(message.topic).key(message.key).payload(message.body);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(1));
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// One loop.
pub struct Mover {
    consumer: BaseConsumer,
    producer: BaseProducer,
    from: String,
    to: String,
    outputs: usize,
}

impl Mover {
    pub fn open(bootstrap: &str, from: &str, to: &str, outputs: usize) -> anyhow::Result<Self> {
        let consumer = clients::consumer(bootstrap, &clients::fresh("group"), from)?;
        let producer = clients::transactional(bootstrap, &clients::fresh("id"))?;
        Ok(Self { consumer, producer, from: from.to_owned(), to: to.to_owned(), outputs })
    }

    /// A transaction of what is there, at most `batch`. Answers how many messages it moved.
    pub fn step(&mut self, batch: usize) -> anyhow::Result<usize> {
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        let mut moved = 0;
        while moved < batch {
            let wait = if moved == 0 { FIRST_WAIT } else { Duration::ZERO };
            let Some(message) = self.consumer.poll(wait) else { break };
            let message = message?;
            if moved == 0 {
                self.producer.begin_transaction()?;
            }
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            let body = message.payload().unwrap_or_default();
            for _ in 0..self.outputs {
                send(&self.producer, &to_topic(&self.to, &key, body))?;
            }
            self.producer.poll(Duration::ZERO);
            ends.insert(message.partition(), message.offset() + 1);
            moved += 1;
        }
        if moved > 0 {
            self.commit(&ends)?;
        }
        Ok(moved)
    }

    fn commit(&self, ends: &BTreeMap<i32, i64>) -> anyhow::Result<()> {
        let mut positions = TopicPartitionList::new();
        for (&partition, &end) in ends {
            positions.add_partition_offset(&self.from, partition, Offset::Offset(end))?;
        }
        clients::acknowledged(&self.producer)?;
        let member = self.consumer.group_metadata().ok_or_else(|| anyhow::anyhow!("this consumer is no member"))?;
        self.producer.send_offsets_to_transaction(&positions, &member, ANSWER_MAX)?;
        Ok(self.producer.commit_transaction(ANSWER_MAX)?)
    }
}

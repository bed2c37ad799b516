//! Clients with the settings that decide how fast a transaction follows another: librdkafka's defaults wait longer.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, Producer as _};

/// How long the cluster may take to answer.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Pause between two looks for what was acknowledged: `flush` waits for a hundred milliseconds at a time.
const LOOK_PAUSE: Duration = Duration::from_micros(50);

fn base(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Topics of this run.
pub fn make_topics(bootstrap: &str, names: &[&str], partitions: i32) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = base(bootstrap).create()?;
    let topics: Vec<_> =
        names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(-1))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let made = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new()))?;
    for one in made {
        one.map_err(|(name, code)| anyhow::anyhow!("making topic {name}: {code}"))?;
    }
    Ok(())
}

pub fn consumer(bootstrap: &str, group: &str, topic: &str) -> anyhow::Result<BaseConsumer> {
    let mut config = base(bootstrap);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("queued.min.messages", "100000");
    let consumer: BaseConsumer = config.create()?;
    consumer.subscribe(&[topic])?;
    Ok(consumer)
}

pub fn transactional(bootstrap: &str, id: &str) -> anyhow::Result<BaseProducer> {
    let mut config = base(bootstrap);
    config
        .set("transactional.id", id)
        .set("linger.ms", "0")
        // A new transaction that comes before the last one's marks are written waits so long, a tenth of a second by
        // default.
        .set("retry.backoff.ms", "2")
        .set("queue.buffering.max.messages", "1000000");
    let producer: BaseProducer = config.create()?;
    producer.init_transactions(ANSWER_MAX).context("beginning with a transactional id")?;
    Ok(producer)
}

pub fn plain(bootstrap: &str) -> anyhow::Result<BaseProducer> {
    let mut config = base(bootstrap);
    config.set("enable.idempotence", "true").set("linger.ms", "2").set("queue.buffering.max.messages", "1000000");
    Ok(config.create()?)
}

/// Wait until everything that was sent is acknowledged.
pub fn acknowledged(producer: &BaseProducer) -> anyhow::Result<()> {
    let since = Instant::now();
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::ZERO);
        anyhow::ensure!(since.elapsed() < ANSWER_MAX, "messages were not acknowledged in time");
        if producer.in_flight_count() > 0 {
            thread::sleep(LOOK_PAUSE);
        }
    }
    Ok(())
}

/// A name that no earlier run had.
pub fn fresh(what: &str) -> String {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("saga-yardstick-{what}-{}", since_epoch.as_nanos())
}

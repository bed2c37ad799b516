//! Builds the broker, the store and their commit from the names in the configuration. The only `match` on the name of
//! a driver; everybody else sees the traits.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use host_broker::Broker;
use host_broker::drivers::embedded::{EmbeddedBroker, EmbeddedOptions};
use host_broker::drivers::kafka::{Hosts, KafkaBroker, KafkaOptions, TokenFile};
use host_core::id::Lsn;
use host_core::table::{Batch, Durability, Table, Tables};
use host_core::unit::Unit;
use host_engine::clock::Clock;
use host_engine::commit::{Commit, Joint};
use host_engine::failpoint::{FailPoint, FailPoints};
use host_store::backends::fjall::FjallTables;
use host_store::backends::memory::MemoryTables;
use host_store::backends::postgres::{Options as PostgresOptions, PostgresState};
use host_store::embedded::EmbeddedStore;
use host_store::shared::SharedState;
use host_store::{JointStore, Store};
use tokio_util::sync::CancellationToken;

use crate::config::{BrokerKind, Config, HostCount, StoreKind};
use crate::needed::topics;

/// The rooms behind the engine.
pub struct Wired {
    pub commit: Arc<dyn Commit>,
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    /// Delivers delayed messages until the token that was given is cancelled. To be spawned.
    pub delays: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Writes what is open and lets go of the data folder. Blocks.
    pub close: Box<dyn FnOnce() + Send>,
}

/// Open what the configuration names. Blocks: a database is read.
pub fn wire(
    config: &Config,
    clock: Arc<dyn Clock>,
    fail_points: Arc<FailPoints>,
    stop: CancellationToken,
) -> anyhow::Result<Wired> {
    match config.broker.kind {
        BrokerKind::Embedded => embedded(config, clock, fail_points, stop),
        BrokerKind::Kafka => kafka(config, clock, fail_points, stop),
    }
}

/// Messages, journal and state in a Kafka cluster; the tables here are a copy of what the cluster holds.
fn kafka(
    config: &Config,
    clock: Arc<dyn Clock>,
    fail_points: Arc<FailPoints>,
    stop: CancellationToken,
) -> anyhow::Result<Wired> {
    let tables = open_tables(config, &fail_points)?;
    if !tables.scan(Table::Topics, &[], None, 1)?.is_empty() {
        let folder = config.data_dir.display();
        anyhow::bail!("the data folder {folder} belongs to an embedded broker; name another one (data-dir) for Kafka");
    }
    // Only a host that may not make topics tells what else it will need.
    let expected: Vec<_> = if config.broker.create_topics { Vec::new() } else { topics(config).into_iter().collect() };
    let broker = KafkaBroker::open_expecting(kafka_options(config), &expected)?;
    let (store, last) = match config.broker.hosts {
        HostCount::One => {
            broker.take_cluster()?;
            broker.recover_rows(&*tables)?;
            let store = Arc::new(EmbeddedStore::open(tables.clone())?);
            let last = recover_journal(&broker, &store, &*tables)?;
            (store, last)
        }
        // Others write all the while: what is missing is followed, and the engine begins when it has caught up.
        HostCount::Several => {
            let store = Arc::new(EmbeddedStore::open_followed(tables.clone())?);
            broker.begin_following(&*tables)?;
            let last = store.last_lsn();
            (store, last)
        }
    };
    let broker = Arc::new(broker);
    let commit = Joint::start(store.clone(), broker.clone(), tables, clock, fail_points, last, config.limits.batch)
        .context("starting the thread that commits")?;
    let delays = Box::pin(commit.clone().run_delays(stop));
    Ok(Wired { commit: commit.clone(), store, broker, delays, close: Box::new(move || commit.close()) })
}

/// What the Kafka driver takes from the configuration.
pub fn kafka_options(config: &Config) -> KafkaOptions {
    let broker = &config.broker;
    let message_bytes_max = 2 * (config.limits.body.as_usize() + config.limits.meta.as_usize());
    KafkaOptions {
        prefix: broker.prefix.0.clone(),
        partitions: i32::from(broker.partitions),
        producer_count: usize::from(broker.producers),
        replication: if broker.replication == 0 { -1 } else { i32::from(broker.replication) },
        create_topics: broker.create_topics,
        hosts: match broker.hosts {
            HostCount::One => Hosts::One,
            HostCount::Several => Hosts::Several,
        },
        transaction_timeout: broker.transaction_timeout,
        session_timeout: broker.session_timeout,
        message_bytes_max,
        client: broker.client.0.clone(),
        oauth_token_file: broker.oauth_token_file.as_ref().map(TokenFile::new),
        kept_age_max: config.retention.log_age,
        kept_bytes_max: config.retention.log_size.0,
        ..KafkaOptions::new(&broker.bootstrap.0, &config.host_name)
    }
}

/// Take over records of the journal that the tables do not hold. Answers the last unit they hold then.
fn recover_journal(broker: &KafkaBroker, store: &EmbeddedStore, tables: &dyn Tables) -> anyhow::Result<Lsn> {
    let mut last = store.last_lsn();
    let mut count = 0;
    loop {
        let mut batch = Batch::default();
        let records = broker.recover_records(tables, &mut batch)?;
        if records.is_empty() {
            break;
        }
        count += records.len();
        last = Lsn(last.0 + 1);
        let mut open = Default::default();
        let mut unit = Unit { records: records.into(), ..Unit::default() };
        store.stage(&mut open, last, &mut unit).map_err(|conflict| anyhow::anyhow!("{conflict}"))?;
        store.seal(open, last, &mut batch);
        tables.write(batch, Durability::Visible)?;
        store.written(last);
    }
    if count > 0 {
        tracing::info!(count, "records of the journal were taken over from the cluster");
    }
    Ok(last)
}

/// The key-values that hosts share, where they have a database for them.
pub async fn shared_state(config: &Config) -> anyhow::Result<Option<Arc<dyn SharedState>>> {
    let (StoreKind::Postgres, Some(address)) = (config.store.kind, &config.store.address) else { return Ok(None) };
    let store = &config.store;
    let options = PostgresOptions {
        schema: store.schema.0.clone(),
        ca_file: Some(PathBuf::from(&store.ca_file.0)).filter(|file| !file.as_os_str().is_empty()),
        connections_max: store.connections,
        host_name: config.host_name.clone(),
        ..PostgresOptions::new(address.reveal())
    };
    Ok(Some(Arc::new(PostgresState::open(&options).await?)))
}

/// Broker and store in one database.
fn embedded(
    config: &Config,
    clock: Arc<dyn Clock>,
    fail_points: Arc<FailPoints>,
    stop: CancellationToken,
) -> anyhow::Result<Wired> {
    let tables = open_tables(config, &fail_points)?;
    if KafkaBroker::was_here(&*tables)? {
        let folder = config.data_dir.display();
        anyhow::bail!(
            "the data folder {folder} is a copy of what a Kafka cluster holds; set broker.kind = \"kafka\", or name another folder (data-dir)"
        );
    }
    let store = Arc::new(EmbeddedStore::open(tables.clone())?);
    let options = EmbeddedOptions {
        kept_age_max: config.retention.log_age,
        kept_bytes_max: config.retention.log_size.0,
        ..EmbeddedOptions::default()
    };
    let broker = Arc::new(EmbeddedBroker::open(tables.clone(), options)?);
    let last = store.last_lsn();
    let commit = Joint::start(store.clone(), broker.clone(), tables, clock, fail_points, last, config.limits.batch)
        .context("starting the thread that writes the journal")?;
    let delays = Box::pin(commit.clone().run_delays(stop));
    Ok(Wired { commit: commit.clone(), store, broker, delays, close: Box::new(move || commit.close()) })
}

fn open_tables(config: &Config, fail_points: &Arc<FailPoints>) -> anyhow::Result<Arc<dyn Tables>> {
    match config.store.kind {
        StoreKind::Embedded | StoreKind::Postgres => open_database(&config.data_dir, fail_points),
        StoreKind::Memory => Ok(Arc::new(MemoryTables::new())),
    }
}

/// The database's folder in the data folder.
const DATABASE: &str = "db";

/// Where the embedded database of this configuration lies.
pub fn database_dir(config: &Config) -> PathBuf {
    config.data_dir.join(DATABASE)
}

fn open_database(data_dir: &Path, fail_points: &Arc<FailPoints>) -> anyhow::Result<Arc<dyn Tables>> {
    let folder = data_dir.join(DATABASE);
    std::fs::create_dir_all(&folder).with_context(|| format!("making the data folder {}", folder.display()))?;
    if fail_points.is_armed(FailPoint::DuringCompaction) {
        let fail_points = fail_points.clone();
        let watched = FjallTables::open_watched(&folder, move || fail_points.hit(FailPoint::DuringCompaction))?;
        return Ok(Arc::new(watched));
    }
    Ok(Arc::new(FjallTables::open(&folder)?))
}

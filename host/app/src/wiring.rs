//! Builds the broker, the store and their commit from the names in the configuration. The only `match` on the name of
//! a driver; everybody else sees the traits.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use host_broker::Broker;
use host_broker::drivers::embedded::{EmbeddedBroker, EmbeddedOptions};
use host_core::table::Tables;
use host_engine::clock::Clock;
use host_engine::commit::{Commit, Joint};
use host_engine::failpoint::{FailPoint, FailPoints};
use host_store::Store;
use host_store::backends::fjall::FjallTables;
use host_store::backends::memory::MemoryTables;
use host_store::embedded::EmbeddedStore;
use tokio_util::sync::CancellationToken;

use crate::config::{BrokerKind, Config, StoreKind};

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
    }
}

/// Broker and store in one database.
fn embedded(
    config: &Config,
    clock: Arc<dyn Clock>,
    fail_points: Arc<FailPoints>,
    stop: CancellationToken,
) -> anyhow::Result<Wired> {
    let tables: Arc<dyn Tables> = match config.store.kind {
        StoreKind::Embedded => open_database(&config.data_dir, &fail_points)?,
        StoreKind::Memory => Arc::new(MemoryTables::new()),
    };
    let store = Arc::new(EmbeddedStore::open(tables.clone())?);
    let options = EmbeddedOptions {
        kept_age_max: config.retention.log_age,
        kept_bytes_max: config.retention.log_size.0,
        ..EmbeddedOptions::default()
    };
    let broker = Arc::new(EmbeddedBroker::open(tables.clone(), options)?);
    let last = store.last_lsn();
    let commit = Joint::start(store.clone(), broker.clone(), tables, clock, fail_points, last)
        .context("starting the thread that writes the journal")?;
    let delays = Box::pin(commit.clone().run_delays(stop));
    Ok(Wired { commit: commit.clone(), store, broker, delays, close: Box::new(move || commit.close()) })
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

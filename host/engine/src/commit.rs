//! The commit stage: makes a unit of work atomic, in the way its configuration allows. The only place where a delivery
//! is acknowledged.

mod joint;

use std::sync::Arc;

use async_trait::async_trait;
use host_core::id::Lsn;
use host_core::unit::Unit;
use host_store::Committed;
use tokio::sync::{mpsc, watch};

pub use joint::Joint;

/// Applies units.
#[async_trait]
pub trait Commit: Send + Sync + 'static {
    /// Take a unit for the next batch and leave it empty. On return it has its place in the order; where the
    /// configuration is embedded its effects are visible inside this process, and nothing may leave the process before
    /// `durable`. A unit that is not taken is left as it was. Never waits: see `submit`.
    fn try_submit(&self, unit: &mut Unit) -> Result<Lsn, NotTaken>;

    /// Wait until there may be room in the open batch. Cancel-safe.
    async fn room(&self);

    /// Wait until everything up to `lsn` survives a crash. Cancel-safe.
    async fn durable(&self, lsn: Lsn) -> Result<(), Stopped>;

    /// Follow the journal: every durable batch from now on, in order. Bounded: a follower that does not keep up holds
    /// the commits back, so nothing is lost and nothing grows.
    fn follow(&self) -> mpsc::Receiver<Arc<Committed>>;

    /// Changes when other hosts may have changed what waits, or the marks. Never where there are none.
    fn state(&self) -> watch::Receiver<u64>;
}

/// Why a unit was not taken now. Nothing of it was applied.
#[derive(Debug)]
pub enum NotTaken {
    /// The open batch is full: there is room when the one before it is written.
    Full,
    Refused(Refused),
}

/// Why a unit is not taken. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another call overwrote what this one read: its delivery has to be run again.
    #[error(transparent)]
    Conflict(#[from] host_store::Conflict),
    /// Its delivery was given to another host, which handles it again.
    #[error("the message went to another host while it was handled here")]
    Lost,
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Submit a unit, and wait for room if there is none. Nearly always there is, and then this costs no allocation.
pub async fn submit(commit: &dyn Commit, unit: &mut Unit) -> Result<Lsn, Refused> {
    loop {
        match commit.try_submit(unit) {
            Ok(lsn) => return Ok(lsn),
            Err(NotTaken::Refused(refused)) => return Err(refused),
            Err(NotTaken::Full) => commit.room().await,
        }
    }
}

/// The disk or the broker failed, or the host ends: no unit is taken any more.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no more work is taken: {reason}")]
pub struct Stopped {
    pub reason: Arc<str>,
    /// Nothing has to be mended first: a host that starts now goes on.
    pub restart_helps: bool,
}

impl Stopped {
    fn shutting_down() -> Self {
        Self { reason: "the host is shutting down".into(), restart_helps: false }
    }
}

//! The commit stage: makes a unit of work atomic, in the way its configuration allows. The only place where a delivery
//! is acknowledged.

mod joint;

use std::sync::Arc;

use async_trait::async_trait;
use host_core::id::Lsn;
use host_core::unit::Unit;
use host_store::Committed;
use tokio::sync::mpsc;

pub use joint::Joint;

/// Applies units.
#[async_trait]
pub trait Commit: Send + Sync + 'static {
    /// Take a unit for the next batch. On return it has its place in the order; where the configuration is embedded its
    /// effects are visible inside this process, and nothing may leave the process before `durable`.
    async fn submit(&self, unit: Unit) -> Result<Lsn, Refused>;

    /// Wait until everything up to `lsn` survives a crash. Cancel-safe.
    async fn durable(&self, lsn: Lsn) -> Result<(), Stopped>;

    /// Follow the journal: every durable batch from now on, in order. Bounded: a follower that does not keep up holds
    /// the commits back, so nothing is lost and nothing grows.
    fn follow(&self) -> mpsc::Receiver<Arc<Committed>>;
}

/// Why a unit was not taken. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another call overwrote what this one read; the unit comes back so that its delivery can be run again.
    #[error(transparent)]
    Conflict(#[from] ConflictRefused),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A unit that lost a race for a key.
#[derive(Debug, thiserror::Error)]
#[error("{conflict}")]
pub struct ConflictRefused {
    pub unit: Box<Unit>,
    pub conflict: host_store::Conflict,
}

/// The disk or the broker failed, or the host ends: no unit is taken any more.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no more work is taken: {reason}")]
pub struct Stopped {
    pub reason: Arc<str>,
}

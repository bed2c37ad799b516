//! What a case may do with a driver: subscribe, commit, let time pass, crash.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use host_core::time::Timestamp;
use host_core::unit::Unit;

use crate::Broker;

/// A driver under test, with something that commits and a clock that the case turns.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The broker as it is now; another one after `crash`.
    fn broker(&self) -> Arc<dyn Broker>;

    /// Commit a unit. On return its effects may be seen; they may not survive a crash yet.
    async fn commit(&self, unit: Unit);

    /// Everything that was committed survives from now on.
    async fn sync(&self);

    /// Lose what was not synced, and start again. Consumers and deliveries of before are dead.
    async fn crash(&mut self);

    /// Let time pass; what becomes due is delivered before this returns.
    async fn advance(&mut self, span: Duration);

    fn now(&self) -> Timestamp;

    /// Rows of messages and delayed messages that the driver wrote and did not remove, for those that can tell.
    fn message_row_count(&self) -> Option<usize>;
}

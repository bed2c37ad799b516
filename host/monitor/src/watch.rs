//! Waiting for one saga to settle, without a gap between what the journal holds already and what comes next.

use std::sync::Arc;
use std::time::Duration;

use host_core::id::GlobalId;
use host_core::saga::Saga;
use host_store::Store;
use tokio_util::sync::CancellationToken;

use crate::waiters::{Full, Outcome, Ticket, Waiters, Wake};

/// Makes watches. Cheap to clone.
#[derive(Clone)]
pub struct Watcher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) stop: CancellationToken,
}

/// Where the saga stands when the watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Its first record is not committed yet: the watch will see all of them, and spares itself the journal.
    BeforeItsStart,
    /// It may have begun, or be over.
    AnyTime,
}

/// A registered wait. Nothing that happens from its making on is missed.
pub struct Watch {
    watcher: Watcher,
    global_id: GlobalId,
    since: Since,
    /// None if too many wait already.
    ticket: Option<Ticket>,
}

impl Watcher {
    /// Register. Do it before the start for `Since::BeforeItsStart`.
    pub fn watch(&self, global_id: &GlobalId, since: Since) -> Watch {
        let ticket = self.waiters.register(global_id).map_err(|Full| tracing::warn!("too many wait for sagas")).ok();
        Watch { watcher: self.clone(), global_id: global_id.clone(), since, ticket }
    }

    /// How many wait now.
    pub fn count(&self) -> usize {
        self.waiters.count()
    }

    /// How the saga settled; none if it did not in time. A saga that nobody has started yet is waited for as well.
    pub async fn wait(
        &self,
        global_id: &GlobalId,
        within: Duration,
    ) -> Result<Option<Arc<Outcome>>, host_store::Error> {
        self.watch(global_id, Since::AnyTime).outcome(within).await
    }
}

impl Watch {
    /// The global-id turned out to be one that exists.
    pub fn is_older(&mut self) {
        self.since = Since::AnyTime;
    }

    /// None if the saga did not settle in time, or the host ends, or too many wait already. Cancel-safe.
    pub async fn outcome(self, within: Duration) -> Result<Option<Arc<Outcome>>, host_store::Error> {
        let stop = self.watcher.stop.clone();
        tokio::select! {
            outcome = tokio::time::timeout(within, self.settled()) => outcome.unwrap_or(Ok(None)),
            () = stop.cancelled() => Ok(None),
        }
    }

    async fn settled(mut self) -> Result<Option<Arc<Outcome>>, host_store::Error> {
        let mut look = self.since == Since::AnyTime;
        loop {
            if look {
                let records = self.watcher.store.journal(&self.global_id).await?;
                if let Some(outcome) = Saga::fold(&records).as_ref().and_then(Outcome::of) {
                    return Ok(Some(Arc::new(outcome)));
                }
            }
            let Some(ticket) = &mut self.ticket else { return Ok(None) };
            match ticket.wake().await {
                Wake::Settled(outcome) => return Ok(Some(outcome)),
                Wake::Look => {
                    // Registered anew before the journal is read, so that nothing falls between the two.
                    self.ticket = self.watcher.waiters.register(&self.global_id).ok();
                    look = true;
                }
            }
        }
    }
}

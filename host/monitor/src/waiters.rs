//! Those who wait for a saga to settle: over HTTP with `Prefer: wait`, or inside the process. Nothing polls: the
//! follower of the journal wakes them. It must not know HTTP.
//! Invariant: whoever registers before the saga's first record is committed sees every record of it.

use std::collections::HashMap;
use std::collections::hash_map::{Entry as Slot, RandomState};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use host_core::failure::Failure;
use host_core::id::GlobalId;
use host_core::json::Json;
use host_core::record::{Event, Record};
use host_core::saga::{Saga, Status};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::limits::WAITER_COUNT_MAX;

/// Shards of the table, so that clients that register and the follower that wakes them seldom meet.
const SHARD_COUNT: usize = 64;

/// How a saga settled: it is over, or a dead letter stands in its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub global_id: GlobalId,
    pub status: Status,
    pub body: Json,
    pub failure: Option<Failure>,
}

impl Outcome {
    /// None while the saga can still go on by itself.
    pub fn of(saga: &Saga) -> Option<Outcome> {
        is_settled(saga).then(|| Outcome {
            global_id: saga.global_id.clone(),
            status: saga.status,
            body: saga.body.clone(),
            failure: saga.failure.clone(),
        })
    }
}

fn is_settled(saga: &Saga) -> bool {
    saga.ended
        || match saga.status {
            Status::Failed | Status::CompensationFailed => true,
            Status::Running
            | Status::Waiting
            | Status::Compensating
            | Status::Completed
            | Status::Compensated
            | Status::Closed => false,
        }
}

/// What a waiter is told.
#[derive(Debug)]
pub(crate) enum Wake {
    Settled(Arc<Outcome>),
    /// Something happened that may have settled the saga, but its beginning was not seen here: ask the journal.
    Look,
}

/// The table of all who wait.
pub(crate) struct Waiters {
    /// Each lock guards its part of the sagas that are waited for; held for a look-up and a fold.
    shards: Vec<Mutex<HashMap<GlobalId, Entry>>>,
    hasher: RandomState,
    ticket_next: AtomicU64,
    ticket_count: AtomicUsize,
}

#[derive(Default)]
struct Entry {
    /// The saga as seen from its first record on; none if it began before anyone waited.
    saga: Option<Saga>,
    tickets: Vec<(u64, oneshot::Sender<Wake>)>,
}

/// A place in the table, given back when it is dropped.
pub(crate) struct Ticket {
    waiters: Arc<Waiters>,
    global_id: GlobalId,
    number: u64,
    wake: oneshot::Receiver<Wake>,
}

/// Too many wait already.
#[derive(Debug)]
pub(crate) struct Full;

impl Waiters {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARD_COUNT).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            ticket_next: AtomicU64::new(0),
            ticket_count: AtomicUsize::new(0),
        })
    }

    /// From now on nothing that settles the saga is missed.
    pub(crate) fn register(self: &Arc<Self>, global_id: &GlobalId) -> Result<Ticket, Full> {
        if self.ticket_count.fetch_add(1, Ordering::SeqCst) >= WAITER_COUNT_MAX {
            self.ticket_count.fetch_sub(1, Ordering::SeqCst);
            return Err(Full);
        }
        let number = self.ticket_next.fetch_add(1, Ordering::Relaxed);
        let (sender, wake) = oneshot::channel();
        self.shard(global_id).lock().entry(global_id.clone()).or_default().tickets.push((number, sender));
        Ok(Ticket { waiters: Arc::clone(self), global_id: global_id.clone(), number, wake })
    }

    pub(crate) fn count(&self) -> usize {
        self.ticket_count.load(Ordering::SeqCst)
    }

    /// Tell the waiters of this batch's sagas. The batches come in commit order.
    pub(crate) fn see(&self, records: &[Record]) {
        // A waiter that registers after this look waits for a saga whose records are not in this batch, or reads the
        // journal, which holds this batch already.
        if self.count() == 0 {
            return;
        }
        for record in records {
            let mut shard = self.shard(&record.global_id).lock();
            let Some(entry) = shard.get_mut(&record.global_id) else { continue };
            if let Some(wake) = entry.see(record) {
                let entry = shard.remove(&record.global_id).expect("it was there a line ago, under this lock");
                drop(shard);
                entry.tickets.into_iter().for_each(|(_, ticket)| {
                    // An error means that the waiter has just given up.
                    let _gone = ticket.send(match &wake {
                        Wake::Settled(outcome) => Wake::Settled(Arc::clone(outcome)),
                        Wake::Look => Wake::Look,
                    });
                });
            }
        }
    }

    fn shard(&self, global_id: &GlobalId) -> &Mutex<HashMap<GlobalId, Entry>> {
        let hash = self.hasher.hash_one(global_id);
        // The upper bits choose the shard; the map inside mixes with its own key.
        let index = usize::try_from(hash >> 32).expect("32 bits fit") % self.shards.len();
        &self.shards[index]
    }
}

impl Entry {
    fn see(&mut self, record: &Record) -> Option<Wake> {
        match (&mut self.saga, &record.event) {
            (Some(saga), _) => saga.apply(record),
            (none, Event::Started { .. }) => *none = Some(Saga::begin(record)),
            (None, Event::Ended { .. } | Event::DeadLettered { .. }) => return Some(Wake::Look),
            (
                None,
                Event::Done { .. }
                | Event::Rejected { .. }
                | Event::Retried { .. }
                | Event::Waiting { .. }
                | Event::Signalled { .. }
                | Event::Compensated { .. }
                | Event::LateDropped { .. }
                | Event::NotRun
                | Event::Acted { .. },
            ) => return None,
        }
        self.saga.as_ref().and_then(Outcome::of).map(|outcome| Wake::Settled(Arc::new(outcome)))
    }
}

impl Ticket {
    /// Cancel-safe. `Look` as well when the table is gone, so that the caller asks the journal once more.
    pub(crate) async fn wake(&mut self) -> Wake {
        (&mut self.wake).await.unwrap_or(Wake::Look)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut shard = self.waiters.shard(&self.global_id).lock();
        if let Slot::Occupied(mut slot) = shard.entry(self.global_id.clone()) {
            slot.get_mut().tickets.retain(|(number, _)| *number != self.number);
            if slot.get().tickets.is_empty() {
                slot.remove();
            }
        }
        drop(shard);
        self.waiters.ticket_count.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;

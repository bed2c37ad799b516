//! The projector: folds the journal into the summaries that lists and error groups are read from. It begins where the
//! last run ended, so a crash costs nothing but the reading of what was not folded yet.
//! Invariant: batches are folded in commit order; one that was folded is not folded again in this run.

use std::sync::Arc;

use host_core::id::Lsn;
use host_core::table;
use host_store::{Committed, Error, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::limits::{CATCH_UP_BATCHES, FOLD_BATCHES_MAX, FOLD_PAUSE, PROJECTOR_QUEUE_BATCHES, PROJECTOR_QUEUE_RECORDS};
use crate::metrics::Metrics;

/// The service. Owns the order of folding.
pub(crate) struct Projector {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The way to the projector, bounded by records and by batches.
pub(crate) struct Queue {
    batches: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
}

/// A batch that waits to be folded, and the room that it takes until it is.
pub(crate) struct Queued {
    batch: Arc<Committed>,
    _room: OwnedSemaphorePermit,
}

/// The projector is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Both ends of the way.
pub(crate) fn queue() -> (Queue, mpsc::Receiver<Queued>) {
    let (batches, queue) = mpsc::channel(PROJECTOR_QUEUE_BATCHES);
    let room = Arc::new(Semaphore::new(PROJECTOR_QUEUE_RECORDS as usize));
    (Queue { batches, room }, queue)
}

impl Queue {
    /// Waits while the projector is too far behind.
    pub(crate) async fn send(&self, batch: Arc<Committed>) -> Result<(), Gone> {
        // One batch that is larger than all the room goes when there is no other.
        let records = u32::try_from(batch.records.len()).unwrap_or(u32::MAX).min(PROJECTOR_QUEUE_RECORDS);
        let room = self.room.clone().acquire_many_owned(records).await.map_err(|_| Gone)?;
        self.batches.send(Queued { batch, _room: room }).await.map_err(|_| Gone)
    }
}

/// What a failed fold means for the next one.
enum Failed {
    /// These batches cannot be folded, others can.
    Here,
    /// The store takes nothing any more; what was not folded comes again at the next start.
    ForGood,
}

impl Projector {
    /// Until the follower ends. What is queued then is folded first.
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Queued>) {
        let folded = self.work(&mut queue).await;
        if let Err(error) = folded {
            tracing::error!(%error, "lists and errors stay as they are until the next start");
            self.metrics.projection_stopped();
            // The journal goes on without its projection: whoever commits must not wait for it.
            while queue.recv().await.is_some() {}
        }
    }

    async fn work(&self, queue: &mut mpsc::Receiver<Queued>) -> Result<(), Error> {
        let mut done = self.catch_up().await?;
        let mut queued = Vec::with_capacity(FOLD_BATCHES_MAX);
        let mut batches = Vec::with_capacity(FOLD_BATCHES_MAX);
        let mut next_fold = Instant::now();
        while gather(queue, &mut queued, next_fold).await {
            next_fold = Instant::now() + FOLD_PAUSE;
            // What the catching up has read back comes again through the queue.
            batches.extend(queued.iter().map(|queued| queued.batch.clone()).filter(|batch| batch.lsn > done));
            if let Some(last) = batches.last() {
                done = last.lsn;
                self.fold(&batches).await?;
            }
            batches.clear();
            queued.clear();
        }
        Ok(())
    }

    /// Fold what the last run left. Answers up to where the projection is.
    async fn catch_up(&self) -> Result<Lsn, Error> {
        let mut done = self.store.projected().await?;
        loop {
            let read = self.store.feed(done, CATCH_UP_BATCHES).await?;
            let Some(last) = read.last().map(|batch| batch.lsn) else { return Ok(done) };
            let batches: Vec<_> = read.into_iter().map(Arc::new).collect();
            self.fold(&batches).await?;
            done = last;
        }
    }

    /// Fold together, and one by one if that fails: one bad batch must not take its neighbours along.
    async fn fold(&self, batches: &[Arc<Committed>]) -> Result<(), Error> {
        let together = self.store.project(batches).await;
        match together.map_err(|error| (failed(&error), error)) {
            Ok(()) => {
                self.metrics.projected(record_count(batches));
                return Ok(());
            }
            Err((Failed::ForGood, error)) => return Err(error),
            Err((Failed::Here, _)) => {}
        }
        for batch in batches {
            let one = std::slice::from_ref(batch);
            match self.store.project(one).await.map_err(|error| (failed(&error), error)) {
                Ok(()) => self.metrics.projected(record_count(one)),
                Err((Failed::ForGood, error)) => return Err(error),
                Err((Failed::Here, error)) => {
                    self.metrics.projection_failed(record_count(one));
                    tracing::error!(lsn = batch.lsn.0, %error, "a batch of the journal is missing in lists and errors");
                }
            }
        }
        Ok(())
    }
}

/// Take what is queued, and go on taking until it is time to fold or enough is at hand. A saga that begins and ends
/// within one fold is written once instead of once a batch; a batch that comes after a pause is folded at once. False
/// when there is nothing and no more will come. Cancel-safe as long as `batches` is kept.
async fn gather(queue: &mut mpsc::Receiver<Queued>, batches: &mut Vec<Queued>, until: Instant) -> bool {
    if queue.recv_many(batches, FOLD_BATCHES_MAX).await == 0 {
        return false;
    }
    while batches.len() < FOLD_BATCHES_MAX {
        let room = FOLD_BATCHES_MAX - batches.len();
        match tokio::time::timeout_at(until, queue.recv_many(batches, room)).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
    true
}

fn record_count(batches: &[Arc<Committed>]) -> usize {
    batches.iter().map(|batch| batch.records.len()).sum()
}

fn failed(error: &Error) -> Failed {
    match error {
        Error::Corrupt { .. } | Error::Cursor | Error::Table(table::Error::Corrupt { .. }) => Failed::Here,
        Error::Table(table::Error::Failed { .. })
        | Error::Format { .. }
        | Error::InUse { .. }
        | Error::Damaged(_)
        | Error::Open { .. }
        | Error::ShuttingDown => Failed::ForGood,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::samples::batch;

    fn is_waiting(sending: impl Future<Output = Result<(), Gone>>) -> bool {
        let mut sending = pin!(sending);
        sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending
    }

    #[tokio::test]
    async fn the_way_is_bounded_by_records_and_a_batch_larger_than_all_of_it_passes() {
        let (sender, mut queue) = queue();
        let room = PROJECTOR_QUEUE_RECORDS as usize;
        assert_eq!(sender.send(batch(1, room + 1)).await, Ok(()));
        assert!(is_waiting(sender.send(batch(2, 1))), "there is no room beside it");
        drop(queue.recv().await);
        for lsn in 2..100 {
            assert_eq!(sender.send(batch(lsn, 1)).await, Ok(()));
        }
        assert!(is_waiting(sender.send(batch(100, room - 97))));
        let mut queued = Vec::new();
        assert!(gather(&mut queue, &mut queued, Instant::now()).await);
        assert!(is_waiting(sender.send(batch(100, room))), "what is in the projector's hands takes room");
        queued.clear();
        assert_eq!(sender.send(batch(100, room - 97)).await, Ok(()));
    }
}

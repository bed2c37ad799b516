//! The projector: folds the journal into the summaries that lists and error groups are read from. It begins where the
//! last run ended, so a crash costs nothing but the reading of what was not folded yet.
//! Invariant: batches are folded in commit order; one that was folded is not folded again in this run.

use std::sync::Arc;

use host_core::id::Lsn;
use host_core::table;
use host_store::{Committed, Error, Store};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::limits::{CATCH_UP_BATCHES, FOLD_PAUSE, PROJECTOR_QUEUE_BATCHES};
use crate::metrics::Metrics;

/// The service. Owns the order of folding.
pub(crate) struct Projector {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
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
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Arc<Committed>>) {
        let folded = self.work(&mut queue).await;
        if let Err(error) = folded {
            tracing::error!(%error, "lists and errors stay as they are until the next start");
            self.metrics.projection_stopped();
            // The journal goes on without its projection: whoever commits must not wait for it.
            while queue.recv().await.is_some() {}
        }
    }

    async fn work(&self, queue: &mut mpsc::Receiver<Arc<Committed>>) -> Result<(), Error> {
        let mut done = self.catch_up().await?;
        let mut batches = Vec::with_capacity(PROJECTOR_QUEUE_BATCHES);
        let mut next_fold = Instant::now();
        while gather(queue, &mut batches, next_fold).await {
            next_fold = Instant::now() + FOLD_PAUSE;
            // What the catching up has read back comes again through the queue.
            batches.retain(|batch| batch.lsn > done);
            if let Some(last) = batches.last() {
                done = last.lsn;
                self.fold(&batches).await?;
            }
            batches.clear();
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
async fn gather(queue: &mut mpsc::Receiver<Arc<Committed>>, batches: &mut Vec<Arc<Committed>>, until: Instant) -> bool {
    if queue.recv_many(batches, PROJECTOR_QUEUE_BATCHES).await == 0 {
        return false;
    }
    while batches.len() < PROJECTOR_QUEUE_BATCHES {
        let room = PROJECTOR_QUEUE_BATCHES - batches.len();
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

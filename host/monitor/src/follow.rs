//! The one follower of the journal: every durable batch in order goes to those who wait, to those who watch, into the
//! counters, and to the projector. Invariant: a batch is passed on once, and no batch is left out.

use std::sync::Arc;

use host_store::Committed;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::live::Hub;
use crate::metrics::Metrics;
use crate::projector::Queue;
use crate::waiters::Waiters;

/// Where the batches go.
pub(crate) struct Follower {
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) projector: Queue,
}

impl Follower {
    /// Until the journal ends, or `stop` and nothing more is queued.
    pub(crate) async fn run(self, mut journal: mpsc::Receiver<Arc<Committed>>, stop: CancellationToken) {
        loop {
            // Both arms are cancel-safe: a batch is taken or it is not.
            let batch = tokio::select! {
                biased;
                batch = journal.recv() => batch,
                () = stop.cancelled() => {
                    // What is queued is still told; `recv` then yields the rest and ends.
                    journal.close();
                    journal.recv().await
                }
            };
            let Some(batch) = batch else { return };
            self.pass_on(batch).await;
        }
    }

    async fn pass_on(&self, batch: Arc<Committed>) {
        self.waiters.see(&batch.records);
        self.hub.send(&batch);
        self.metrics.see(&batch.records);
        // Waits while the projector is behind: this holds the commits back, so nothing grows. The projector ends only
        // after this sender, so an error means that its task was aborted.
        if self.projector.send(batch).await.is_err() {
            tracing::error!("the projector is gone; lists and errors stay as they are until the next start");
        }
    }
}

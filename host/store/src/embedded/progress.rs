//! How far commits are: what was staged, what was written, and who must wait for the difference to read what was
//! submitted before. A read waits only for writes that can touch what it reads.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use host_core::id::{GlobalId, Lsn};
use tokio::sync::watch;

use crate::Error;

/// Sagas share this many marks: 32 KiB, and with a few thousand sagas in flight seldom a wait that was not needed.
const SAGA_MARK_COUNT: usize = 4096;

/// What rarely changes and is read from the tables only.
#[derive(Debug, Clone, Copy)]
pub(super) enum Family {
    Parked,
    Signals,
    Marks,
}

/// Every number is an lsn and only rises.
pub(super) struct Progress {
    /// The last unit whose effects are all visible.
    staged: AtomicU64,
    /// Everything up to here is in the tables.
    written: watch::Sender<Written>,
    /// The last unit with a record of a saga, by hash of its id.
    sagas: Box<[AtomicU64]>,
    hasher: RandomState,
    families: [AtomicU64; 3],
}

#[derive(Debug, Clone, Copy)]
struct Written {
    lsn: Lsn,
    stopped: bool,
}

impl Progress {
    pub(super) fn new(lsn: Lsn) -> Self {
        Self {
            staged: AtomicU64::new(lsn.0),
            written: watch::Sender::new(Written { lsn, stopped: false }),
            sagas: (0..SAGA_MARK_COUNT).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            families: Default::default(),
        }
    }

    pub(super) fn staged(&self) -> Lsn {
        Lsn(self.staged.load(Ordering::Acquire))
    }

    pub(super) fn written(&self) -> Lsn {
        self.written.borrow().lsn
    }

    /// Called last in the staging of a unit: whoever sees this lsn sees all of the unit.
    pub(super) fn set_staged(&self, lsn: Lsn) {
        self.staged.store(lsn.0, Ordering::Release);
    }

    pub(super) fn touch_saga(&self, global_id: &GlobalId, lsn: Lsn) {
        self.saga(global_id).store(lsn.0, Ordering::Release);
    }

    pub(super) fn touch(&self, family: Family, lsn: Lsn) {
        self.families[family as usize].store(lsn.0, Ordering::Release);
    }

    pub(super) fn set_written(&self, lsn: Lsn) {
        self.written.send_modify(|written| written.lsn = written.lsn.max(lsn));
    }

    pub(super) fn stop(&self) {
        self.written.send_modify(|written| written.stopped = true);
    }

    /// Wait until every record of this saga that was staged so far is written.
    pub(super) async fn saga_written(&self, global_id: &GlobalId) -> Result<(), Error> {
        self.wait(self.saga(global_id).load(Ordering::Acquire)).await
    }

    /// Wait until every change of this kind that was staged so far is written.
    pub(super) async fn family_written(&self, family: Family) -> Result<(), Error> {
        self.wait(self.families[family as usize].load(Ordering::Acquire)).await
    }

    async fn wait(&self, lsn: u64) -> Result<(), Error> {
        if self.written().0 >= lsn {
            return Ok(());
        }
        let mut written = self.written.subscribe();
        let done = written.wait_for(|written| written.lsn.0 >= lsn || written.stopped).await;
        match done {
            Ok(written) if written.lsn.0 >= lsn => Ok(()),
            Ok(_) | Err(_) => Err(Error::ShuttingDown),
        }
    }

    fn saga(&self, global_id: &GlobalId) -> &AtomicU64 {
        let hash = self.hasher.hash_one(global_id.as_str());
        &self.sagas[hash as usize % SAGA_MARK_COUNT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_waits_for_its_own_saga_only() {
        let progress = Progress::new(Lsn(0));
        let touched = GlobalId::try_new("touched").expect("a global-id");
        let other = (0..).map(|index| GlobalId::try_new(&format!("other-{index}")).expect("a global-id"));
        let other = other.into_iter().find(|other| !std::ptr::eq(progress.saga(other), progress.saga(&touched)));
        progress.touch_saga(&touched, Lsn(1));
        progress.set_staged(Lsn(1));
        progress.saga_written(&other.expect("some id has another mark")).await.expect("nothing to wait for");
        progress.family_written(Family::Signals).await.expect("nothing to wait for");
        let waits = progress.saga_written(&touched);
        tokio::pin!(waits);
        assert!(futures_pending(waits.as_mut()).await, "an unwritten record is waited for");
        progress.set_written(Lsn(1));
        waits.await.expect("it is written");
    }

    #[tokio::test]
    async fn a_waiting_read_fails_when_nothing_will_be_written_any_more() {
        let progress = Progress::new(Lsn(0));
        progress.touch(Family::Parked, Lsn(3));
        progress.stop();
        assert!(matches!(progress.family_written(Family::Parked).await, Err(Error::ShuttingDown)));
        progress.family_written(Family::Marks).await.expect("nothing of this kind is pending");
    }

    async fn futures_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
        let mut future = Some(future);
        std::future::poll_fn(|context| {
            let future = future.take().expect("polled once");
            std::task::Poll::Ready(future.poll(context).is_pending())
        })
        .await
    }
}

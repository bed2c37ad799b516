//! A store whose key-values are a shared state, so that the cases of the key-values run over it as they are. It holds
//! nothing else: no case that asks for more may be run over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, GlobalId, Lsn, MessageId, Position, WaitKey};
use host_core::record::Record;
use host_core::time::Timestamp;
use host_core::unit::{Mark, Parked, ParkedId, RememberedSignal, Unit};

use super::sample::{Handle, global_id};
use super::shared::SharedMedium;
use super::{Backend, Subject};
use crate::shared::{SharedState, SharedUnit, Taken};
use crate::{
    Committed, Conflict, Error, ErrorGroup, ErrorQuery, GroupId, ListQuery, Page, Snapshot, Statistics, Store, Summary,
};

/// A backend of the key-value cases over states of this kind.
pub struct OverShared<Make>(pub Make);

#[async_trait]
impl<Make: Fn() -> Arc<dyn SharedMedium> + Send + Sync> Backend for OverShared<Make> {
    async fn fresh(&self) -> Box<dyn Subject> {
        let medium = (self.0)();
        let state = medium.open().await;
        Box::new(SharedSubject { medium, store: Arc::new(KeyValues(state)), unit_count: AtomicU64::new(0) })
    }
}

struct SharedSubject {
    medium: Arc<dyn SharedMedium>,
    store: Arc<KeyValues>,
    /// Each unit is another message's.
    unit_count: AtomicU64,
}

#[async_trait]
impl Subject for SharedSubject {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn submit(&self, unit: Unit) -> Result<Lsn, Conflict> {
        let number = self.unit_count.fetch_add(1, Ordering::Relaxed);
        let global_id = global_id(&format!("{:p}-{number}", self));
        let unit = SharedUnit {
            message_id: MessageId { global_id, direction: Handle, position: Position(0) },
            key_values: unit.key_values.expect("the cases of the key-values submit nothing else"),
            outcome: Some(number.to_string().into()),
        };
        let outcome = unit.outcome.clone();
        let mut applied = self.store.0.apply(&[unit]).await.expect("the state takes units");
        match applied.units.remove(0)? {
            Taken::Now => Ok(applied.batch.expect("an outcome was written")),
            // A try of which it was not known how it ended, as on a machine that stood still.
            Taken::Before(before) => {
                assert_eq!(Some(before), outcome, "no message came twice");
                Ok(self.store.snapshot().lsn)
            }
        }
    }

    /// Whoever submits has waited for it already. The question paces those who ask in a loop.
    async fn sync(&self) {
        self.store.0.snapshot().await.expect("the state answers");
    }

    async fn write_unsynced(&self) {
        self.sync().await;
    }

    async fn restart(self: Box<Self>) -> Box<dyn Subject> {
        let Self { medium, store, unit_count } = *self;
        drop(store);
        let state = medium.open().await;
        Box::new(Self { medium, store: Arc::new(KeyValues(state)), unit_count })
    }

    async fn crash(self: Box<Self>) -> Box<dyn Subject> {
        self.restart().await
    }

    async fn damage(&self, _global_id: &GlobalId) {
        elsewhere()
    }
}

struct KeyValues(Arc<dyn SharedState>);

fn elsewhere() -> ! {
    panic!("a shared state holds key-values and nothing else; this case is not for it")
}

#[async_trait]
impl Store for KeyValues {
    /// The journal is nowhere in it, also not that of a refused unit.
    async fn journal(&self, _global_id: &GlobalId) -> Result<Vec<Record>, Error> {
        Ok(Vec::new())
    }

    fn snapshot(&self) -> Snapshot {
        let asked = self.0.snapshot();
        let lsn = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked));
        Snapshot { lsn: lsn.expect("the state answers"), guard: None }
    }

    async fn value(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.0.value(bucket, key).await.expect("the state answers"))
    }

    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, Error> {
        Ok(self.0.keys(bucket, after, limit).await.expect("the state answers"))
    }

    async fn parked(&self, _key: &WaitKey, _limit: usize) -> Result<Vec<Parked>, Error> {
        elsewhere()
    }

    async fn parked_message(&self, _id: &ParkedId) -> Result<Option<Parked>, Error> {
        elsewhere()
    }

    async fn parked_due(&self, _now: Timestamp, _limit: usize) -> Result<Vec<Parked>, Error> {
        elsewhere()
    }

    async fn parked_next_due(&self) -> Result<Option<Timestamp>, Error> {
        elsewhere()
    }

    async fn signal(&self, _key: &WaitKey, _now: Timestamp) -> Result<Option<RememberedSignal>, Error> {
        elsewhere()
    }

    async fn expired_signals(&self, _now: Timestamp, _limit: usize) -> Result<Vec<WaitKey>, Error> {
        elsewhere()
    }

    async fn marks(&self) -> Result<Vec<Mark>, Error> {
        elsewhere()
    }

    async fn feed(&self, _after: Lsn, _limit: usize) -> Result<Vec<Committed>, Error> {
        elsewhere()
    }

    async fn project(&self, _batches: &[Arc<Committed>]) -> Result<(), Error> {
        elsewhere()
    }

    async fn projected(&self) -> Result<Lsn, Error> {
        elsewhere()
    }

    async fn list(&self, _query: &ListQuery) -> Result<Page<Summary>, Error> {
        elsewhere()
    }

    async fn error_groups(&self, _query: &ErrorQuery) -> Result<Page<ErrorGroup>, Error> {
        elsewhere()
    }

    async fn group_members(&self, _group: &GroupId, _limit: usize) -> Result<Vec<GlobalId>, Error> {
        elsewhere()
    }

    async fn retain(&self, _before: Timestamp, _now: Timestamp, _limit: usize) -> Result<usize, Error> {
        elsewhere()
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        elsewhere()
    }
}

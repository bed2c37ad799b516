//! What must survive: the journal (which is the processed mark and the stored outcome), key-value of the steps, parked
//! messages, remembered signals, operators' marks, and the projection that the monitor reads.
//! Several hosts share the key-values by the trait `shared::SharedState`.
//! It must not know brokers, plugins or HTTP. The door is the trait `Store`; `JointStore` is its half of the embedded
//! commit.
#![forbid(unsafe_code)]

pub mod backends;
pub mod conformance;
pub mod embedded;
mod error;
pub mod projection;
pub mod shared;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, GlobalId, Lsn, WaitKey};
use host_core::record::Record;
use host_core::table::Batch;
use host_core::time::Timestamp;
use host_core::unit::{Mark, Parked, ParkedId, RememberedSignal, Unit};

pub use error::{Conflict, Damage, Error, Remedy};
pub use projection::{Audit, Difference, ErrorGroup, ErrorQuery, GroupId, ListQuery, Page, Summary, Trouble};

/// Reads of everything that survives, and the projection's writes. Every other write goes through a commit.
///
/// Read your writes: a read sees every unit that was submitted before the read began, durable or not; it may wait for
/// the write of that unit. Reads have no effect and may be cancelled.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// All records of a saga in the order of their commit; empty if there is no such saga.
    async fn journal(&self, global_id: &GlobalId) -> Result<Vec<Record>, Error>;

    /// Begin to read key-values: what was submitted up to now is visible. Keep the guard while the call lasts; a unit
    /// whose reads were overwritten after the snapshot is refused with `Conflict`.
    fn snapshot(&self) -> Snapshot;

    /// The value under `key`, the newest that was submitted.
    async fn value(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, Error>;

    /// Keys after `after` in byte order, at most `limit`.
    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, Error>;

    /// Messages that wait for `key`, oldest first, at most `limit`.
    async fn parked(&self, key: &WaitKey, limit: usize) -> Result<Vec<Parked>, Error>;

    /// One parked message.
    async fn parked_message(&self, id: &ParkedId) -> Result<Option<Parked>, Error>;

    /// Parked messages whose time is over, earliest first, at most `limit`.
    async fn parked_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Parked>, Error>;

    /// When the next parked message's time is over.
    async fn parked_next_due(&self) -> Result<Option<Timestamp>, Error>;

    /// A signal that is remembered for `key`, if its time is not over.
    async fn signal(&self, key: &WaitKey, now: Timestamp) -> Result<Option<RememberedSignal>, Error>;

    /// Remembered signals whose time is over, at most `limit` rows looked at a call, in turn. Where hosts share a
    /// store's rows `retain` leaves them, and the host that owns a key forgets its signal.
    async fn expired_signals(&self, now: Timestamp, limit: usize) -> Result<Vec<WaitKey>, Error>;

    /// Acts that no message has met yet.
    async fn marks(&self) -> Result<Vec<Mark>, Error>;

    /// Batches of the journal in commit order after `after`, at most `limit` batches. Only what the projection has not
    /// yet consumed is kept.
    async fn feed(&self, after: Lsn, limit: usize) -> Result<Vec<Committed>, Error>;

    /// Fold these batches into the summaries and forget their feed entries. The batches come in commit order, each
    /// once; after a crash those that were not folded come again, and folding one twice changes nothing.
    async fn project(&self, batches: &[Arc<Committed>]) -> Result<(), Error>;

    /// Up to where the projection is.
    async fn projected(&self) -> Result<Lsn, Error>;

    /// Summaries, newest start first.
    async fn list(&self, query: &ListQuery) -> Result<Page<Summary>, Error>;

    /// What stands in the way now, grouped by cause, most sagas first.
    async fn error_groups(&self, query: &ErrorQuery) -> Result<Page<ErrorGroup>, Error>;

    /// The sagas of a group, as they are now, at most `limit`.
    async fn group_members(&self, group: &GroupId, limit: usize) -> Result<Vec<GlobalId>, Error>;

    /// Forget what retention allows: finished sagas that ended before `before` (journal, summary), expired signals.
    /// Does a bounded piece of work and answers how many sagas it removed.
    async fn retain(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<usize, Error>;

    /// How much the store holds, for metrics and doctor.
    async fn statistics(&self) -> Result<Statistics, Error>;
}

/// A point in the order of commits, held while a call reads.
pub struct Snapshot {
    pub lsn: Lsn,
    /// Dropping it tells the store that nobody reads at this point any more.
    pub guard: Option<Box<dyn Any + Send + Sync>>,
}

/// One batch of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The last unit of the batch.
    pub lsn: Lsn,
    pub records: Vec<Record>,
}

/// Counts of what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    pub disk_bytes: u64,
    pub sagas: u64,
    pub parked: u64,
    /// Sagas by status, in the order of `Status::ALL`.
    pub by_status: [u64; 8],
}

/// The store's half of a commit that shares one database with the broker. The joint committer calls `stage` for each
/// unit under its lock, then, outside the lock and once per batch, `seal`; then it writes the batch; then `written`.
pub trait JointStore: Store {
    /// What was staged and not yet sealed.
    type Open: Default + Send;

    /// Take the store's part of a unit (everything but `ack` and `publishes`). Visible to reads at once. On a conflict
    /// nothing was taken and the unit is as it was.
    fn stage(&self, open: &mut Self::Open, lsn: Lsn, unit: &mut Unit) -> Result<(), Conflict>;

    /// Turn what was staged into writes. `lsn` is the last unit's. Returns the records for those who follow the
    /// journal.
    fn seal(&self, open: Self::Open, lsn: Lsn, batch: &mut Batch) -> Vec<Record>;

    /// Add to a batch what hosts have committed, this one among them; `lsn` is the batch's, and grows from one to the
    /// next. Rows that are in the batch already were committed with the records. For tables that are written by
    /// following: units are staged and sealed all the same, and what they seal goes to the other hosts.
    fn follow(&self, records: &[Record], lsn: Lsn, batch: &mut Batch) -> Result<(), Error>;

    /// Everything up to `lsn` is in the tables (and synced).
    fn written(&self, lsn: Lsn);

    /// Nothing will be written any more: reads that wait for a write fail from now on.
    fn stopped(&self);
}

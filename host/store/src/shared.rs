//! What several hosts on one set of topics share beyond the topics: the key-values of the steps, and what came of each
//! message that changed them. The door is the trait `SharedState`. It must not know which database holds it.
//!
//! The order of a commit is: first `apply`, then the transaction of the broker, then `published`. A host that dies
//! between the first two leaves an outcome that nobody was told; the message comes again, `outcome` finds it, and it is
//! published without a call.

mod admit;
mod error;
pub mod limits;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, Lsn, MessageId};
use host_core::time::Timestamp;
use host_core::unit::KeyValueTxn;

use crate::Conflict;
pub(crate) use admit::{Admitted, Known, admit, check};
pub use error::{Error, Remedy};

/// Key-values and outcomes that several hosts read and write. One handle a host, cheap to share between its tasks.
///
/// Every function answers from the database and waits for it. When the database cannot be reached they try again for a
/// while (the implementation's patience) and then fail with an error whose remedy is `Again`. All but `apply` may be
/// cancelled without effect or, for the writes, with the effect that the next call is told of.
#[async_trait]
pub trait SharedState: Send + Sync + 'static {
    /// Begin to read: everything up to this point is visible to every read that begins from now on. Older points are
    /// right too, and refuse more units.
    async fn snapshot(&self) -> Result<Lsn, Error>;

    /// The newest value under `key` that any host has committed.
    async fn value(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, Error>;

    /// Keys after `after` in byte order, at most `limit`.
    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, Error>;

    /// Commit units together, in this order. On return each is durable and visible to every host, or was refused and
    /// left nothing behind; refusing one does not touch the others. Units whose message has an outcome already change
    /// nothing, whatever they hold, and are told that outcome.
    ///
    /// It may be called again with the same units after an error or a cancellation, of which it is not known whether
    /// anything was committed: that is found out by the outcomes, and nothing is done twice.
    async fn apply(&self, units: &[SharedUnit]) -> Result<Applied, Error>;

    /// What came of a message, if a unit of it was committed and not yet forgotten.
    async fn outcome(&self, message_id: &MessageId) -> Result<Option<Bytes>, Error>;

    /// The broker holds everything that follows from these batches, so their messages will not come again and
    /// `forget` may remove their outcomes. A crash may forget that this was said; nothing else depends on it.
    async fn published(&self, batches: &[Lsn]) -> Result<(), Error>;

    /// Remove outcomes of batches that are older than `before` and published, and what is remembered of keys that were
    /// removed before it. Outcomes that nobody published, as after a crash, stay for
    /// [`limits::UNPUBLISHED_AGE_MAX`] longer, since their messages may still be on their way. Does a bounded piece of
    /// work, at most `limit` of each kind, and answers how much it removed.
    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, Error>;
}

/// What one call read and wrote, with what came of it.
#[derive(Debug, Clone)]
pub struct SharedUnit {
    /// The same for every attempt of the same work.
    pub message_id: MessageId,
    pub key_values: KeyValueTxn,
    /// Kept under the message-id, for a host that gets the message again. None for an attempt that does not end the
    /// message, as a retry: its reads are checked, and it may write nothing.
    pub outcome: Option<Bytes>,
}

/// What became of the units of one `apply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The place of what was written in the order of all hosts, for `published`; none if nothing was written.
    pub batch: Option<Lsn>,
    /// For each unit, in their order.
    pub units: Vec<Result<Taken, Conflict>>,
}

/// A unit that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Its writes and its outcome are committed.
    Now,
    /// An attempt of the same message had been committed before, with this outcome. It is what has to be published.
    Before(Bytes),
}

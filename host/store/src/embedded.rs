//! The store over `Tables`: journal, key-values, parked messages, signals and marks, each visible from the moment it is
//! staged and durable from the moment its batch is written. It must not know which database holds the tables.

pub(crate) mod format;
pub(crate) mod journal;
pub(crate) mod keys;
mod overlay;
mod progress;
mod waiting;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, GlobalId, Lsn, WaitKey};
use host_core::record::Record;
use host_core::table::{Batch, Table, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Mark, Parked, ParkedId, RememberedSignal, Unit};
use parking_lot::Mutex;

use crate::projection::{Audit, ErrorGroup, ErrorQuery, GroupId, ListQuery, Page, Projector, Summary, audit, list};
use crate::{Committed, Conflict, Error, JointStore, Snapshot, Statistics, Store};
pub use format::FORMAT;
use overlay::{Known, Overlay};
use progress::{Family, Progress};
use waiting::{Change, Waiting, Writer};

/// The embedded store.
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

struct Inner {
    tables: Arc<dyn Tables>,
    progress: Arc<Progress>,
    overlay: Arc<Overlay>,
    waiting: Waiting,
    /// Guards the one writer of the projection: folding and retention change the same counts.
    projector: Mutex<Projector>,
    last_lsn: Lsn,
}

/// What was staged and not yet sealed.
#[derive(Default)]
pub struct Open {
    records: Vec<Record>,
    key_values: Vec<(BucketName, Arc<str>, Option<Bytes>)>,
    changes: Vec<Change>,
}

impl EmbeddedStore {
    /// Open over tables of this format, which are marked with it if they are empty.
    pub fn open(tables: Arc<dyn Tables>) -> Result<Self, Error> {
        Self::open_as(tables, Writer::Here)
    }

    /// The same over tables that are written by following what several hosts commit.
    pub fn open_followed(tables: Arc<dyn Tables>) -> Result<Self, Error> {
        Self::open_as(tables, Writer::Follower)
    }

    fn open_as(tables: Arc<dyn Tables>, writer: Writer) -> Result<Self, Error> {
        format::check(&*tables)?;
        let last_lsn = read_lsn(&*tables, keys::META_LAST_LSN)?;
        let progress = Arc::new(Progress::new(last_lsn));
        let inner = Inner {
            overlay: Arc::new(Overlay::new(progress.clone())),
            progress,
            waiting: Waiting::open(&*tables, writer)?,
            projector: Mutex::new(Projector::open(&*tables)?),
            tables,
            last_lsn,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The last unit that survived: commits go on behind it.
    pub fn last_lsn(&self) -> Lsn {
        self.inner.last_lsn
    }

    /// Hold lists, counts and error groups against a fresh fold of the journal. Reads everything that is stored, so it
    /// is for a store that no host uses at the moment. Blocks.
    pub fn audit(&self) -> Result<Audit, Error> {
        let projected = read_lsn(&*self.inner.tables, keys::META_PROJECTED)?;
        audit::audit(&*self.inner.tables, projected)
    }

    /// Run what reads or writes many rows off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = self.inner.clone();
        // The only way a blocking task is lost is that the runtime ends.
        tokio::task::spawn_blocking(move || work(&inner)).await.unwrap_or(Err(Error::ShuttingDown))
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn journal(&self, global_id: &GlobalId) -> Result<Vec<Record>, Error> {
        self.inner.progress.saga_written(global_id).await?;
        journal::read(&*self.inner.tables, global_id)
    }

    fn snapshot(&self) -> Snapshot {
        self.inner.overlay.snapshot()
    }

    async fn value(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, Error> {
        match self.inner.overlay.value(bucket, key) {
            Known::Here(value) => Ok(value),
            Known::InTables => Ok(self.inner.tables.get(Table::KeyValue, &keys::key_value(bucket, key))?),
        }
    }

    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, Error> {
        self.inner.keys(bucket, after, limit)
    }

    async fn parked(&self, key: &WaitKey, limit: usize) -> Result<Vec<Parked>, Error> {
        self.inner.progress.family_written(Family::Parked).await?;
        waiting::messages(&*self.inner.tables, key, limit)
    }

    async fn parked_message(&self, id: &ParkedId) -> Result<Option<Parked>, Error> {
        self.inner.progress.family_written(Family::Parked).await?;
        waiting::message(&*self.inner.tables, id)
    }

    async fn parked_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Parked>, Error> {
        self.inner.progress.family_written(Family::Parked).await?;
        waiting::due(&*self.inner.tables, now, limit)
    }

    async fn parked_next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.inner.progress.family_written(Family::Parked).await?;
        waiting::next_due(&*self.inner.tables)
    }

    async fn signal(&self, key: &WaitKey, now: Timestamp) -> Result<Option<RememberedSignal>, Error> {
        self.inner.progress.family_written(Family::Signals).await?;
        waiting::signal(&*self.inner.tables, key, now)
    }

    async fn expired_signals(&self, now: Timestamp, limit: usize) -> Result<Vec<WaitKey>, Error> {
        self.blocking(move |inner| inner.waiting.expired(&*inner.tables, now, limit)).await
    }

    async fn marks(&self) -> Result<Vec<Mark>, Error> {
        self.inner.progress.family_written(Family::Marks).await?;
        waiting::marks(&*self.inner.tables)
    }

    async fn feed(&self, after: Lsn, limit: usize) -> Result<Vec<Committed>, Error> {
        self.blocking(move |inner| journal::feed(&*inner.tables, after, limit)).await
    }

    async fn project(&self, batches: &[Arc<Committed>]) -> Result<(), Error> {
        let batches = batches.to_vec();
        self.blocking(move |inner| inner.projector.lock().project(&*inner.tables, &batches)).await
    }

    async fn projected(&self) -> Result<Lsn, Error> {
        read_lsn(&*self.inner.tables, keys::META_PROJECTED)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<Summary>, Error> {
        let query = query.clone();
        self.blocking(move |inner| list::summaries(&*inner.tables, &query)).await
    }

    async fn error_groups(&self, query: &ErrorQuery) -> Result<Page<ErrorGroup>, Error> {
        let query = query.clone();
        self.blocking(move |inner| list::error_groups(&*inner.tables, &query)).await
    }

    async fn group_members(&self, group: &GroupId, limit: usize) -> Result<Vec<GlobalId>, Error> {
        let group = group.clone();
        self.blocking(move |inner| list::group_members(&*inner.tables, &group, limit)).await
    }

    async fn retain(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<usize, Error> {
        self.blocking(move |inner| inner.retain(before, now, limit)).await
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        self.blocking(|inner| {
            let by_status = inner.projector.lock().counts();
            Ok(Statistics {
                disk_bytes: inner.tables.disk_bytes(),
                sagas: by_status.iter().sum(),
                parked: inner.waiting.count(),
                by_status,
            })
        })
        .await
    }
}

impl JointStore for EmbeddedStore {
    type Open = Open;

    fn stage(&self, open: &mut Open, lsn: Lsn, unit: &mut Unit) -> Result<(), Conflict> {
        let Inner { progress, overlay, waiting, .. } = &*self.inner;
        if let Some(txn) = &unit.key_values {
            overlay.check(txn)?;
        }
        for record in unit.records.drain(..) {
            progress.touch_saga(&record.global_id, lsn);
            open.records.push(record);
        }
        if let Some(txn) = unit.key_values.take() {
            overlay.apply(lsn, &txn.writes);
            open.key_values.extend(txn.writes);
        }
        waiting.stage(&mut open.changes, progress, lsn, unit);
        progress.set_staged(lsn);
        Ok(())
    }

    fn seal(&self, open: Open, lsn: Lsn, batch: &mut Batch) -> Vec<Record> {
        let Open { records, key_values, changes } = open;
        journal::seal(&records, lsn, batch);
        seal_key_values(key_values, batch);
        self.inner.waiting.seal(&*self.inner.tables, changes, batch);
        batch.put(Table::Meta, keys::META_LAST_LSN, keys::lsn(lsn));
        records
    }

    fn follow(&self, records: &[Record], lsn: Lsn, batch: &mut Batch) -> Result<(), Error> {
        self.inner.waiting.recount(&*self.inner.tables, batch)?;
        journal::seal(records, lsn, batch);
        batch.put(Table::Meta, keys::META_LAST_LSN, keys::lsn(lsn));
        Ok(())
    }

    fn written(&self, lsn: Lsn) {
        self.inner.progress.set_written(lsn);
        self.inner.waiting.written(lsn);
        self.inner.overlay.evict();
    }

    fn stopped(&self) {
        self.inner.progress.stop();
    }
}

/// Signals that one run of retention looks at for each saga that it may remove: they are small, and looked at once.
const SIGNALS_A_SAGA: usize = 8;

impl Inner {
    /// The overlay is asked first: a key that is written and forgotten between the two questions is in the tables by
    /// the second.
    fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, Error> {
        let mut found = self.overlay.keys(bucket, after, limit);
        let (mut from, to) = keys::key_value_range(bucket, after);
        loop {
            let rows = self.tables.scan(Table::KeyValue, &from, Some(&to), limit)?;
            for (key, _) in &rows {
                let text = keys::key_value_key(bucket, key)
                    .ok_or_else(|| Error::corrupt(format!("a key of bucket {bucket}"), "it is not UTF-8"))?;
                if !found.contains_key(text) {
                    found.insert(text.into(), true);
                }
            }
            let existing = found.iter().filter(|(_, exists)| **exists).map(|(key, _)| key);
            match rows.last() {
                // Removals that are not written yet may hide rows: read on until enough remain up to the last row.
                Some((last, _)) if rows.len() == limit => {
                    let last_text = keys::key_value_key(bucket, last);
                    if existing.clone().take_while(|key| Some(key.as_ref()) <= last_text).count() >= limit {
                        return Ok(existing.take(limit).cloned().collect());
                    }
                    from = last.to_vec();
                    from.push(0);
                }
                Some(_) | None => return Ok(existing.take(limit).cloned().collect()),
            }
        }
    }

    fn retain(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<usize, Error> {
        self.waiting.expire(&*self.tables, now, limit.saturating_mul(SIGNALS_A_SAGA))?;
        let left_over = waiting::left_over(&*self.tables, before, limit)?;
        self.projector.lock().retain(&*self.tables, left_over, before, limit)
    }
}

/// Only the last write of a key in a batch counts: a hot key is written once.
fn seal_key_values(key_values: Vec<(BucketName, Arc<str>, Option<Bytes>)>, batch: &mut Batch) {
    let mut seen = HashSet::with_capacity(key_values.len());
    for (bucket, key, value) in key_values.into_iter().rev() {
        let key = Bytes::from(keys::key_value(&bucket, &key));
        if !seen.insert(key.clone()) {
            continue;
        }
        match value {
            Some(value) => batch.put(Table::KeyValue, key, value),
            None => batch.remove(Table::KeyValue, key),
        }
    }
}

fn read_lsn(tables: &dyn Tables, key: &'static [u8]) -> Result<Lsn, Error> {
    let Some(bytes) = tables.get(Table::Meta, key)? else { return Ok(Lsn::default()) };
    keys::parse_lsn(&bytes)
        .ok_or_else(|| Error::corrupt(format!("the mark {}", String::from_utf8_lossy(key)), "it is no lsn"))
}

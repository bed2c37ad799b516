//! Key-values that were committed and may not yet be in the tables, with the version of each key that a call in flight
//! may have read: read-your-writes, and no lost update.
//! Invariant: a version that is not here any more is not newer than its shard's `floor`; a call that began before the
//! floor is refused rather than guessed about.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use host_core::id::{BucketName, Lsn};
use host_core::unit::KeyValueTxn;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::progress::Progress;
use crate::{Conflict, Snapshot};

/// Buckets spread over this many locks; two cores seldom want the same.
const SHARD_COUNT: usize = 16;

/// Written versions that are kept for calls in flight. Past it the oldest go, and calls older than them are run again:
/// memory is bounded whatever a call does.
const WRITTEN_VERSIONS_MAX: usize = 1 << 16;

/// Versions forgotten at once: a few microseconds. More are forgotten with the next write, batch or end of a call.
const FORGET_MAX: usize = 64;

pub(super) struct Overlay {
    progress: Arc<Progress>,
    hasher: RandomState,
    /// Each guards the buckets that hash to it. Held for a look-up or one insert, never over a read of the tables.
    shards: [Mutex<Shard>; SHARD_COUNT],
    /// Guards the counts of calls in flight by snapshot.
    in_flight: Mutex<BTreeMap<Lsn, usize>>,
    /// Guards the versions in the order of staging: what `evict` takes from the front.
    versions: Mutex<VecDeque<Version>>,
}

#[derive(Default)]
struct Shard {
    buckets: HashMap<BucketName, Bucket>,
    /// The newest version that was forgotten.
    floor: Lsn,
}

#[derive(Default)]
struct Bucket {
    entries: BTreeMap<Arc<str>, Entry>,
    /// The newest version of any key.
    last: Lsn,
}

struct Entry {
    value: Option<Bytes>,
    version: Lsn,
}

struct Version {
    lsn: Lsn,
    bucket: BucketName,
    key: Arc<str>,
}

/// What the overlay knows about a key.
pub(super) enum Known {
    /// Its newest value; none if it was removed.
    Here(Option<Bytes>),
    /// The tables know.
    InTables,
}

/// Keeps the versions that a call may conflict with.
struct Reading {
    overlay: Arc<Overlay>,
    lsn: Lsn,
}

impl Overlay {
    pub(super) fn new(progress: Arc<Progress>) -> Self {
        let floor = progress.written();
        Self {
            progress,
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(Shard { buckets: HashMap::new(), floor })),
            in_flight: Mutex::default(),
            versions: Mutex::default(),
        }
    }

    pub(super) fn snapshot(self: &Arc<Self>) -> Snapshot {
        let mut in_flight = self.in_flight.lock();
        let lsn = self.progress.staged();
        *in_flight.entry(lsn).or_default() += 1;
        drop(in_flight);
        Snapshot { lsn, guard: Some(Box::new(Reading { overlay: self.clone(), lsn })) }
    }

    pub(super) fn value(&self, bucket: &BucketName, key: &str) -> Known {
        let shard = self.shard(bucket).lock();
        match shard.buckets.get(bucket).and_then(|bucket| bucket.entries.get(key)) {
            Some(entry) => Known::Here(entry.value.clone()),
            None => Known::InTables,
        }
    }

    /// Keys behind `after` with whether they exist, in order, until `limit` existing ones were met.
    pub(super) fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> BTreeMap<Arc<str>, bool> {
        let shard = self.shard(bucket).lock();
        let Some(bucket) = shard.buckets.get(bucket) else { return BTreeMap::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut existing_count = 0;
        bucket
            .entries
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(_, entry)| {
                let wanted = existing_count < limit;
                existing_count += usize::from(entry.value.is_some());
                wanted
            })
            .map(|(key, entry)| (key.clone(), entry.value.is_some()))
            .collect()
    }

    /// Whether everything that the call read is still as it was. The caller holds the order of commits: nothing is
    /// applied between this and `apply`.
    pub(super) fn check(&self, txn: &KeyValueTxn) -> Result<(), Conflict> {
        for (bucket, key) in &txn.reads {
            let shard = self.shard(bucket).lock();
            let entry = shard.buckets.get(bucket).and_then(|bucket| bucket.entries.get(key));
            if entry.map_or(shard.floor, |entry| entry.version) > txn.snapshot {
                return Err(Conflict { bucket: bucket.clone(), key: key.to_string() });
            }
        }
        for bucket in &txn.listed {
            let shard = self.shard(bucket).lock();
            if shard.buckets.get(bucket).map_or(shard.floor, |bucket| bucket.last) > txn.snapshot {
                return Err(Conflict { bucket: bucket.clone(), key: "*".to_owned() });
            }
        }
        Ok(())
    }

    /// Make the writes of a unit visible.
    pub(super) fn apply(&self, lsn: Lsn, writes: &[(BucketName, Arc<str>, Option<Bytes>)]) {
        for (name, key, value) in writes {
            let mut shard = self.shard(name).lock();
            if !shard.buckets.contains_key(name) {
                shard.buckets.insert(name.clone(), Bucket::default());
            }
            let bucket = shard.buckets.get_mut(name).expect("it was just put there");
            bucket.last = lsn;
            bucket.entries.insert(key.clone(), Entry { value: value.clone(), version: lsn });
        }
        self.versions.lock().extend(writes.iter().map(|(bucket, key, _)| Version {
            lsn,
            bucket: bucket.clone(),
            key: key.clone(),
        }));
    }

    /// Forget versions that are written and that no call in flight is older than, a bounded number at once. More are
    /// forgotten per call than one write adds, so the overlay empties.
    pub(super) fn evict(&self) {
        let written = self.progress.written();
        let horizon = {
            let in_flight = self.in_flight.lock();
            // Read under the lock: a snapshot taken after this one is not older than what is staged now.
            in_flight.keys().next().copied().unwrap_or_else(|| self.progress.staged())
        };
        let mut forgotten = SmallVec::<[Version; FORGET_MAX]>::new();
        {
            let mut versions = self.versions.lock();
            while forgotten.len() < FORGET_MAX {
                let over = versions.len() > WRITTEN_VERSIONS_MAX;
                match versions.front() {
                    Some(front) if front.lsn <= written && (over || front.lsn <= horizon) => {
                        forgotten.extend(versions.pop_front());
                    }
                    Some(_) | None => break,
                }
            }
        }
        forgotten.iter().for_each(|version| self.forget(version));
    }

    fn forget(&self, version: &Version) {
        let mut shard = self.shard(&version.bucket).lock();
        let Some(bucket) = shard.buckets.get_mut(&version.bucket) else { return };
        // A newer version of the key stands for itself and has its own place in the queue.
        if bucket.entries.get(&version.key).is_none_or(|entry| entry.version != version.lsn) {
            return;
        }
        bucket.entries.remove(&version.key);
        let emptied = bucket.entries.is_empty();
        if emptied {
            shard.buckets.remove(&version.bucket);
        }
        shard.floor = shard.floor.max(version.lsn);
    }

    fn shard(&self, bucket: &BucketName) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(bucket.as_str()) as usize % SHARD_COUNT]
    }

    /// How many keys are held.
    #[cfg(test)]
    pub(super) fn entry_count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.values().map(|b| b.entries.len()).sum::<usize>()).sum()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut in_flight = self.overlay.in_flight.lock();
        let Some(count) = in_flight.get_mut(&self.lsn) else { return };
        *count -= 1;
        let mut oldest_gone = false;
        if *count == 0 {
            oldest_gone = in_flight.keys().next() == Some(&self.lsn);
            in_flight.remove(&self.lsn);
        }
        drop(in_flight);
        if oldest_gone {
            self.overlay.evict();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> BucketName {
        BucketName::try_new("test.step.s1").expect("a bucket name")
    }

    fn overlay() -> (Arc<Progress>, Arc<Overlay>) {
        let progress = Arc::new(Progress::new(Lsn(0)));
        (progress.clone(), Arc::new(Overlay::new(progress)))
    }

    fn stage(progress: &Progress, overlay: &Overlay, lsn: u64, key: &str) {
        overlay.apply(Lsn(lsn), &[(bucket(), key.into(), Some(Bytes::new()))]);
        progress.set_staged(Lsn(lsn));
    }

    fn write(progress: &Progress, overlay: &Overlay, lsn: u64) {
        progress.set_written(Lsn(lsn));
        overlay.evict();
    }

    #[test]
    fn what_is_written_is_forgotten_when_nobody_can_conflict_with_it() {
        let (progress, overlay) = overlay();
        stage(&progress, &overlay, 1, "a");
        stage(&progress, &overlay, 2, "b");
        write(&progress, &overlay, 1);
        assert_eq!(overlay.entry_count(), 1, "what is not written stays");
        let reader = overlay.snapshot();
        stage(&progress, &overlay, 3, "a");
        write(&progress, &overlay, 3);
        assert_eq!(overlay.entry_count(), 1, "what is newer than a call in flight stays");
        let later = overlay.snapshot();
        drop(reader);
        assert_eq!(overlay.entry_count(), 0, "the call that ended was the oldest");
        drop(later);
        assert!(overlay.in_flight.lock().is_empty());
        assert!(overlay.versions.lock().is_empty());
    }

    #[test]
    fn calls_that_never_end_do_not_make_it_grow() {
        let (progress, overlay) = overlay();
        let stuck = overlay.snapshot();
        for lsn in 1..=(WRITTEN_VERSIONS_MAX as u64 + 100) {
            stage(&progress, &overlay, lsn, &format!("key-{lsn}"));
        }
        write(&progress, &overlay, WRITTEN_VERSIONS_MAX as u64 + 100);
        overlay.evict();
        assert_eq!(overlay.entry_count(), WRITTEN_VERSIONS_MAX);
        let txn = |key: &str| KeyValueTxn {
            snapshot: stuck.lsn,
            reads: vec![(bucket(), key.into())],
            ..KeyValueTxn::default()
        };
        assert!(overlay.check(&txn("key-1")).is_err(), "a call older than what is remembered is refused");
        let fresh = overlay.snapshot();
        let txn = KeyValueTxn { snapshot: fresh.lsn, ..txn("key-1") };
        assert!(overlay.check(&txn).is_ok(), "a new call is not");
    }
}

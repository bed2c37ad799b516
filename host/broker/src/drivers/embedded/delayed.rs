//! Messages that are not due yet: those that come next in memory, the rest in the tables only.
//! Must not know topics or consumers; it is told who is due by the commit that moves them.
//! Invariant: every delayed message before `horizon` is in `near`, with a claim, or moved; one from there on is in
//! `unwritten` or in the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use host_core::id::Lsn;
use host_core::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::options::EmbeddedOptions;
use super::row::{DelayedKey, TopicId};
use super::scans::{Scan, Scans};
use super::stored::Stored;

#[derive(Debug)]
pub(super) struct Delayed {
    /// Guards the maps; held for map operations only.
    state: Mutex<State>,
    /// Something is due before what `next_due` told last.
    pub changed: Notify,
}

#[derive(Debug)]
struct State {
    near: BTreeMap<DelayedKey, Arc<Stored>>,
    near_bytes: usize,
    /// None: everything is near.
    horizon: Option<DelayedKey>,
    /// Staged and perhaps not yet in the tables, from the horizon on.
    unwritten: BTreeMap<DelayedKey, Arc<Stored>>,
    /// Rows that may still be in the tables though nobody shall find them.
    absent: BTreeMap<DelayedKey, Absent>,
    scans: Scans,
    /// What `next_due` told last.
    told: Option<Timestamp>,
    /// The first unit of this process that delayed a message: those of before may have been claimed then.
    first: Option<Lsn>,
    /// No message after this one came back from a claim.
    last_returned: Option<DelayedKey>,
}

/// A message that is due.
#[derive(Debug)]
pub(super) struct Due {
    pub key: DelayedKey,
    pub stored: Arc<Stored>,
    pub past: Past,
}

/// What a message that enters its topic went through before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    New,
    /// A claim may have had it.
    MaybeDelivered,
}

/// Why a row is not to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    Claimed,
    /// The row goes with this unit.
    Gone(Lsn),
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Due(Option<Timestamp>),
    /// Nothing is near: read rows from here on and give them to `loaded`.
    Load {
        from: DelayedKey,
        scan: Scan,
    },
}

/// What a reading of the tables found.
#[derive(Debug)]
pub(super) struct Found {
    pub scan: Scan,
    pub from: DelayedKey,
    pub rows: Vec<(DelayedKey, Arc<Stored>)>,
    /// There is nothing else before this key; none: nothing else at all.
    pub upto: Option<DelayedKey>,
}

/// What a claim of a key finds.
#[derive(Debug)]
pub(super) enum Search {
    Found(Arc<Stored>),
    /// Read the rows from here on for the key. `fallback` is the one to take if there is none.
    Scan {
        from: DelayedKey,
        fallback: Option<Arc<Stored>>,
        scan: Scan,
    },
    Absent,
}

impl Delayed {
    /// What was left is found in the tables.
    pub(super) fn new() -> Self {
        let state = State {
            near: BTreeMap::new(),
            near_bytes: 0,
            horizon: Some(DelayedKey::MIN),
            unwritten: BTreeMap::new(),
            absent: BTreeMap::new(),
            scans: Scans::default(),
            told: None,
            first: None,
            last_returned: None,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// A message was staged.
    pub(super) fn insert(&self, key: DelayedKey, stored: Arc<Stored>, options: &EmbeddedOptions) {
        let mut state = self.state.lock();
        state.first.get_or_insert(key.lsn);
        state.put(key, stored, Lsn(0), options);
        let is_earlier = state.told.is_none_or(|told| key.due < told);
        drop(state);
        if is_earlier {
            self.changed.notify_one();
        }
    }

    /// What comes next, as far as it is known without reading.
    pub(super) fn next(&self, written: Lsn) -> Next {
        let mut state = self.state.lock();
        match (state.near.first_key_value(), state.horizon) {
            (Some((key, _)), _) => {
                state.told = Some(key.due);
                Next::Due(state.told)
            }
            (None, Some(from)) => Next::Load { from, scan: state.scans.begin(written) },
            (None, None) => {
                state.told = None;
                Next::Due(None)
            }
        }
    }

    /// Take in what a `Next::Load` found.
    pub(super) fn loaded(&self, found: Found, options: &EmbeddedOptions, written: Lsn) {
        let Found { scan, from, rows, upto } = found;
        let mut state = self.state.lock();
        if state.horizon == Some(from) {
            state.horizon = upto;
            let beyond = upto.map(|upto| state.unwritten.split_off(&upto)).unwrap_or_default();
            let staged = std::mem::replace(&mut state.unwritten, beyond);
            let found = rows.into_iter().filter(|(key, _)| !staged.contains_key(key)).collect::<Vec<_>>();
            for (key, stored) in found.into_iter().chain(staged.clone()) {
                if !state.absent.contains_key(&key) {
                    state.put(key, stored, written, options);
                }
            }
        }
        state.end_scan(scan, written);
    }

    /// The tables were read for a claim, or could not be read.
    pub(super) fn end_scan(&self, scan: Scan, written: Lsn) {
        self.state.lock().end_scan(scan, written);
    }

    /// The first message that is due, as far as those in memory go; `settle` has to follow.
    pub(super) fn take_due(&self, now: Timestamp) -> Option<Due> {
        let mut state = self.state.lock();
        let (&key, _) = state.near.first_key_value().filter(|(key, _)| key.due <= now)?;
        let stored = state.take_near(key)?;
        state.absent.insert(key, Absent::Claimed);
        Some(Due { key, stored, past: state.past(key) })
    }

    /// The row of a message that was taken or claimed goes with the unit `lsn`; none if it never had one.
    pub(super) fn settle(&self, key: DelayedKey, row_gone_with: Option<Lsn>) {
        let mut state = self.state.lock();
        match row_gone_with {
            Some(lsn) => state.absent.insert(key, Absent::Gone(lsn)),
            None => state.absent.remove(&key),
        };
    }

    /// A claim comes back.
    pub(super) fn put_back(&self, key: DelayedKey, stored: Arc<Stored>, written: Lsn, options: &EmbeddedOptions) {
        let mut state = self.state.lock();
        state.absent.remove(&key);
        state.last_returned = state.last_returned.max(Some(key));
        state.put(key, stored, written, options);
        let is_earlier = state.told.is_none_or(|told| key.due < told);
        drop(state);
        if is_earlier {
            self.changed.notify_one();
        }
    }

    /// Look for the first message of a key. What is found is claimed; a scan has to be ended.
    pub(super) fn search(&self, topic: TopicId, key: &str, written: Lsn) -> Search {
        let mut state = self.state.lock();
        let is_wanted = |(at, stored): &(&DelayedKey, &Arc<Stored>)| at.topic == topic && &*stored.message.key == key;
        if let Some(at) = state.near.iter().find(is_wanted).map(|(&at, _)| at)
            && let Some(stored) = state.take_near(at)
        {
            state.absent.insert(at, Absent::Claimed);
            return Search::Found(stored);
        }
        let Some(from) = state.horizon else { return Search::Absent };
        let fallback = state.unwritten.iter().find(is_wanted).map(|(_, stored)| stored.clone());
        Search::Scan { from, fallback, scan: state.scans.begin(written) }
    }

    /// Claim what a scan found. None if it is not at rest any more.
    pub(super) fn claim(&self, key: DelayedKey, stored: Arc<Stored>) -> Option<Arc<Stored>> {
        let mut state = self.state.lock();
        if state.absent.contains_key(&key) {
            return None;
        }
        let stored = match state.horizon {
            Some(horizon) if key >= horizon => state.unwritten.remove(&key).unwrap_or(stored),
            Some(_) | None => state.take_near(key)?,
        };
        state.absent.insert(key, Absent::Claimed);
        Some(stored)
    }

    /// Everything up to `written` is in the tables.
    pub(super) fn forget_written(&self, written: Lsn) {
        self.state.lock().forget_written(written);
    }

    #[cfg(test)]
    pub(super) fn in_memory_count(&self) -> usize {
        let state = self.state.lock();
        state.near.len() + state.unwritten.len()
    }
}

impl State {
    /// Keep a message where it is looked for; the last ones make room.
    fn put(&mut self, key: DelayedKey, stored: Arc<Stored>, written: Lsn, options: &EmbeddedOptions) {
        if self.horizon.is_some_and(|horizon| key >= horizon) {
            self.put_beyond(key, stored, written);
            return;
        }
        self.near_bytes += stored.weight;
        self.near.insert(key, stored);
        while self.near.len() > options.delayed_count_max.max(1)
            || (self.near.len() > 1 && self.near_bytes > options.delayed_bytes_max)
        {
            let Some((&last, _)) = self.near.last_key_value() else { return };
            let Some(stored) = self.take_near(last) else { return };
            self.horizon = Some(last);
            self.put_beyond(last, stored, written);
        }
    }

    /// What is in the tables need not be kept.
    fn put_beyond(&mut self, key: DelayedKey, stored: Arc<Stored>, written: Lsn) {
        if !stored.is_written(written) {
            self.unwritten.insert(key, stored);
        }
    }

    fn past(&self, key: DelayedKey) -> Past {
        let is_of_before = self.first.is_none_or(|first| key.lsn < first);
        if is_of_before || self.last_returned.is_some_and(|last| key <= last) {
            Past::MaybeDelivered
        } else {
            Past::New
        }
    }

    fn take_near(&mut self, key: DelayedKey) -> Option<Arc<Stored>> {
        let stored = self.near.remove(&key)?;
        self.near_bytes -= stored.weight;
        Some(stored)
    }

    fn end_scan(&mut self, scan: Scan, written: Lsn) {
        self.scans.end(scan);
        self.forget_written(written);
    }

    fn forget_written(&mut self, written: Lsn) {
        let written = self.scans.seen(written);
        self.unwritten.retain(|_, stored| !stored.is_written(written));
        self.absent.retain(|_, absent| match absent {
            Absent::Claimed => true,
            Absent::Gone(lsn) => *lsn > written,
        });
    }
}

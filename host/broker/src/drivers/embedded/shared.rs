//! What all handles of one embedded broker share: the path of a message through stage, seal and written, and the
//! reading of the tables for those that did not fit into memory.
//! Order of locks: a topic's `state`, then its `sealed`; no lock is held while another topic's or `delayed`'s is taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use host_core::id::Lsn;
use host_core::table::{Batch, Table, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Ack, Message, Offset, Publish, Unit};
use parking_lot::Mutex;

use super::delayed::{self, Delayed, Due, Next, Past};
use super::open::Open;
use super::options::EmbeddedOptions;
use super::registry::Registry;
use super::row::{self, DelayedKey, Kind};
use super::scans::Scan;
use super::stored::{Place, Stored};
use super::topic::{Found, Row, Topic, Wakes};
use crate::Error;

/// Rows read at a time: a few windows' worth of small messages, and no flood of large ones.
pub(super) const LOAD_ROWS: usize = 64;

/// Delayed messages, and the key before which these are all (none: the end).
type DelayedPage = (Vec<(DelayedKey, Arc<Stored>)>, Option<DelayedKey>);

pub(super) struct Shared {
    pub(super) tables: Arc<dyn Tables>,
    pub(super) options: EmbeddedOptions,
    pub(super) registry: Registry,
    pub(super) delayed: Delayed,
    /// Sealed batches that are not written yet, with the topics they touched.
    sealed: Mutex<VecDeque<(Lsn, Vec<Arc<Topic>>)>>,
    written: AtomicU64,
    /// Held while retention runs: it counts what it removes.
    pub(super) retaining: Mutex<()>,
    is_stopped: AtomicBool,
}

impl Shared {
    pub(super) fn open(tables: Arc<dyn Tables>, options: EmbeddedOptions) -> Result<Self, Error> {
        let registry = Registry::load(&*tables)?;
        Ok(Self {
            tables,
            options,
            registry,
            delayed: Delayed::new(),
            sealed: Mutex::default(),
            written: AtomicU64::new(0),
            retaining: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        })
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.registry.all().iter().for_each(|topic| topic.state.lock().wake_all());
    }

    /// Everything up to here is in the tables.
    pub(super) fn written(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }
}

/// The commit.
impl Shared {
    pub(super) fn stage(&self, open: &mut Open, lsn: Lsn, now: Timestamp, unit: &mut Unit) {
        // First the acknowledgement: the unit may publish the next message of the same key.
        if let Some(ack) = unit.ack.take() {
            self.acknowledge(open, lsn, &ack);
        }
        for (index, Publish { message, due }) in unit.publishes.drain(..).enumerate() {
            match due.filter(|&due| due > now) {
                Some(due) => self.publish_delayed(open, (lsn, index), now, due, message),
                None => self.publish(open, lsn, now, message, Past::New),
            }
        }
    }

    fn publish(&self, open: &mut Open, lsn: Lsn, now: Timestamp, message: Message, past: Past) {
        let topic = self.registry.find_or_make(&message.topic, &self.options);
        let mut state = topic.state.lock();
        let touched = open.touch(&topic, &mut state, lsn);
        let place = Place::Ready { topic: topic.id, offset: state.next };
        let stored = Arc::new(Stored::new(message, now, place, Some(open.next_slot(touched, lsn))));
        open.stage(stored.clone());
        match past {
            Past::New => {}
            Past::MaybeDelivered => state.note_redelivery(),
        }
        let wakes = state.publish(topic.kind, stored, &self.options);
        drop(state);
        wake(wakes);
    }

    fn publish_delayed(
        &self,
        open: &mut Open,
        (lsn, index): (Lsn, usize),
        now: Timestamp,
        due: Timestamp,
        message: Message,
    ) {
        let topic = self.registry.find_or_make(&message.topic, &self.options);
        let index = u32::try_from(index).expect("a unit publishes as many messages as fit in memory");
        let key = DelayedKey { due, topic: topic.id, lsn, index };
        let mut state = topic.state.lock();
        let touched = open.touch(&topic, &mut state, lsn);
        state.delayed_count += 1;
        drop(state);
        let stored = Arc::new(Stored::new(message, now, Place::Delayed(key), Some(open.next_slot(touched, lsn))));
        open.stage(stored.clone());
        self.delayed.insert(key, stored, &self.options);
    }

    fn acknowledge(&self, open: &mut Open, lsn: Lsn, ack: &Ack) {
        let mut wakes = Wakes::new();
        let Some(topic) = self.registry.find(&ack.topic) else { return unknown(ack, "acknowledged") };
        let Offset(offset) = ack.offset;
        let group = ack.partition as usize;
        let mut state = topic.state.lock();
        let Some(out) = state.settle(topic.kind, group, offset, &mut wakes) else {
            drop(state);
            return unknown(ack, "acknowledged");
        };
        let touched = open.touch(&topic, &mut state, lsn);
        match topic.kind {
            Kind::Log => {
                open.acknowledge(touched, group, offset);
                drop(state);
            }
            Kind::Queue => {
                let has_row = open.remove(touched, &out.stored);
                open.raise_low(touched, state.groups[group].window.low());
                match out.stored.place {
                    Place::Ready { .. } if has_row => state.remember_gone(offset, lsn),
                    Place::Ready { .. } | Place::Delayed(_) => {}
                }
                drop(state);
                if let Place::Delayed(key) = out.stored.place {
                    self.delayed.settle(key, has_row.then_some(lsn));
                }
            }
        }
        wake(wakes);
    }

    pub(super) fn seal(&self, open: Open, lsn: Lsn, batch: &mut Batch) {
        self.sealed.lock().push_back((lsn, open.topics()));
        open.seal(batch);
    }

    pub(super) fn set_written(&self, written: Lsn) {
        // First the mark, then the pruning: whoever shelves a message looks at the mark under its topic's lock, so it
        // sees the mark, or is seen by the pruning.
        self.written.fetch_max(written.0, Ordering::AcqRel);
        let mut topics = Vec::new();
        let mut sealed = self.sealed.lock();
        while sealed.front().is_some_and(|&(lsn, _)| lsn <= written) {
            topics.extend(sealed.pop_front().map(|(_, topics)| topics));
        }
        drop(sealed);
        topics.iter().flatten().for_each(|topic| topic.state.lock().forget_written(written));
        self.delayed.forget_written(written);
    }
}

/// What comes back, and what becomes due.
impl Shared {
    pub(super) fn release(&self, ack: &Ack) {
        let Some(topic) = self.registry.find(&ack.topic) else { return unknown(ack, "released") };
        let Offset(offset) = ack.offset;
        let mut state = topic.state.lock();
        let released = state.release(topic.kind, ack.partition as usize, offset, self.written());
        drop(state);
        let Some(released) = released else { return unknown(ack, "released") };
        if let Some(stored) = released.delayed
            && let Place::Delayed(key) = stored.place
        {
            self.delayed.put_back(key, stored, self.written(), &self.options);
        }
        wake(released.wakes);
    }

    pub(super) fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        loop {
            match self.delayed.next(self.written()) {
                Next::Due(due) => return Ok(due),
                Next::Load { from, scan } => match self.read_delayed(from) {
                    Ok((rows, upto)) => {
                        let found = delayed::Found { scan, from, rows, upto };
                        self.delayed.loaded(found, &self.options, self.written());
                    }
                    Err(error) => {
                        self.delayed.end_scan(scan, self.written());
                        return Err(error);
                    }
                },
            }
        }
    }

    pub(super) fn take_due(&self, open: &mut Open, lsn: Lsn, now: Timestamp, limit: usize) -> usize {
        let mut count = 0;
        while count < limit
            && let Some(Due { key, stored, past }) = self.delayed.take_due(now)
        {
            let Some(topic) = self.registry.find_id(key.topic) else {
                tracing::error!(topic_id = key.topic.0, "a delayed message belongs to no topic and is left alone");
                self.delayed.settle(key, None);
                continue;
            };
            let mut state = topic.state.lock();
            let touched = open.touch(&topic, &mut state, lsn);
            state.delayed_count = state.delayed_count.saturating_sub(1);
            drop(state);
            let has_row = open.remove(touched, &stored);
            self.delayed.settle(key, has_row.then_some(lsn));
            // Nobody else may have it any more; then it need not be copied.
            let message = Arc::try_unwrap(stored).map_or_else(|shared| shared.message.clone(), |own| own.message);
            self.publish(open, lsn, now, message, past);
            count += 1;
        }
        count
    }
}

/// Reading the tables.
impl Shared {
    /// Read messages of a topic into the window of a group, as `State::turn` asked for.
    pub(super) fn load(&self, topic: &Topic, group: usize, (from, to): (u64, u64), scan: Scan) -> Result<(), Error> {
        let read = self.read_messages(topic, from, to, LOAD_ROWS);
        let mut state = topic.state.lock();
        match read {
            Ok((rows, upto)) => {
                let found = Found { scan, from, rows, upto };
                state.loaded(topic.kind, group, found, &self.options, self.written());
                Ok(())
            }
            Err(error) => {
                state.end_scan(scan, self.written());
                Err(error)
            }
        }
    }

    /// Messages of `from..to` in order, at most `limit`, and the offset before which these are all.
    pub(super) fn read_messages(
        &self,
        topic: &Topic,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<(Vec<Row>, u64), Error> {
        let (start, end) = (row::message_key(topic.id, from), row::message_key(topic.id, to));
        let found = self.tables.scan(Table::Messages, &start, Some(&end), limit)?;
        let last = found.last().and_then(|(key, _)| row::message_offset(key)).filter(|_| found.len() >= limit);
        let rows = found.iter().filter_map(|(key, value)| {
            let offset = row::message_offset(key)?;
            match row::decode_message(&topic.name, value) {
                Ok((published_at, message)) => {
                    let place = Place::Ready { topic: topic.id, offset };
                    Some((offset, Arc::new(Stored::new(message, published_at, place, None))))
                }
                Err(cause) => {
                    tracing::error!(topic = %topic.name, offset, cause, "a stored message is corrupt and passed over");
                    None
                }
            }
        });
        Ok((rows.collect(), last.map_or(to, |last| last + 1)))
    }

    /// A page of delayed messages from a key on.
    pub(super) fn read_delayed(&self, from: DelayedKey) -> Result<DelayedPage, Error> {
        let found = self.tables.scan(Table::Delayed, &from.encode(), None, LOAD_ROWS)?;
        let last = found.last().and_then(|(key, _)| DelayedKey::decode(key)).filter(|_| found.len() >= LOAD_ROWS);
        let rows = found.iter().filter_map(|(key, value)| {
            let key = DelayedKey::decode(key)?;
            let topic = self.registry.find_id(key.topic)?;
            match row::decode_message(&topic.name, value) {
                Ok((published_at, message)) => {
                    Some((key, Arc::new(Stored::new(message, published_at, Place::Delayed(key), None))))
                }
                Err(cause) => {
                    tracing::error!(topic = %topic.name, cause, "a delayed message is corrupt and passed over");
                    None
                }
            }
        });
        Ok((rows.collect(), last.map(DelayedKey::successor)))
    }
}

fn wake(wakes: Wakes) {
    wakes.into_iter().for_each(|wake| wake.notify_one());
}

/// Only an error in this program answers for a delivery twice.
fn unknown(ack: &Ack, done: &'static str) {
    debug_assert!(false, "{ack:?} is {done} but is not out");
    tracing::error!(topic = %ack.topic, offset = ack.offset.0, done, "a delivery that is not out was answered for");
}

//! The open batch: what was staged since the last seal, and how it becomes rows. A message that comes and goes within
//! one batch is forgotten here before anything of it is encoded.
//! Must not know consumers. Everything a seal needs was captured when the units were staged: by the time of the seal
//! the topics have already lived through later ones, and a row that told of those could outlive them in a crash.

use std::sync::Arc;

use bytes::Bytes;
use host_core::id::Lsn;
use host_core::table::{Batch, Table};

use super::row::{self, Kind, TopicRow};
use super::stored::{Place, Staged, Stored};
use super::topic::{State, Topic};

/// What was staged and not yet sealed.
#[derive(Debug, Default)]
pub struct Open {
    /// The first unit: the name of this batch.
    first: Option<Lsn>,
    /// Published messages; none for one that went again.
    staged: Vec<Option<Arc<Stored>>>,
    /// Rows of earlier batches that go, with the index of their topic.
    removed: Vec<(usize, Place)>,
    touched: Vec<Touched>,
}

/// What the batch does to one topic.
#[derive(Debug)]
struct Touched {
    topic: Arc<Topic>,
    /// The topic has no row yet.
    is_new: bool,
    next: u64,
    low: u64,
    /// Log: acknowledged offsets, by group.
    acked: Vec<(usize, u64)>,
}

/// The change of a topic's tally.
#[derive(Debug, Default, Clone, Copy)]
struct Change {
    added: u64,
    removed: u64,
    bytes: u64,
    delayed_added: u64,
    delayed_removed: u64,
}

impl Change {
    fn is_none(self) -> bool {
        self.added + self.removed + self.delayed_added + self.delayed_removed == 0
    }
}

impl Open {
    /// The index of a topic that the unit `lsn` changes.
    pub(super) fn touch(&mut self, topic: &Arc<Topic>, state: &mut State, lsn: Lsn) -> usize {
        let open = *self.first.get_or_insert(lsn);
        match state.touched {
            Some((name, index)) if name == open => index,
            Some(_) | None => {
                let is_new = !std::mem::replace(&mut state.has_row, true);
                let index = self.touched.len();
                let topic = topic.clone();
                self.touched.push(Touched { topic, is_new, next: state.next, low: 0, acked: Vec::new() });
                state.touched = Some((open, index));
                index
            }
        }
    }

    /// Where the next message of a touched topic stands in this batch.
    pub(super) fn next_slot(&self, touched: usize, lsn: Lsn) -> Staged {
        Staged { open: self.first.unwrap_or(lsn), slot: self.staged.len(), touched, lsn }
    }

    /// Keep a message that was given the last `next_slot`.
    pub(super) fn stage(&mut self, stored: Arc<Stored>) {
        if let (Some(staged), Place::Ready { offset, .. }) = (stored.staged, stored.place) {
            self.touched[staged.touched].next = offset + 1;
        }
        self.staged.push(Some(stored));
    }

    /// The row of a message goes, or never comes if it was published in this batch. True in the first case.
    pub(super) fn remove(&mut self, touched: usize, stored: &Stored) -> bool {
        match stored.staged {
            Some(staged) if Some(staged.open) == self.first => {
                self.staged[staged.slot] = None;
                false
            }
            Some(_) | None => {
                self.removed.push((touched, stored.place));
                true
            }
        }
    }

    /// Queue: no message is left below this offset.
    pub(super) fn raise_low(&mut self, touched: usize, low: u64) {
        self.touched[touched].low = low;
    }

    /// Log: a group acknowledged an offset.
    pub(super) fn acknowledge(&mut self, touched: usize, group: usize, offset: u64) {
        self.touched[touched].acked.push((group, offset));
    }

    /// The topics whose memory of unwritten messages can be cut once this is written.
    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        self.touched.iter().map(|touched| touched.topic.clone()).collect()
    }

    /// Turn everything into writes.
    pub(super) fn seal(self, batch: &mut Batch) {
        let mut changes = vec![Change::default(); self.touched.len()];
        for stored in self.staged.into_iter().flatten() {
            let value = row::encode_message(stored.published_at, &stored.message);
            let key = stored.place.key();
            if let Some(staged) = stored.staged {
                add(&mut changes[staged.touched], stored.place, &key, &value);
            }
            batch.put(stored.place.table(), key, value);
        }
        for (touched, place) in self.removed {
            match place {
                Place::Ready { .. } => changes[touched].removed += 1,
                Place::Delayed(_) => changes[touched].delayed_removed += 1,
            }
            batch.remove(place.table(), place.key());
        }
        for (touched, change) in self.touched.iter().zip(changes) {
            touched.seal(change, batch);
        }
    }
}

fn add(change: &mut Change, place: Place, key: &Bytes, value: &Bytes) {
    match place {
        Place::Ready { .. } => {
            change.added += 1;
            change.bytes += (key.len() + value.len()) as u64;
        }
        Place::Delayed(_) => change.delayed_added += 1,
    }
}

impl Touched {
    fn seal(&self, change: Change, batch: &mut Batch) {
        let topic = &self.topic;
        if self.is_new {
            let row = TopicRow { id: topic.id, kind: topic.kind };
            batch.put(Table::Topics, row::topic_key(&topic.name), row::encode_value(&row));
        }
        if !change.is_none() {
            self.seal_tally(change, batch);
        }
        if !self.acked.is_empty() {
            self.seal_positions(batch);
        }
    }

    fn seal_tally(&self, change: Change, batch: &mut Batch) {
        let mut sealed = self.topic.sealed.lock();
        let tally = &mut sealed.tally;
        tally.count += change.added;
        tally.delayed_count = (tally.delayed_count + change.delayed_added).saturating_sub(change.delayed_removed);
        tally.next = tally.next.max(self.next);
        match self.topic.kind {
            Kind::Queue => {
                tally.count = tally.count.saturating_sub(change.removed);
                tally.low = tally.low.max(self.low);
            }
            Kind::Log => tally.bytes += change.bytes,
        }
        batch.put(Table::Topics, row::tally_key(self.topic.id), row::encode_value(tally));
    }

    fn seal_positions(&self, batch: &mut Batch) {
        let names: Vec<_> = self.topic.state.lock().groups.iter().map(|group| group.name.clone()).collect();
        let mut sealed = self.topic.sealed.lock();
        sealed.acked.resize_with(names.len(), Default::default);
        let mut changed = vec![false; names.len()];
        for &(group, offset) in &self.acked {
            sealed.acked[group].insert(offset, offset + 1);
            changed[group] = true;
        }
        let groups = names.iter().zip(&sealed.acked).zip(changed).filter(|(_, changed)| *changed);
        for ((name, acked), _) in groups {
            batch.put(Table::Positions, row::position_key(self.topic.id, name), row::encode_value(&acked.pairs()));
        }
    }
}

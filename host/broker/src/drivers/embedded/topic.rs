//! One topic: its messages from the moment they are staged, and the groups that consume them.
//! Must not know the commit's batch nor how rows are read; it says what to read and takes what was found.
//! Invariant: a message at rest is in a group's window, in `unwritten`, or in the tables below `tables_end`; a group
//! finds everything from its window's `end` on in the last two.

mod rest;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use host_core::id::{Lsn, TopicName};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::super::window::{Out, Slot, Window};
use super::options::EmbeddedOptions;
use super::ranges::Ranges;
use super::row::{Kind, Tally, TopicId, Trimmed};
use super::scans::{Scan, Scans};
use super::stored::{Place, Stored};

pub(super) use self::rest::ClaimSearch;

/// Consumers to wake once the lock is released.
pub(super) type Wakes = SmallVec<[Arc<Notify>; 1]>;

#[derive(Debug)]
pub(super) struct Topic {
    pub id: TopicId,
    pub name: TopicName,
    pub kind: Kind,
    /// Guards what is delivered. Held for map operations only, never while a table is read.
    pub state: Mutex<State>,
    /// Guards what the batches sealed so far make of the topic. Taken after `state` where both are.
    pub sealed: Mutex<Sealed>,
}

/// What is in the tables once the last sealed batch is written.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub tally: Tally,
    pub trimmed: Trimmed,
    /// Log: what each group acknowledged, by its index.
    pub acked: Vec<Ranges>,
}

#[derive(Debug)]
pub(super) struct State {
    /// Offset of the next message.
    pub next: u64,
    /// Log: offset of the first message that is kept.
    pub first: u64,
    /// A message below may have been delivered before.
    redelivered_below: u64,
    /// Staged messages that the tables may not hold yet: those at rest in no window; of a log, all.
    unwritten: BTreeMap<u64, Arc<Stored>>,
    /// The tables hold messages at rest below this offset, which are in no window.
    tables_end: u64,
    /// Queue: acknowledged messages whose row may still be in the tables, with the unit that removes it.
    gone: VecDeque<(u64, Lsn)>,
    scans: Scans,
    pub groups: Vec<Group>,
    /// Queue: messages at rest or out. Log: messages kept.
    pub count: u64,
    pub delayed_count: u64,
    /// The row of the topic is in the tables, or in a batch on its way.
    pub has_row: bool,
    /// The open batch that last touched the topic, and the index it has there.
    pub touched: Option<(Lsn, usize)>,
}

/// Consumers of one name. A queue has one group.
#[derive(Debug)]
pub(super) struct Group {
    pub name: String,
    pub window: Window<Stored>,
    /// Log: what was acknowledged.
    pub acked: Ranges,
    consumer: Option<ConsumerSlot>,
    generation: u64,
}

#[derive(Debug)]
struct ConsumerSlot {
    in_flight_max: usize,
    wake: Arc<Notify>,
    /// The consumer found nothing and waits for `wake`.
    is_idle: bool,
}

/// What a consumer does next.
#[derive(Debug)]
pub(super) enum Turn {
    Deliver {
        offset: u64,
        slot: Slot<Stored>,
    },
    /// Read rows of `from..to`, at most what fits the window, and give them to `loaded`.
    Load {
        from: u64,
        to: u64,
        scan: Scan,
    },
    Wait,
    /// Another consumer took over.
    Over,
}

/// The right of a consumer to its group.
#[derive(Debug)]
pub(super) struct Seat {
    pub index: usize,
    pub generation: u64,
    pub wake: Arc<Notify>,
}

/// A message found in the tables.
pub(super) type Row = (u64, Arc<Stored>);

/// What a reading of the tables found.
#[derive(Debug)]
pub(super) struct Found {
    pub scan: Scan,
    pub from: u64,
    pub rows: Vec<Row>,
    /// There is nothing else before this offset.
    pub upto: u64,
}

/// What a release leaves to do.
#[derive(Debug, Default)]
pub(super) struct Released {
    /// A delayed message that goes back among its like.
    pub delayed: Option<Arc<Stored>>,
    pub wakes: Wakes,
}

impl Topic {
    pub(super) fn new(id: TopicId, name: TopicName, kind: Kind) -> Self {
        let groups = match kind {
            Kind::Queue => vec![Group::new(String::new(), 0, Ranges::default())],
            Kind::Log => Vec::new(),
        };
        let state = State {
            next: 0,
            first: 0,
            redelivered_below: 0,
            unwritten: BTreeMap::new(),
            tables_end: 0,
            gone: VecDeque::new(),
            scans: Scans::default(),
            groups,
            count: 0,
            delayed_count: 0,
            has_row: false,
            touched: None,
        };
        Self { id, name, kind, state: Mutex::new(state), sealed: Mutex::default() }
    }

    /// As it was left, found in the tables.
    pub(super) fn restore(&self, tally: Tally, trimmed: Trimmed, positions: Vec<(String, Ranges)>) {
        let mut state = self.state.lock();
        let next = positions.iter().flat_map(|(_, acked)| acked.pairs()).map(|(_, end)| end).fold(tally.next, u64::max);
        state.next = next.max(trimmed.first);
        state.tables_end = state.next;
        state.redelivered_below = state.next;
        state.has_row = true;
        state.delayed_count = tally.delayed_count;
        state.count = tally.count.saturating_sub(trimmed.count);
        match self.kind {
            Kind::Queue => state.groups[0].window.end = tally.low,
            Kind::Log => {
                state.first = trimmed.first;
                let mut sealed = self.sealed.lock();
                for (name, acked) in positions {
                    let end = acked.first_missing().max(trimmed.first);
                    sealed.acked.push(acked.clone());
                    state.groups.push(Group::new(name, end, acked));
                }
            }
        }
        let mut sealed = self.sealed.lock();
        (sealed.tally, sealed.trimmed) = (tally, trimmed);
    }
}

impl Group {
    fn new(name: String, end: u64, acked: Ranges) -> Self {
        Self { name, window: Window::from_offset(end), acked, consumer: None, generation: 0 }
    }

    /// Log: kept messages that were not acknowledged.
    pub(super) fn lag(&self, first: u64, next: u64) -> u64 {
        next.saturating_sub(first) - self.acked.count_within(first, next)
    }

    /// Whether its consumer may have one more message out.
    fn may_take(&self) -> bool {
        self.consumer.as_ref().is_some_and(|consumer| self.window.consumer_out_count() < consumer.in_flight_max)
    }

    /// Wake the consumer if it waits and has something to do.
    fn wake(&mut self, next: u64, wakes: &mut Wakes) {
        if !self.may_take() || !(self.window.has_ready() || self.may_load(next)) {
            return;
        }
        if let Some(consumer) = &mut self.consumer
            && std::mem::take(&mut consumer.is_idle)
        {
            wakes.push(consumer.wake.clone());
        }
    }

    fn admit_if_at_rest(&mut self, offset: u64, slot: Slot<Stored>) {
        if !self.window.is_out(offset) && !self.acked.contains(offset) {
            self.window.admit(offset, slot);
        }
        self.window.end = offset + 1;
    }

    fn may_load(&self, next: u64) -> bool {
        self.window.end < next && !self.window.is_full()
    }

    fn sleep(&mut self) -> Turn {
        if let Some(consumer) = &mut self.consumer {
            consumer.is_idle = true;
        }
        Turn::Wait
    }
}

/// Messages come and go.
impl State {
    /// Take in a message that was staged now. Straight into the windows that are up to date; otherwise it is found
    /// again in `unwritten` or the tables, once those before it were taken in.
    pub(super) fn publish(&mut self, kind: Kind, stored: Arc<Stored>, options: &EmbeddedOptions) -> Wakes {
        let offset = self.next;
        let mut wakes = Wakes::new();
        let mut is_in_window = false;
        self.next += 1;
        self.count += 1;
        for group in &mut self.groups {
            let is_current = group.window.end == offset;
            if is_current && group.consumer.is_some() && group.window.takes(stored.weight, options.window()) {
                group
                    .window
                    .admit(offset, Slot { stored: stored.clone(), redelivered: offset < self.redelivered_below });
                group.window.end = self.next;
                is_in_window = true;
            }
            group.wake(self.next, &mut wakes);
        }
        if kind == Kind::Log || !is_in_window {
            self.unwritten.insert(offset, stored);
        }
        wakes
    }

    /// The message that is published next may have been delivered before, in another place.
    pub(super) fn note_redelivery(&mut self) {
        self.redelivered_below = self.next + 1;
    }

    /// A delivery was acknowledged. None for one that is not out.
    pub(super) fn settle(&mut self, kind: Kind, index: usize, offset: u64, wakes: &mut Wakes) -> Option<Out<Stored>> {
        let group = self.groups.get_mut(index)?;
        let out = group.window.settle(offset)?;
        match (kind, out.stored.place) {
            (Kind::Queue, Place::Ready { .. }) => self.count = self.count.saturating_sub(1),
            (Kind::Queue, Place::Delayed(_)) => self.delayed_count = self.delayed_count.saturating_sub(1),
            (Kind::Log, _) => group.acked.insert(offset, offset + 1),
        }
        group.wake(self.next, wakes);
        Some(out)
    }

    /// The row of a settled message goes with the unit `lsn`; until then it must not be taken for one at rest.
    pub(super) fn remember_gone(&mut self, offset: u64, lsn: Lsn) {
        self.gone.push_back((offset, lsn));
    }

    /// A delivery comes back unhandled. None for one that is not out.
    pub(super) fn release(&mut self, kind: Kind, index: usize, offset: u64, written: Lsn) -> Option<Released> {
        let group = self.groups.get_mut(index)?;
        let place = group.window.stored_out(offset)?.place;
        let is_loaded = offset < group.window.end && (kind == Kind::Log || group.consumer.is_some());
        let mut released = Released::default();
        match place {
            Place::Delayed(_) => released.delayed = group.window.settle(offset).map(|out| out.stored),
            Place::Ready { .. } if is_loaded => {
                group.window.put_back(offset);
            }
            Place::Ready { .. } => {
                let out = group.window.settle(offset)?;
                group.window.end = group.window.end.min(offset);
                self.redelivered_below = self.redelivered_below.max(offset + 1);
                self.shelve(offset, out.stored, written);
            }
        }
        self.groups[index].wake(self.next, &mut released.wakes);
        Some(released)
    }

    /// Put a message at rest where a later reading finds it.
    fn shelve(&mut self, offset: u64, stored: Arc<Stored>, written: Lsn) {
        if stored.is_written(written) {
            self.tables_end = self.tables_end.max(offset + 1);
        } else {
            self.unwritten.insert(offset, stored);
        }
    }

    /// Everything up to `written` is in the tables: what was kept only until then may go.
    pub(super) fn forget_written(&mut self, written: Lsn) {
        let written = self.scans.seen(written);
        while let Some(first) = self.unwritten.first_entry()
            && first.get().is_written(written)
        {
            self.tables_end = self.tables_end.max(first.key() + 1);
            first.remove();
        }
        while self.gone.front().is_some_and(|&(_, lsn)| lsn <= written) {
            self.gone.pop_front();
        }
    }

    fn gone_offsets(&self) -> HashSet<u64> {
        self.gone.iter().map(|&(offset, _)| offset).collect()
    }
}

/// Consumers.
impl State {
    /// A consumer begins. One that the group had is told to look up: it finds that it was replaced.
    pub(super) fn subscribe(&mut self, kind: Kind, name: &str, in_flight_max: usize) -> Seat {
        let index = match kind {
            Kind::Queue => 0,
            Kind::Log => self.groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
                self.groups.push(Group::new(name.to_owned(), self.first, Ranges::default()));
                self.groups.len() - 1
            }),
        };
        let group = &mut self.groups[index];
        name.clone_into(&mut group.name);
        group.generation += 1;
        let wake = Arc::new(Notify::new());
        let slot = ConsumerSlot { in_flight_max: in_flight_max.max(1), wake: wake.clone(), is_idle: false };
        if let Some(old) = group.consumer.replace(slot) {
            old.wake.notify_one();
        }
        Seat { index, generation: group.generation, wake }
    }

    /// A consumer ends, unless another one took over. Nothing stays in a queue's window when nobody consumes it; a
    /// log's stays: it is bounded, and its messages are kept elsewhere anyhow.
    pub(super) fn unsubscribe(&mut self, kind: Kind, seat: &Seat, written: Lsn) {
        let group = &mut self.groups[seat.index];
        if group.generation != seat.generation {
            return;
        }
        group.consumer = None;
        if kind == Kind::Queue {
            for (offset, slot) in group.window.unload() {
                if slot.redelivered {
                    self.redelivered_below = self.redelivered_below.max(offset + 1);
                }
                self.shelve(offset, slot.stored, written);
            }
        }
    }

    /// Wake every consumer: the broker closes.
    pub(super) fn wake_all(&self) {
        self.groups.iter().filter_map(|group| group.consumer.as_ref()).for_each(|consumer| consumer.wake.notify_one());
    }

    /// What this consumer does next.
    pub(super) fn turn(&mut self, kind: Kind, seat: &Seat, options: &EmbeddedOptions, written: Lsn) -> Turn {
        loop {
            let group = &mut self.groups[seat.index];
            if group.generation != seat.generation {
                return Turn::Over;
            }
            if !group.may_take() {
                return group.sleep();
            }
            if let Some((offset, slot)) = group.window.take() {
                return Turn::Deliver { offset, slot };
            }
            if !group.may_load(self.next) {
                return group.sleep();
            }
            if group.window.end < self.tables_end {
                let (from, to) = (group.window.end, self.tables_end);
                return Turn::Load { from, to, scan: self.scans.begin(written) };
            }
            self.load_unwritten(kind, seat.index, options);
        }
    }

    /// Take in from `unwritten`: the tables hold nothing that comes before.
    fn load_unwritten(&mut self, kind: Kind, index: usize, options: &EmbeddedOptions) {
        let group = &mut self.groups[index];
        while let Some((&offset, stored)) = self.unwritten.range(group.window.end..).next() {
            if !group.window.takes(stored.weight, options.window()) {
                return;
            }
            let slot = Slot { stored: stored.clone(), redelivered: offset < self.redelivered_below };
            group.admit_if_at_rest(offset, slot);
            if kind == Kind::Queue {
                self.unwritten.remove(&offset);
            }
        }
        group.window.end = self.next;
    }

    /// Take in what a `Turn::Load` found: rows from `from` on, all that there are before `upto`.
    pub(super) fn loaded(&mut self, kind: Kind, index: usize, found: Found, options: &EmbeddedOptions, written: Lsn) {
        let gone = self.gone_offsets();
        let group = &mut self.groups[index];
        // Another consumer of the group may have read the same rows meanwhile.
        if group.window.end == found.from {
            for (offset, stored) in found.rows {
                if !group.window.takes(stored.weight, options.window()) {
                    return self.end_scan(found.scan, written);
                }
                let slot = Slot { stored, redelivered: offset < self.redelivered_below };
                if gone.contains(&offset) {
                    group.window.end = offset + 1;
                } else {
                    group.admit_if_at_rest(offset, slot);
                }
                if kind == Kind::Queue {
                    self.unwritten.remove(&offset);
                }
            }
            group.window.end = group.window.end.max(found.upto);
        }
        self.end_scan(found.scan, written);
    }
}

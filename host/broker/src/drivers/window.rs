//! What one group has of a topic in memory: messages that are ready, wait behind another of their key, or are out.
//! Pure: no locks, no tables, no clock. Invariants: a key has a lane exactly while one of its messages is ready or out;
//! everything else of that key waits in the lane, in order; every offset before `end` is in here, or was settled.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use host_core::unit::{Message, Payload};

/// What a window knows of a message.
pub(super) trait Held {
    fn key(&self) -> &Arc<str>;

    /// Bytes it takes in memory, about.
    fn weight(&self) -> usize;
}

/// Bytes a message is taken to need beside its content.
const OVERHEAD_BYTES: usize = 512;

/// Bytes that a message takes in memory, about.
pub(super) fn weigh(message: &Message) -> usize {
    let payload = match &message.payload {
        Payload::Encoded(bytes) => bytes.len(),
        Payload::Decoded(envelope) => {
            let logs = envelope.meta.compensation_log.iter().filter_map(|entry| entry.log.as_ref());
            envelope.body.len() + logs.map(|log| log.len()).sum::<usize>()
        }
    };
    payload + message.key.len() + OVERHEAD_BYTES
}

/// How much a window holds at rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub count_max: usize,
    pub bytes_max: usize,
}

/// A message at rest.
#[derive(Debug)]
pub(super) struct Slot<M> {
    pub stored: Arc<M>,
    pub redelivered: bool,
}

/// A message that is out.
#[derive(Debug)]
pub(super) struct Out<M> {
    pub stored: Arc<M>,
    pub by: Taker,
}

/// Who has it. Only a consumer's deliveries count against its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taker {
    Consumer,
    Claim,
}

/// What a claim of a key finds.
#[derive(Debug)]
pub(super) enum Claimed<M> {
    Taken {
        offset: u64,
        slot: Slot<M>,
    },
    /// Another message of this key is out: it has to come back first.
    Out,
    Absent,
}

#[derive(Debug)]
pub(super) struct Window<M> {
    ready: BTreeMap<u64, Slot<M>>,
    /// What waits behind the message of its key that is ready or out.
    lanes: HashMap<Arc<str>, VecDeque<(u64, Slot<M>)>>,
    out: BTreeMap<u64, Out<M>>,
    /// Messages in `ready` and in lanes.
    resting_count: usize,
    resting_bytes: usize,
    consumer_out_count: usize,
    /// Up to here (exclusive) the topic was taken in.
    pub end: u64,
    /// The next message did not fit; it will not before something goes out.
    is_full: bool,
}

impl<M: Held> Window<M> {
    pub(super) fn from_offset(end: u64) -> Self {
        Self {
            ready: BTreeMap::new(),
            lanes: HashMap::new(),
            out: BTreeMap::new(),
            resting_count: 0,
            resting_bytes: 0,
            consumer_out_count: 0,
            end,
            is_full: false,
        }
    }

    pub(super) fn consumer_out_count(&self) -> usize {
        self.consumer_out_count
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn is_out(&self, offset: u64) -> bool {
        self.out.contains_key(&offset)
    }

    pub(super) fn stored_out(&self, offset: u64) -> Option<&Arc<M>> {
        self.out.get(&offset).map(|out| &out.stored)
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether a message of this weight fits. An empty window takes any, or a huge one would never be delivered.
    pub(super) fn takes(&mut self, weight: usize, bounds: Bounds) -> bool {
        let has_room =
            self.resting_count < bounds.count_max && self.resting_bytes.saturating_add(weight) <= bounds.bytes_max;
        self.is_full = self.resting_count > 0 && !has_room;
        !self.is_full
    }

    /// Whether it may hold more at rest.
    pub(super) fn has_room(&self, bounds: Bounds) -> bool {
        self.resting_count < bounds.count_max && self.resting_bytes < bounds.bytes_max
    }

    /// Messages at rest.
    pub(super) fn resting_count(&self) -> usize {
        self.resting_count
    }

    /// Everything before this offset was settled or never came.
    pub(super) fn low(&self) -> u64 {
        let ready = self.ready.first_key_value().map_or(u64::MAX, |(&offset, _)| offset);
        let out = self.out.first_key_value().map_or(u64::MAX, |(&offset, _)| offset);
        ready.min(out).min(self.end)
    }

    /// Take in a message. Those of one key come in the order of their offsets.
    pub(super) fn admit(&mut self, offset: u64, slot: Slot<M>) {
        self.rests(&slot);
        match self.lanes.entry(slot.stored.key().clone()) {
            Entry::Occupied(lane) => lane.into_mut().push_back((offset, slot)),
            Entry::Vacant(lane) => {
                lane.insert(VecDeque::new());
                self.ready.insert(offset, slot);
            }
        }
    }

    /// The oldest message that is ready goes out to the consumer.
    pub(super) fn take(&mut self) -> Option<(u64, Slot<M>)> {
        let (offset, slot) = self.ready.pop_first()?;
        self.goes_out(offset, &slot, Taker::Consumer);
        Some((offset, slot))
    }

    /// The first message of a key goes out to a claim, if none of that key is out.
    pub(super) fn claim(&mut self, key: &str) -> Claimed<M> {
        if !self.lanes.contains_key(key) {
            return Claimed::Absent;
        }
        let Some(offset) = self.ready.iter().find(|(_, slot)| &**slot.stored.key() == key).map(|(&at, _)| at) else {
            return Claimed::Out;
        };
        let slot = self.ready.remove(&offset).expect("the offset was found in the map just now");
        self.goes_out(offset, &slot, Taker::Claim);
        Claimed::Taken { offset, slot }
    }

    /// A message from outside the window goes out to a claim. False if its key has a message here.
    pub(super) fn claim_from_outside(&mut self, offset: u64, stored: &Arc<M>) -> bool {
        match self.lanes.entry(stored.key().clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(lane) => {
                lane.insert(VecDeque::new());
                self.out.insert(offset, Out { stored: stored.clone(), by: Taker::Claim });
                true
            }
        }
    }

    /// A message that was out is done with: the next of its key gets its turn.
    pub(super) fn settle(&mut self, offset: u64) -> Option<Out<M>> {
        let out = self.comes_back(offset)?;
        self.advance_lane(&out.stored);
        Some(out)
    }

    /// A message that was out is ready again, before all others of its key.
    pub(super) fn put_back(&mut self, offset: u64) -> Option<Out<M>> {
        let out = self.comes_back(offset)?;
        let slot = Slot { stored: out.stored.clone(), redelivered: true };
        self.rests(&slot);
        self.ready.insert(offset, slot);
        Some(out)
    }

    /// Give up everything at rest; `end` goes back to the first of it. What is out stays, and keeps its lane.
    pub(super) fn unload(&mut self) -> Vec<(u64, Slot<M>)> {
        let mut resting: Vec<_> = std::mem::take(&mut self.ready).into_iter().collect();
        let mut lanes = std::mem::take(&mut self.lanes);
        lanes.values_mut().for_each(|lane| resting.extend(lane.drain(..)));
        self.lanes = self.out.values().map(|out| (out.stored.key().clone(), VecDeque::new())).collect();
        resting.sort_unstable_by_key(|&(offset, _)| offset);
        (self.resting_count, self.resting_bytes, self.is_full) = (0, 0, false);
        self.end = resting.first().map_or(self.end, |&(first, _)| first);
        resting
    }

    /// Every message that is out.
    pub(super) fn messages_out(&self) -> impl Iterator<Item = (u64, &Arc<M>)> {
        self.out.iter().map(|(&offset, out)| (offset, &out.stored))
    }

    /// Every message in here: at rest and out.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u64, &Arc<M>)> {
        let ready = self.ready.iter().map(|(&offset, slot)| (offset, &slot.stored));
        let waiting = self.lanes.values().flatten().map(|(offset, slot)| (*offset, &slot.stored));
        let out = self.out.iter().map(|(&offset, out)| (offset, &out.stored));
        ready.chain(waiting).chain(out)
    }

    fn rests(&mut self, slot: &Slot<M>) {
        self.resting_count += 1;
        self.resting_bytes += slot.stored.weight();
    }

    fn goes_out(&mut self, offset: u64, slot: &Slot<M>, by: Taker) {
        self.resting_count -= 1;
        self.resting_bytes -= slot.stored.weight();
        self.consumer_out_count += usize::from(by == Taker::Consumer);
        self.is_full = false;
        self.out.insert(offset, Out { stored: slot.stored.clone(), by });
    }

    fn comes_back(&mut self, offset: u64) -> Option<Out<M>> {
        let out = self.out.remove(&offset)?;
        self.consumer_out_count -= usize::from(out.by == Taker::Consumer);
        Some(out)
    }

    fn advance_lane(&mut self, stored: &M) {
        let Some(lane) = self.lanes.get_mut(&**stored.key()) else { return };
        match lane.pop_front() {
            Some((offset, slot)) => {
                self.ready.insert(offset, slot);
            }
            None => {
                self.lanes.remove(&**stored.key());
            }
        }
    }
}

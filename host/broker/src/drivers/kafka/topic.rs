//! What this host has of one topic: for each group that it consumes it with, the messages at hand and the partitions it
//! was given. One lock; every method is a step that leaves the state whole.
//! Must not know the client: what was read and where messages got their place is told to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::id::TopicName;
use host_core::unit::{Ack, Offset};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::super::window::{Bounds, Claimed, Slot, Window};
use super::held::Held;
use super::ledger::{Ledger, Read};
use super::wake::Wake;

/// In the offset of an ack: the rest is the number of a message of our own, whose place is not known yet.
const OWN: u64 = 1 << 63;

/// Groups of one topic on one host; with the partition they share the 32 bits of an ack's partition.
const SEATS_MAX: usize = 1 << 12;
const PARTITION_BITS: u32 = 20;

/// How long a topic is read for those who claim messages of it.
const VISIT: Duration = Duration::from_secs(60);

/// Those to be woken when the lock is given back.
pub(super) type Wakes = SmallVec<[Arc<Notify>; 2]>;

/// A topic on this host.
#[derive(Debug)]
pub(super) struct Topic {
    pub name: TopicName,
    pub state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub partition_count: i32,
    pub seats: Vec<Seat>,
}

/// One group's view of a topic.
#[derive(Debug)]
pub(super) struct Seat {
    /// Its name in the cluster, without the prefix.
    pub group: String,
    /// Its name for those who look.
    pub asked: String,
    pub window: Window<Held>,
    pub parts: BTreeMap<i32, Part>,
    consumer: Option<Slotted>,
    generation: u64,
    /// Number of the next message at hand: the order in which they go out.
    next: u64,
    /// Numbers of messages at hand by their place.
    numbers: HashMap<(i32, u64), u64>,
    /// Wakes the one who reads for this group.
    reader: Arc<Wake>,
    bounds: Bounds,
    /// When somebody came to claim messages here without consuming them.
    visited_at: Option<Instant>,
    /// Partitions that it was given so far.
    tenures: u64,
}

/// One stay of a partition with a seat. A partition that goes and comes back is another stay: what was taken out of it
/// before belongs to nobody here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tenure {
    pub seat: usize,
    number: u64,
}

#[derive(Debug)]
struct Slotted {
    in_flight_max: usize,
    wake: Arc<Notify>,
    is_idle: bool,
}

/// A partition that this host was given.
#[derive(Debug)]
pub(super) struct Part {
    tenure: u64,
    pub ledger: Ledger,
    /// Its end was reached once since it was given to us.
    pub was_at_end: bool,
    /// Where it ended soon after it was given to us, once that is known. Under load its end is never seen.
    pub first_end: Option<u64>,
    /// Messages of our own in a transaction that is being made, which are not at hand.
    pub under_way: usize,
    /// What lies before this offset has to be read before messages of our own may be taken as read.
    pub read_first: u64,
    /// Everything that is known of is at hand: what this host publishes is the next.
    pub is_current: bool,
    /// Deliveries that are done with in a transaction that is not made yet.
    pub settling: usize,
    /// It came while a transaction was made that publishes to its topic: where, is known when that is over.
    pub came_amid: bool,
}

/// What a consumer does next.
pub(super) enum Turn {
    Deliver {
        number: u64,
        slot: Slot<Held>,
    },
    Wait,
    /// Another consumer took over.
    Over,
}

/// The right of a consumer to its seat.
#[derive(Debug)]
pub(super) struct Right {
    pub seat: usize,
    pub generation: u64,
    pub wake: Arc<Notify>,
}

impl Part {
    /// Whether there is nothing left to read before what this host publishes.
    pub(super) fn has_caught_up(&self) -> bool {
        let read_end = self.ledger.read_end();
        let was_at_end = self.was_at_end || self.first_end.is_some_and(|end| read_end >= end);
        was_at_end && !self.came_amid && self.under_way == 0 && read_end >= self.read_first
    }

    /// Whether a message that this host publishes now is the next of this partition.
    fn takes_own(&self) -> bool {
        self.is_current && !self.ledger.is_far_ahead()
    }
}

impl Topic {
    pub(super) fn new(name: TopicName, partition_count: i32) -> Self {
        Self { name, state: Mutex::new(State { partition_count, seats: Vec::new() }) }
    }

    /// The ack of a message at hand.
    pub(super) fn ack(&self, seat: usize, number: u64, held: &Held) -> Ack {
        let seat = u32::try_from(seat).expect("a topic has few groups on a host");
        let partition = u32::try_from(held.partition).expect("partitions are numbered from 0");
        let offset = held.offset().filter(|_| !held.is_own).unwrap_or(OWN | number);
        Ack { topic: self.name.clone(), partition: seat << PARTITION_BITS | partition, offset: Offset(offset) }
    }
}

/// The seat that an ack is of, and the number of its message.
fn place_of(state: &State, ack: &Ack) -> Option<(usize, u64)> {
    let seat = usize::try_from(ack.partition >> PARTITION_BITS).ok()?;
    let partition = i32::try_from(ack.partition & ((1 << PARTITION_BITS) - 1)).ok()?;
    let Offset(offset) = ack.offset;
    if offset & OWN != 0 {
        return Some((seat, offset & !OWN));
    }
    let number = state.seats.get(seat)?.numbers.get(&(partition, offset))?;
    Some((seat, *number))
}

/// Messages come and go.
impl State {
    /// Take in what was read. True if it is to be delivered.
    pub(super) fn admit(&mut self, seat: usize, held: Held, is_again: bool, wakes: &mut Wakes) {
        let seat = &mut self.seats[seat];
        seat.put(Arc::new(held), is_again);
        seat.wake(wakes);
    }

    /// What a message that was just read is to a group. None if the partition is not ours.
    pub(super) fn read(&mut self, seat: usize, partition: i32, offset: u64) -> Option<Read> {
        Some(self.seats[seat].parts.get_mut(&partition)?.ledger.read(offset))
    }

    /// Take in a message that this host publishes, for every group that is up to date. Those that took it; the others
    /// will read it.
    pub(super) fn publish(&mut self, held: &Arc<Held>, redelivered: bool, wakes: &mut Wakes) -> SmallVec<[Tenure; 1]> {
        let taken = self.seats_for_own(held.partition);
        for tenure in &taken {
            let seat = &mut self.seats[tenure.seat];
            seat.put(held.clone(), redelivered);
            seat.wake(wakes);
        }
        taken
    }

    /// The seats that are up to date with a partition and have room. One that has none is up to date no more.
    pub(super) fn seats_for_own(&mut self, partition: i32) -> SmallVec<[Tenure; 1]> {
        let mut taken = SmallVec::new();
        for (index, seat) in self.seats.iter_mut().enumerate() {
            let has_room = seat.window.has_room(seat.bounds);
            let Some(part) = seat.parts.get_mut(&partition) else { continue };
            part.is_current = part.takes_own() && has_room;
            if part.is_current {
                taken.push(Tenure { seat: index, number: part.tenure });
            }
        }
        taken
    }

    /// Take in what was published before the partition was up to date. False if there is no room.
    pub(super) fn adopt(&mut self, seat: usize, held: &Arc<Held>, wakes: &mut Wakes) -> bool {
        let seat = &mut self.seats[seat];
        let has_room = seat.window.has_room(seat.bounds);
        if has_room {
            seat.put(held.clone(), false);
            seat.wake(wakes);
        }
        has_room
    }

    /// A partition was given to a seat.
    pub(super) fn begin(&mut self, seat: usize, partition: i32, ledger: Ledger, came_amid: bool) {
        let seat = &mut self.seats[seat];
        seat.tenures += 1;
        let part = Part {
            tenure: seat.tenures,
            ledger,
            was_at_end: false,
            first_end: None,
            under_way: 0,
            read_first: 0,
            is_current: false,
            settling: 0,
            came_amid,
        };
        seat.parts.insert(partition, part);
    }

    pub(super) fn part(&mut self, seat: usize, partition: i32) -> Option<&mut Part> {
        self.seats.get_mut(seat)?.parts.get_mut(&partition)
    }

    /// A partition, if it never went since.
    pub(super) fn part_of(&mut self, tenure: Tenure, partition: i32) -> Option<&mut Part> {
        self.part(tenure.seat, partition).filter(|part| part.tenure == tenure.number)
    }

    /// The stay of a partition with a seat that goes on now.
    pub(super) fn tenure(&self, seat: usize, partition: i32) -> Option<Tenure> {
        let part = self.seats.get(seat)?.parts.get(&partition)?;
        Some(Tenure { seat, number: part.tenure })
    }

    /// A delivery of this partition is done with in the batch that is being staged. False if the partition went.
    pub(super) fn settles(&mut self, tenure: Tenure, partition: i32) -> bool {
        let part = self.part_of(tenure, partition);
        part.map(|part| part.settling += 1).is_some()
    }

    /// Whether a delivery is out here: not one whose partition went.
    pub(super) fn holds(&self, ack: &Ack) -> bool {
        let place = place_of(self, ack);
        place.is_some_and(|(seat, number)| self.seats.get(seat).is_some_and(|seat| seat.window.is_out(number)))
    }

    /// A delivery was acknowledged. None for one that is not out here.
    pub(super) fn settle(&mut self, ack: &Ack, wakes: &mut Wakes) -> Option<(Tenure, Arc<Held>)> {
        let (index, number) = place_of(self, ack)?;
        let seat = self.seats.get_mut(index)?;
        let out = seat.window.settle(number)?;
        seat.forget(&out.stored);
        seat.wake(wakes);
        let tenure = self.tenure(index, out.stored.partition)?;
        self.settles(tenure, out.stored.partition).then_some((tenure, out.stored))
    }

    /// A delivery comes back unhandled. False for one that is not out here.
    pub(super) fn release(&mut self, ack: &Ack, wakes: &mut Wakes) -> bool {
        let Some((index, number)) = place_of(self, ack) else { return false };
        let Some(seat) = self.seats.get_mut(index) else { return false };
        let is_out = seat.window.put_back(number).is_some();
        seat.wake(wakes);
        is_out
    }

    /// Take the first message of a key out of the first seat. None if there is none at rest.
    pub(super) fn claim(&mut self, key: &str) -> Option<(u64, Slot<Held>)> {
        match self.seats.first_mut()?.window.claim(key) {
            Claimed::Taken { offset: number, slot } => Some((number, slot)),
            Claimed::Out | Claimed::Absent => None,
        }
    }
}

/// Claims of delayed messages.
impl State {
    /// A claimed message takes the turn of its key, as one that is out. None if the key has a message here.
    pub(super) fn enter(&mut self, held: &Arc<Held>) -> Option<u64> {
        let seat = self.seats.first_mut()?;
        let number = seat.next;
        seat.window.claim_from_outside(number, held).then(|| seat.next += 1).map(|()| number)
    }

    /// It gives its turn back.
    pub(super) fn leave(&mut self, number: u64, wakes: &mut Wakes) {
        if let Some(seat) = self.seats.first_mut() {
            seat.window.settle(number);
            seat.wake(wakes);
        }
    }
}

/// Consumers.
impl State {
    /// A consumer begins. One that the group had is told to look up: it finds that it was replaced.
    pub(super) fn subscribe(&mut self, group: &str, in_flight_max: usize, reader: &Arc<Wake>, bounds: Bounds) -> Right {
        let index = self.seat_of(group).unwrap_or_else(|| {
            assert!(self.seats.len() < SEATS_MAX, "groups come from configurations: there are few");
            self.seats.push(Seat::new(group, reader.clone(), bounds));
            self.seats.len() - 1
        });
        let seat = &mut self.seats[index];
        seat.generation += 1;
        let wake = Arc::new(Notify::new());
        let slot = Slotted { in_flight_max: in_flight_max.max(1), wake: wake.clone(), is_idle: false };
        if let Some(old) = seat.consumer.replace(slot) {
            old.wake.notify_one();
        }
        Right { seat: index, generation: seat.generation, wake }
    }

    /// Whether a group has every partition and each was read to its end at some time since `seen` was empty, or has no
    /// room for more.
    pub(super) fn is_at_hand(&self, group: &str, seen: &mut BTreeSet<i32>) -> bool {
        let Some(seat) = self.seat_of(group).map(|seat| &self.seats[seat]) else { return false };
        let read = seat.parts.iter().filter(|(_, part)| part.has_caught_up()).map(|(&partition, _)| partition);
        seen.extend(read);
        let is_full = !seat.window.has_room(seat.bounds);
        is_full || !seat.parts.is_empty() && seat.parts.keys().all(|partition| seen.contains(partition))
    }

    pub(super) fn seat_of(&self, group: &str) -> Option<usize> {
        self.seats.iter().position(|seat| seat.group == group)
    }

    /// A consumer ends, unless another one took over.
    pub(super) fn unsubscribe(&mut self, right: &Right) {
        let seat = &mut self.seats[right.seat];
        if seat.generation == right.generation {
            seat.consumer = None;
            seat.reader.wake();
        }
    }

    /// The group is shown under the name that was asked for.
    pub(super) fn name(&mut self, right: &Right, asked: &str) {
        asked.clone_into(&mut self.seats[right.seat].asked);
    }

    /// Nobody consumes, but for a while somebody may claim.
    pub(super) fn visits(&mut self, right: &Right) {
        let seat = &mut self.seats[right.seat];
        if seat.generation == right.generation {
            seat.consumer = None;
            seat.visited_at = Some(Instant::now());
        }
    }

    /// Wake every consumer: the broker closes.
    pub(super) fn wake_all(&self) {
        self.seats.iter().filter_map(|seat| seat.consumer.as_ref()).for_each(|consumer| consumer.wake.notify_one());
    }

    /// What this consumer does next.
    pub(super) fn turn(&mut self, right: &Right) -> Turn {
        let seat = &mut self.seats[right.seat];
        if seat.generation != right.generation {
            return Turn::Over;
        }
        if seat.may_take()
            && let Some((number, slot)) = seat.window.take()
        {
            if seat.window.resting_count() == seat.bounds.count_max / 2 {
                seat.reader.wake();
            }
            return Turn::Deliver { number, slot };
        }
        if let Some(consumer) = &mut seat.consumer {
            consumer.is_idle = true;
        }
        seat.reader.wake_if_held_back();
        Turn::Wait
    }
}

impl Seat {
    fn new(group: &str, reader: Arc<Wake>, bounds: Bounds) -> Self {
        // Numbers stand in the acks of messages that have no place yet, and ids are made of those: none is given twice,
        // in no run of this host.
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(since_epoch.as_millis()).unwrap_or_default() << 20 & !OWN;
        Self {
            group: group.to_owned(),
            asked: group.to_owned(),
            window: Window::from_offset(0),
            parts: BTreeMap::new(),
            consumer: None,
            generation: 0,
            next: first,
            numbers: HashMap::new(),
            reader,
            bounds,
            visited_at: None,
            tenures: 0,
        }
    }

    pub(super) fn has_consumer(&self) -> bool {
        self.consumer.is_some()
    }

    /// Whether it is read for: it has a consumer, or had a visitor lately.
    pub(super) fn is_read(&self) -> bool {
        self.has_consumer() || self.visited_at.is_some_and(|at| at.elapsed() < VISIT)
    }

    /// Whether more of this partition may be read.
    pub(super) fn may_read(&self, partition: i32) -> bool {
        let has_room = self.parts.get(&partition).is_some_and(|part| part.ledger.has_room());
        has_room && self.window.has_room(self.bounds)
    }

    /// A partition that is no longer ours. What is still out of it is nobody's here: whoever has the partition next
    /// delivers it again, so nothing of it may be committed, not even if the next one is this host.
    pub(super) fn lose(&mut self, partition: i32) {
        self.rest(partition);
        self.parts.remove(&partition);
        let outs = self.window.messages_out().filter(|(_, held)| held.partition == partition);
        let lost: Vec<u64> = outs.map(|(number, _)| number).collect();
        for number in lost {
            if let Some(out) = self.window.settle(number) {
                self.forget(&out.stored);
            }
        }
    }

    /// A partition is about to go: what is at rest of it is not delivered any more; what is out may be answered.
    pub(super) fn rest(&mut self, partition: i32) {
        if let Some(part) = self.parts.get_mut(&partition) {
            (part.was_at_end, part.first_end, part.is_current) = (false, None, false);
        }
        let resting = self.window.unload();
        for (number, slot) in resting {
            if slot.stored.partition == partition {
                self.forget(&slot.stored);
            } else {
                self.window.admit(number, slot);
            }
        }
    }

    /// Deliveries of a partition that are out.
    pub(super) fn out_count(&self, partition: i32) -> usize {
        self.window.messages_out().filter(|(_, held)| held.partition == partition).count()
    }

    fn put(&mut self, held: Arc<Held>, redelivered: bool) {
        let number = self.next;
        self.next += 1;
        if let Some(offset) = held.offset().filter(|_| !held.is_own) {
            self.numbers.insert((held.partition, offset), number);
        }
        self.window.admit(number, Slot { stored: held, redelivered });
    }

    fn forget(&mut self, held: &Held) {
        if let Some(offset) = held.offset().filter(|_| !held.is_own) {
            self.numbers.remove(&(held.partition, offset));
        }
    }

    fn may_take(&self) -> bool {
        self.consumer.as_ref().is_some_and(|consumer| self.window.consumer_out_count() < consumer.in_flight_max)
    }

    fn wake(&mut self, wakes: &mut Wakes) {
        if !self.may_take() || !self.window.has_ready() {
            return;
        }
        if let Some(consumer) = &mut self.consumer
            && std::mem::take(&mut consumer.is_idle)
        {
            wakes.push(consumer.wake.clone());
        }
    }
}

/// Wake those who wait, without a lock.
pub(super) fn wake(wakes: Wakes) {
    wakes.into_iter().for_each(|wake| wake.notify_one());
}

#[cfg(test)]
mod tests;

//! What operators look at and take out: topics, messages at rest, one message of a key. Rare, so it may ask the cluster
//! and read partitions; it runs off the async threads and holds no lock while it reads.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use host_core::id::TopicName;
use host_core::time::Timestamp;
use host_core::unit::Offset;

use super::copies::STATE_TOPIC;
use super::delays::{self, Lane};
use super::ledger::Ledger;
use super::open::{Batch, Send, What};
use super::partitioner::partition;
use super::reading::COUNT_MAX;
use super::shared::{ALONE, Shared, group_of};
use super::topic::{Seat, Topic};
use crate::{Browsed, ConsumerState, Delivery, Error, Retention, TopicState};

/// How exactly messages are counted that a group has not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exactness {
    /// Somebody looks at the number.
    ForPeople,
    /// The host looks every second, and must not read for it what it is about to read anyway.
    Rough,
}

/// Messages of a partition that are read to count them roughly.
const ROUGH_COUNT_MAX: u64 = 100;

/// Done messages of a partition that are worth a removal.
const REMOVE_MIN: u64 = 1_000;

/// How long a transaction of somebody else may keep a question waiting, and how often it is looked whether it is over.
const DECIDED_MAX: Duration = Duration::from_secs(1);
const DECIDED_PAUSE: Duration = Duration::from_millis(5);

/// How long who looks at counts waits for delayed messages that are on their way back.
const DELAYED_MAX: Duration = Duration::from_secs(1);

/// Work queues that are no step's are consumed by this group.
const QUEUE_GROUP: &str = "saga";

/// What has not been committed of a topic.
#[derive(Default)]
struct Pending {
    /// Published, and not yet a record.
    sends: Vec<(Timestamp, host_core::unit::Message)>,
    /// Done with: partition and offset.
    dones: HashSet<(i32, u64)>,
}

impl Shared {
    /// The topics of which somebody wants to know.
    pub(super) fn list(
        &self,
        exactness: Exactness,
        is_wanted: impl Fn(&TopicName) -> bool,
    ) -> Result<Vec<TopicState>, Error> {
        if exactness == Exactness::ForPeople {
            self.wait_for_delayed();
        }
        let mut counts: BTreeMap<TopicName, i32> = self.cluster.topics()?.into_iter().collect();
        for name in self.open_topics().into_iter().chain(self.delays.topics()) {
            counts.entry(name).or_insert(0);
        }
        counts.retain(|name, _| !is_internal(name) && is_wanted(name));
        let states = counts.iter().map(|(name, &partition_count)| self.topic_state(name, partition_count, exactness));
        states.filter_map(Result::transpose).collect()
    }

    /// Delayed messages are counted that are at hand. What this host publishes faster than it reads it back is not, for
    /// a moment.
    fn wait_for_delayed(&self) {
        let since = Instant::now();
        let is_behind = |topic: Arc<Topic>| {
            let state = topic.state.lock();
            state.seats.iter().any(|seat| seat.parts.values().any(|part| !part.is_current))
        };
        while since.elapsed() < DELAYED_MAX
            && delays::topics().into_iter().filter_map(|name| self.topic(&name)).any(is_behind)
        {
            thread::sleep(DECIDED_PAUSE);
        }
    }

    /// None for a topic of which nothing was ever there.
    fn topic_state(
        &self,
        name: &TopicName,
        partition_count: i32,
        exactness: Exactness,
    ) -> Result<Option<TopicState>, Error> {
        let (seats, away) = self.seats_of(name, exactness)?;
        let (message_count, oldest_at, was_used) = match Retention::is_work_queue(name) {
            true => {
                let (message_count, oldest_at) = self.waiting(name, partition_count, &seats, away)?;
                (message_count, oldest_at, partition_count > 0)
            }
            false => self.kept(name, partition_count)?,
        };
        let delayed_count = self.delays.count(name);
        let consumers: Vec<_> = seats.into_iter().filter_map(|seat| seat.consumer).collect();
        if message_count == 0 && delayed_count == 0 && consumers.is_empty() && !was_used {
            return Ok(None);
        }
        Ok(Some(TopicState { topic: name.clone(), message_count, delayed_count, consumers, oldest_at }))
    }

    /// Messages of a work queue that are not done. Where this host reads the whole topic it knows; otherwise it looks,
    /// and of many it tells how many offsets there are.
    fn waiting(
        &self,
        name: &TopicName,
        partition_count: i32,
        seats: &[SeatState],
        (away_count, away_oldest_at): Away,
    ) -> Result<(u64, Option<Timestamp>), Error> {
        if let Some(seat) = seats.first().filter(|seat| seat.part_count == partition_count) {
            return Ok((seat.lag + away_count, earlier(seat.oldest_at, away_oldest_at)));
        }
        let pending = self.pending(name);
        let mut count = pending.sends.len() as u64;
        let mut oldest_at = pending.sends.first().map(|(at, _)| *at);
        let ledgers = self.looker.ledgers(name, &group_of(name, QUEUE_GROUP), partition_count)?;
        for (partition, ledger) in (0..).zip(ledgers) {
            let tally = self.looker.tally_undone(name, partition, &ledger)?;
            let done = pending.dones.iter().filter(|(other, _)| *other == partition).count() as u64;
            count += tally.count.saturating_sub(done);
            oldest_at = earlier(oldest_at, tally.oldest_at);
        }
        Ok((count, oldest_at))
    }

    /// Messages that a log holds, when the oldest was published, and whether it ever held one.
    fn kept(&self, name: &TopicName, partition_count: i32) -> Result<(u64, Option<Timestamp>, bool), Error> {
        let pending = self.pending(name).sends;
        let mut count = pending.len() as u64;
        let mut oldest_at = pending.first().map(|(at, _)| *at);
        let mut was_used = count > 0;
        for partition in 0..partition_count {
            self.settle(name, partition)?;
            let tally = self.looker.tally(name, partition, 0)?;
            count += tally.count;
            oldest_at = earlier(oldest_at, tally.oldest_at);
            was_used |= tally.end > 0;
        }
        Ok((count, oldest_at, was_used))
    }

    /// What this host knows of a topic by its groups, and what is staged for it and at hand for none of them. Both at
    /// one moment, as what is staged may be taken in at any.
    fn seats_of(&self, name: &TopicName, exactness: Exactness) -> Result<(Vec<SeatState>, Away), Error> {
        let exact_max = match exactness {
            Exactness::ForPeople => COUNT_MAX,
            Exactness::Rough => ROUGH_COUNT_MAX,
        };
        let topic = self.topic(name);
        let (mut seats, away) = self.with_open(|batch| {
            let known = topic.map(|topic| topic.state.lock().seats.iter().map(SeatState::of).collect());
            let seats: Vec<SeatState> = known.unwrap_or_default();
            (seats, away(batch, name))
        });
        for seat in &mut seats {
            for Behind { partition, from, known_ahead } in std::mem::take(&mut seat.behind) {
                let count = self.looker.count_behind(name, partition, from, exact_max)?;
                seat.lag += count.saturating_sub(known_ahead);
            }
            if let Some(consumer) = &mut seat.consumer {
                consumer.lag = seat.lag;
            }
        }
        Ok((seats, away))
    }

    pub(super) fn browse(&self, name: &TopicName, from: Offset, limit: usize) -> Result<Vec<Browsed>, Error> {
        let Some((_, partition_count)) = self
            .cluster
            .topics()?
            .into_iter()
            .find(|(other, _)| other == name)
            .or_else(|| self.open_topics().contains(name).then(|| (name.clone(), 0)))
        else {
            return Ok(Vec::new());
        };
        self.rows(name, partition_count, from.0, limit)
    }

    /// Messages that are here from an offset on, committed or not, at most `limit`.
    fn rows(&self, name: &TopicName, partition_count: i32, from: u64, limit: usize) -> Result<Vec<Browsed>, Error> {
        let pending = self.pending(name);
        let is_queue = Retention::is_work_queue(name);
        let ledgers = match is_queue {
            true if partition_count > 0 => self.looker.ledgers(name, &group_of(name, QUEUE_GROUP), partition_count)?,
            true | false => Vec::new(),
        };
        let mut rows = Vec::new();
        let mut end = 0;
        for partition in 0..partition_count {
            let ledger = usize::try_from(partition).ok().and_then(|index| ledgers.get(index));
            let start = ledger.map_or(0, Ledger::position).max(from);
            self.settle(name, partition)?;
            let (_, high) = self.looker.ends(name, partition)?;
            end = end.max(high);
            if start >= high {
                continue;
            }
            let mut taken = 0;
            self.looker.scan(name, partition, start, |found| {
                let is_done = ledger.is_some_and(|ledger| ledger.is_done(found.offset))
                    || is_queue && pending.dones.contains(&(partition, found.offset));
                if !is_done {
                    rows.push(Browsed {
                        offset: Offset(found.offset),
                        published_at: found.arrived.published_at,
                        message: found.arrived.message,
                    });
                    taken += 1;
                }
                taken < limit
            })?;
        }
        rows.sort_by_key(|row| row.offset);
        let open = pending.sends.into_iter().enumerate().map(|(index, (published_at, message))| Browsed {
            offset: Offset(end + index as u64),
            published_at,
            message,
        });
        rows.extend(open.filter(|row| row.offset.0 >= from));
        rows.truncate(limit);
        Ok(rows)
    }

    /// What of a topic is staged.
    fn pending(&self, name: &TopicName) -> Pending {
        let mut pending = Pending::default();
        self.with_open(|batch| {
            let gone: HashSet<*const super::held::Held> =
                batch.dones.iter().map(|done| Arc::as_ptr(&done.held)).collect();
            let is_log = !Retention::is_work_queue(name);
            let is_here = |send: &&Send| {
                let is_gone = matches!(&send.what, What::Held(held) if gone.contains(&Arc::as_ptr(held)));
                send.due.is_none() && send.message().topic == *name && (is_log || !is_gone)
            };
            let sends = batch.sends.iter().filter(is_here);
            pending.sends = sends.map(|send| (send.published_at, send.message().clone())).collect();
            let dones = batch.dones.iter().filter(|done| done.topic.name == *name);
            pending.dones = dones.filter_map(|done| Some((done.held.partition, done.held.offset()?))).collect();
        });
        pending
    }

    /// Topics that staged messages are for.
    fn open_topics(&self) -> BTreeSet<TopicName> {
        self.with_open(|batch| batch.sends.iter().map(|send| send.message().topic.clone()).collect())
    }

    /// Take the first message of a key that is at rest.
    pub(super) fn claim(self: &Arc<Self>, name: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        if !self.cluster.topics()?.iter().any(|(other, _)| other == name) && !self.open_topics().contains(name) {
            return self.claim_delayed(name, key);
        }
        let topic = self.seat_for_claims(name)?;
        match claim_at_hand(&topic, key) {
            Some(delivery) => Ok(Some(delivery)),
            None => self.claim_delayed(name, key),
        }
    }

    /// Take the first message of a key that is at hand here and at rest.
    pub(super) fn claim_here(self: &Arc<Self>, name: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        let seated =
            self.topic(name).filter(|topic| topic.state.lock().seat_of(&group_of(name, QUEUE_GROUP)) == Some(0));
        match seated.and_then(|topic| claim_at_hand(&topic, key)) {
            Some(delivery) => Ok(Some(delivery)),
            None => self.claim_delayed(name, key),
        }
    }

    /// Whether messages of this topic and key are given to this host now.
    pub(super) fn is_here(&self, name: &TopicName, key: &str) -> bool {
        let Some(topic) = self.topic(name) else { return false };
        let mut state = topic.state.lock();
        let place = partition(key, state.partition_count);
        (0..state.seats.len()).any(|seat| state.part(seat, place).is_some())
    }

    /// Whether another host is a member of the group of a work queue. Blocks.
    pub(super) fn is_consumed_elsewhere(&self, name: &TopicName) -> Result<bool, Error> {
        let members = self.cluster.members(&group_of(name, QUEUE_GROUP))?;
        Ok(members.iter().any(|member| *member != self.options.host_name))
    }

    /// Whether a message of this key is on a work queue and not done, in the cluster or on its way there. Blocks.
    pub(super) fn is_waiting(&self, name: &TopicName, key: &str) -> Result<bool, Error> {
        let is_staged = self.pending(name).sends.iter().any(|(_, message)| *message.key == *key);
        if is_staged || self.delays.has(name, key) || self.sealing.lock().contains(name) {
            return Ok(true);
        }
        let partition_count = self.cluster.partition_count(name)?;
        let place = partition(key, partition_count);
        if !self.is_decided(name, place)? {
            return Ok(true);
        }
        let ledgers = self.looker.ledgers(name, &group_of(name, QUEUE_GROUP), partition_count)?;
        let Some(ledger) = usize::try_from(place).ok().and_then(|place| ledgers.get(place)) else { return Ok(true) };
        let mut is_waiting = false;
        self.looker.scan(name, place, ledger.position(), |found| {
            is_waiting = *found.arrived.message.key == *key && !ledger.is_done(found.offset);
            !is_waiting
        })?;
        Ok(is_waiting)
    }

    /// What was committed can be read a moment later only, when the marks of the transaction are written. For one that
    /// does not end nobody waits long: what is behind it is seen when it has.
    fn settle(&self, name: &TopicName, place: i32) -> Result<(), Error> {
        self.is_decided(name, place).map(|_| ())
    }

    /// Wait until nothing of a partition that is there now is undecided. False if that takes long.
    fn is_decided(&self, name: &TopicName, place: i32) -> Result<bool, Error> {
        let end = self.looker.uncommitted_end(name, place)?;
        let since = Instant::now();
        while self.looker.ends(name, place)?.1 < end {
            if since.elapsed() > DECIDED_MAX {
                return Ok(false);
            }
            thread::sleep(DECIDED_PAUSE);
        }
        Ok(true)
    }

    fn claim_delayed(self: &Arc<Self>, name: &TopicName, key: &str) -> Result<Option<Delivery>, Error> {
        if !self.delays.has(name, key) {
            return Ok(None);
        }
        // Others of its key must not go out meanwhile.
        let topic = self.seat_for_claims(name)?;
        let claimed = self.delays.claim(name, key, |held| {
            let number = topic.state.lock().enter(held)?;
            Some(Lane { topic: topic.clone(), number })
        });
        Ok(claimed.map(|(ack, waiting)| {
            let message = waiting.held.message.clone();
            Delivery { message, ack, redelivered: waiting.redelivered }
        }))
    }

    /// A topic that this host consumes, or joins for the claim: only a member may say that a message is done with.
    fn seat_for_claims(self: &Arc<Self>, name: &TopicName) -> Result<Arc<Topic>, Error> {
        let group = group_of(name, QUEUE_GROUP);
        let seated = self.topic(name).filter(|topic| topic.state.lock().seat_of(&group).is_some());
        let topic = match seated {
            Some(topic) => topic,
            None => self.visit(name, &group)?,
        };
        if let Some(group) = self.group(&group) {
            group.wait_until_at_hand(self, std::slice::from_ref(&topic));
        }
        Ok(topic)
    }

    /// Forget what retention allows. Answers how many messages of logs went.
    pub(super) fn forget(&self, now: Timestamp) -> Result<usize, Error> {
        let mut count = 0;
        for (name, partition_count) in self.cluster.topics()? {
            match self.options.retention(&name) {
                Retention::UntilAcknowledged => self.forget_done(&name, partition_count)?,
                Retention::Kept { age_max, bytes_max } => {
                    count += self.forget_old(&name, partition_count, now, age_max, bytes_max)?;
                }
            }
        }
        Ok(count)
    }

    /// What a group has done is removed: a work queue is kept for as long as it takes, so nobody else removes it.
    fn forget_done(&self, name: &TopicName, partition_count: i32) -> Result<(), Error> {
        let group = if delays::is_topic(name) { delays::GROUP.to_owned() } else { group_of(name, QUEUE_GROUP) };
        let ledgers = self.looker.ledgers(name, &group, partition_count)?;
        let mut ends: Vec<_> = (0..).zip(&ledgers).map(|(partition, ledger)| (partition, ledger.position())).collect();
        {
            let removed = self.removed.lock();
            ends.retain(|&(partition, end)| {
                end >= removed.get(&(name.clone(), partition)).copied().unwrap_or_default() + REMOVE_MIN
            });
        }
        self.cluster.delete_before(name, &ends)?;
        self.removed.lock().extend(ends.into_iter().map(|(partition, end)| ((name.clone(), partition), end)));
        Ok(())
    }

    fn forget_old(
        &self,
        name: &TopicName,
        partition_count: i32,
        now: Timestamp,
        age_max: Duration,
        bytes_max: u64,
    ) -> Result<usize, Error> {
        let mut removed = 0;
        let mut ends = Vec::new();
        let share = bytes_max / u64::try_from(partition_count.max(1)).unwrap_or(1);
        for partition in 0..partition_count {
            self.settle(name, partition)?;
            let tally = self.looker.tally(name, partition, 0)?;
            let is_old = tally.oldest_at.is_some_and(|at| now.since(at) >= age_max);
            // Large logs are the cluster's to cut, by the segment.
            if !(is_old || tally.bytes > share) || tally.count > COUNT_MAX {
                continue;
            }
            let (mut bytes, mut gone, mut end) = (tally.bytes, 0, 0);
            self.looker.scan(name, partition, 0, |found| {
                if now.since(found.arrived.published_at) < age_max && bytes <= share {
                    return false;
                }
                bytes = bytes.saturating_sub(found.bytes());
                (gone, end) = (gone + 1, found.offset + 1);
                true
            })?;
            removed += gone;
            ends.push((partition, end));
        }
        self.cluster.delete_before(name, &ends)?;
        Ok(removed)
    }
}

/// Staged messages of a topic that are not at hand here, and when the first was published.
type Away = (u64, Option<Timestamp>);

fn away(batch: &Batch, name: &TopicName) -> Away {
    let is_away = |send: &&Send| send.due.is_none() && send.seats.is_empty() && send.message().topic == *name;
    let away = || batch.sends.iter().filter(is_away);
    (away().count() as u64, away().map(|send| send.published_at).min())
}

/// Take the first message of a key that is at hand and at rest.
fn claim_at_hand(topic: &Topic, key: &str) -> Option<Delivery> {
    let (number, slot) = topic.state.lock().claim(key)?;
    let ack = topic.ack(0, number, &slot.stored);
    Some(Delivery { message: slot.stored.message.clone(), ack, redelivered: slot.redelivered })
}

/// Topics that the driver has for itself.
fn is_internal(name: &TopicName) -> bool {
    delays::is_topic(name) || [STATE_TOPIC, ALONE].contains(&name.as_str())
}

/// What this host knows of a topic by one of its groups.
struct SeatState {
    consumer: Option<ConsumerState>,
    part_count: i32,
    /// Messages that are here and not done; those that are not read yet are added by looking.
    lag: u64,
    oldest_at: Option<Timestamp>,
    behind: Vec<Behind>,
}

/// A partition that is not read to its end.
struct Behind {
    partition: i32,
    /// Nothing from here on was read.
    from: u64,
    /// Messages from there on that are counted already, or done.
    known_ahead: u64,
}

impl SeatState {
    fn of(seat: &Seat) -> Self {
        let out = seat.window.consumer_out_count() as u64;
        let consumer = || ConsumerState { group: seat.asked.clone(), in_flight_count: out, lag: 0 };
        let behind = seat.parts.iter().filter(|(_, part)| !part.has_caught_up()).map(|(&partition, part)| Behind {
            partition,
            from: part.ledger.read_end(),
            known_ahead: part.ledger.known_ahead(),
        });
        Self {
            consumer: seat.has_consumer().then(consumer),
            part_count: i32::try_from(seat.parts.len()).unwrap_or(i32::MAX),
            lag: seat.window.messages().count() as u64,
            oldest_at: seat.window.messages().map(|(_, held)| held.published_at).min(),
            behind: behind.collect(),
        }
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

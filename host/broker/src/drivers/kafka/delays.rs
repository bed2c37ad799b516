//! Messages that are not due yet. They lie on topics by how long they wait, one for each class of delays, so that what
//! waits briefly never lies behind what waits for long; whoever owns a partition of such a topic holds what it read of
//! it in order of due times and moves each to its topic in time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use host_core::id::TopicName;
use host_core::time::Timestamp;
use host_core::unit::{Ack, Offset};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::held::Held;
use super::topic::{Tenure, Topic};

/// The group that moves what is due.
pub(super) const GROUP: &str = "saga.delays";

/// Delays up to so long lie on the topic of this name; longer ones on the next.
const CLASSES: [(Duration, &str); 4] = [
    (Duration::from_secs(10), "saga.delayed.10s"),
    (Duration::from_secs(300), "saga.delayed.5m"),
    (Duration::from_secs(7200), "saga.delayed.2h"),
    (Duration::MAX, "saga.delayed.long"),
];

/// The topics of delayed messages.
pub(super) fn topics() -> [TopicName; CLASSES.len()] {
    CLASSES.map(|(_, name)| TopicName::try_new(name).expect("the names of this file are topic names"))
}

/// Whether a topic is one of delayed messages.
pub(super) fn is_topic(topic: &TopicName) -> bool {
    CLASSES.iter().any(|(_, name)| *name == topic.as_str())
}

/// The topic for a message that is due then.
pub(super) fn topic_for(now: Timestamp, due: Timestamp) -> TopicName {
    let span = due.since(now);
    let (_, name) = CLASSES.iter().find(|(longest, _)| span <= *longest).unwrap_or(&CLASSES[CLASSES.len() - 1]);
    TopicName::try_new(name).expect("the names of this file are topic names")
}

/// A message that waits for its time.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// The topic of delayed messages that it lies on.
    pub on: TopicName,
    /// By whom it was taken in.
    pub tenure: Tenure,
    pub held: Arc<Held>,
    pub due: Timestamp,
    /// It came back from a claim, or a host before this one had read it.
    pub redelivered: bool,
}

impl Waiting {
    fn is_of(&self, on: &TopicName, partition: i32) -> bool {
        self.on == *on && self.held.partition == partition
    }
}

/// By due time, then in the order they came.
type Place = (Timestamp, u64);

/// What this host holds of delayed messages.
#[derive(Debug, Default)]
pub(super) struct Delays {
    /// Guards the maps; held for map operations only.
    state: Mutex<State>,
    /// Something is due before what `next_due` told last.
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Place, Waiting>,
    claimed: HashMap<u64, Claimed>,
    counts: HashMap<TopicName, u64>,
    next: u64,
    told: Option<Timestamp>,
}

/// A message that is out with a claim.
#[derive(Debug)]
struct Claimed {
    waiting: Waiting,
    /// What keeps others of its key from going out meanwhile.
    lane: Lane,
}

/// The place in a topic's window that a claimed message takes, by its number.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub topic: Arc<Topic>,
    pub number: u64,
}

impl Delays {
    pub(super) fn insert(&self, waiting: Waiting) {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        *state.counts.entry(waiting.held.message.topic.clone()).or_default() += 1;
        let is_earlier = state.put((waiting.due, number), waiting);
        drop(state);
        if is_earlier {
            self.changed.notify_one();
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let mut state = self.state.lock();
        state.told = state.waiting.first_key_value().map(|((due, _), _)| *due);
        state.told
    }

    /// The first message that is due; it is the caller's from now on.
    pub(super) fn take_due(&self, now: Timestamp) -> Option<Waiting> {
        let mut state = self.state.lock();
        let first = state.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        let waiting = first.remove();
        state.uncount(&waiting.held.message.topic);
        Some(waiting)
    }

    /// Whether a message waits for a topic and a key.
    pub(super) fn has(&self, topic: &TopicName, key: &str) -> bool {
        self.state.lock().find(topic, key).is_some()
    }

    /// Claim the first message for a topic and a key, which takes the lane that `enter` gives. None if there is no
    /// message, or no lane.
    pub(super) fn claim(
        &self,
        topic: &TopicName,
        key: &str,
        enter: impl FnOnce(&Arc<Held>) -> Option<Lane>,
    ) -> Option<(Ack, Waiting)> {
        let mut state = self.state.lock();
        let place = state.find(topic, key)?;
        let lane = enter(&state.waiting.get(&place)?.held)?;
        let waiting = state.waiting.remove(&place)?;
        state.claimed.insert(place.1, Claimed { waiting: waiting.clone(), lane });
        let ack = Ack { topic: waiting.on.clone(), partition: 0, offset: Offset(place.1) };
        Some((ack, waiting))
    }

    /// Whether a claimed message is out here: not one whose partition went.
    pub(super) fn holds(&self, ack: &Ack) -> bool {
        self.state.lock().claimed.contains_key(&ack.offset.0)
    }

    /// A claimed message is done with.
    pub(super) fn settle(&self, ack: &Ack) -> Option<(Waiting, Lane)> {
        let mut state = self.state.lock();
        let Claimed { waiting, lane } = state.claimed.remove(&ack.offset.0)?;
        state.uncount(&waiting.held.message.topic);
        Some((waiting, lane))
    }

    /// A claimed message comes back. None if it is not claimed.
    pub(super) fn release(&self, ack: &Ack) -> Option<Lane> {
        let mut state = self.state.lock();
        let Claimed { waiting, lane } = state.claimed.remove(&ack.offset.0)?;
        let waiting = Waiting { redelivered: true, ..waiting };
        let is_earlier = state.put((waiting.due, ack.offset.0), waiting);
        drop(state);
        if is_earlier {
            self.changed.notify_one();
        }
        Some(lane)
    }

    /// A partition of a topic of delayed messages is about to go: nothing of it becomes due here any more.
    pub(super) fn rest(&self, on: &TopicName, partition: i32) {
        let mut state = self.state.lock();
        let goes = state.waiting.extract_if(.., |_, waiting| waiting.is_of(on, partition));
        let gone: Vec<_> = goes.map(|(_, waiting)| waiting).collect();
        gone.iter().for_each(|waiting| state.uncount(&waiting.held.message.topic));
    }

    /// It went, and with it what was claimed of it and is still out. Answers the lanes to be given back.
    pub(super) fn lose(&self, on: &TopicName, partition: i32) -> Vec<Lane> {
        self.rest(on, partition);
        let mut state = self.state.lock();
        let goes = state.claimed.extract_if(|_, claimed| claimed.waiting.is_of(on, partition));
        let gone: Vec<_> = goes.map(|(_, claimed)| claimed).collect();
        gone.iter().for_each(|claimed| state.uncount(&claimed.waiting.held.message.topic));
        gone.into_iter().map(|claimed| claimed.lane).collect()
    }

    /// The topics that messages wait for.
    pub(super) fn topics(&self) -> Vec<TopicName> {
        let state = self.state.lock();
        let counted = state.counts.iter().filter(|(_, count)| **count > 0);
        counted.map(|(topic, _)| topic.clone()).collect()
    }

    /// Messages that wait for a topic.
    pub(super) fn count(&self, topic: &TopicName) -> u64 {
        self.state.lock().counts.get(topic).copied().unwrap_or_default()
    }
}

impl State {
    fn find(&self, topic: &TopicName, key: &str) -> Option<Place> {
        let is_wanted = |waiting: &Waiting| waiting.held.message.topic == *topic && &*waiting.held.message.key == key;
        self.waiting.iter().find(|(_, waiting)| is_wanted(waiting)).map(|(&place, _)| place)
    }

    /// True if it is due before what was told last.
    fn put(&mut self, place: Place, waiting: Waiting) -> bool {
        self.waiting.insert(place, waiting);
        self.told.is_none_or(|told| place.0 < told)
    }

    fn uncount(&mut self, topic: &TopicName) {
        if let Some(count) = self.counts.get_mut(topic) {
            *count = count.saturating_sub(1);
        }
    }
}

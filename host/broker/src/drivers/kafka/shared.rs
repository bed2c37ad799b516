//! What all handles of one Kafka driver share: the path of a unit through stage and seal, and who reads for which
//! group. Order of locks: a batch, then a topic's `state`; no lock is held while another topic's or `delays`' is taken,
//! and none while the cluster is asked.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use host_core::id::TopicName;
use host_core::table::Tables;
use host_core::time::Timestamp;
use host_core::unit::{Ack, Message, Publish, Unit};
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;

use super::catch_up::CatchUp;
use super::cluster::Cluster;
use super::copies::Extra;
use super::delays::{self, Delays, Waiting};
use super::follow::Follow;
use super::group::{self, Group};
use super::held::Held;
use super::ledger::Ledger;
use super::open::{Batch, Done, Open, Send, What};
use super::options::{Hosts, KafkaOptions};
use super::partitioner::partition;
use super::producers::Producers;
use super::reading::Looker;
use super::topic::{self, Topic, Wakes};
use super::{transaction, wanted};
use crate::{Error, Subscription};

/// Owned by the only host of an installation that can have only one.
pub(super) const ALONE: &str = "saga.host";

/// How much longer than a dead host takes to be forgotten this one waits for its place.
const ALONE_PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two looks whether the place is free.
const ALONE_PAUSE: Duration = Duration::from_millis(20);

/// The same between two looks at who else is here.
const JOIN_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Shared {
    pub options: KafkaOptions,
    pub cluster: Cluster,
    pub producers: Producers,
    pub looker: Looker,
    pub delays: Delays,
    /// Topics that this host consumes or has consumed.
    topics: RwLock<HashMap<TopicName, Arc<Topic>>>,
    groups: Mutex<HashMap<String, Arc<Group>>>,
    readers: Mutex<Vec<thread::JoinHandle<()>>>,
    /// The batch that units are staged into now.
    open: Mutex<Arc<Mutex<Batch>>>,
    /// Topics to which the transaction that is being made publishes.
    pub sealing: Mutex<HashSet<TopicName>>,
    /// The topic whose owner is the only host, once this host is.
    alone: Mutex<Option<Arc<Topic>>>,
    /// Brings what several hosts commit into the tables of this one.
    pub follow: OnceLock<Follow>,
    pub catch_up: CatchUp,
    /// Up to where done messages were removed.
    pub removed: Mutex<HashMap<(TopicName, i32), u64>>,
    /// Why this host can commit nothing any more, though no commit has failed.
    failure: OnceLock<Error>,
    is_stopped: AtomicBool,
}

impl Shared {
    /// Reach the cluster. Blocks.
    pub(super) fn open(options: KafkaOptions, expected: &[TopicName]) -> Result<Arc<Self>, Error> {
        let shared = Arc::new(Self {
            cluster: Cluster::open(&options)?,
            producers: Producers::open(&options)?,
            looker: Looker::open(&options)?,
            delays: Delays::default(),
            topics: RwLock::default(),
            groups: Mutex::default(),
            readers: Mutex::default(),
            open: Mutex::default(),
            sealing: Mutex::default(),
            alone: Mutex::default(),
            follow: OnceLock::new(),
            catch_up: CatchUp::default(),
            removed: Mutex::default(),
            failure: OnceLock::new(),
            is_stopped: AtomicBool::new(false),
            options,
        });
        shared.cluster.ensure(&wanted::own(&shared.options), expected)?;
        for topic in delays::topics() {
            shared.seat(&topic, delays::GROUP, 1)?;
        }
        // One of several gets some partitions, or none.
        if shared.options.hosts == Hosts::One
            && let Some(group) = shared.group(delays::GROUP)
        {
            group.wait_until_at_hand(&shared, &group.topics());
        }
        Ok(shared)
    }

    /// The first reason counts, and is told once: a client that was put out says so again until the host ends.
    pub(super) fn fail(&self, error: Error) {
        if self.failure.set(error.clone()).is_ok() {
            tracing::error!(%error, "this host can go on with nothing");
        }
    }

    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.get().cloned()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// No transaction is made any more: consumers end, and this host leaves its groups. Blocks until it has.
    pub(super) fn stop(&self) {
        if self.is_stopped.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(file) = &self.options.oauth_token_file {
            file.stop();
        }
        self.all_topics().iter().for_each(|topic| topic.state.lock().wake_all());
        self.groups.lock().values().for_each(|group| group.wake.wake());
        self.catch_up.stop();
        let readers = std::mem::take(&mut *self.readers.lock());
        for reader in readers {
            // A panic of a reader was reported by its own hook.
            let _ = reader.join();
        }
        self.groups.lock().clear();
    }

    pub(super) fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.topics.read().get(name).cloned()
    }

    pub(super) fn all_topics(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.topics.read().values().cloned().collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    pub(super) fn group(&self, name: &str) -> Option<Arc<Group>> {
        self.groups.lock().get(name).cloned()
    }

    /// Take a seat of a group at a topic, and have it read for. Blocks: the topic is made if it does not exist.
    pub(super) fn seat(
        self: &Arc<Self>,
        name: &TopicName,
        group: &str,
        in_flight_max: usize,
    ) -> Result<(Arc<Topic>, topic::Right), Error> {
        let partition_count = self.cluster.partition_count(name)?;
        let topic = self
            .topics
            .write()
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Topic::new(name.clone(), partition_count)))
            .clone();
        let group = self.group_or_new(group)?;
        let right = topic.state.lock().subscribe(&group.name, in_flight_max, &group.wake, self.options.window());
        group.consume(topic.clone());
        Ok((topic, right))
    }

    pub(super) fn subscribe(self: &Arc<Self>, wanted: &Subscription) -> Result<(Arc<Topic>, topic::Right), Error> {
        let (topic, right) = self.seat(&wanted.topic, &group_of(&wanted.topic, &wanted.group), wanted.in_flight_max)?;
        topic.state.lock().name(&right, &wanted.group);
        Ok((topic, right))
    }

    /// Be the only host: own the one partition of a topic that is there for nothing else.
    pub(super) fn take_cluster(self: &Arc<Self>) -> Result<(), Error> {
        let name = TopicName::try_new(ALONE).expect("it is a topic name");
        let (topic, right) = self.seat(&name, ALONE, 1)?;
        let since = Instant::now();
        let patience = self.options.session_timeout + ALONE_PATIENCE;
        while topic.state.lock().part(right.seat, 0).is_none() {
            if since.elapsed() > patience {
                let cause = "another host works with these topics, and what it stores no other host can see; end that one, \
                    or give this one topics of its own (broker.prefix)";
                return Err(Error::cluster("becoming the host of this cluster", &cause));
            }
            thread::sleep(ALONE_PAUSE);
        }
        *self.alone.lock() = Some(topic);
        if let Some(other) = self.other_that_stays(delays::GROUP, since)? {
            let cause = format!(
                "host {other} works with these topics as one of several; give this one broker.hosts = \"several\" \
                as well, or topics of its own (broker.prefix)"
            );
            return Err(Error::cluster("becoming the host of this cluster", &cause));
        }
        Ok(())
    }

    /// Be one of several: none may be here that works alone. Both kinds join before they look, so that of two that
    /// come at once one sees the other.
    fn join_cluster(&self) -> Result<(), Error> {
        let Some(loner) = self.other_that_stays(ALONE, Instant::now())? else { return Ok(()) };
        let cause = format!(
            "host {loner} works alone with these topics (its broker.hosts is \"one\"); give all hosts \
            broker.hosts = \"several\", or this one topics of its own (broker.prefix)"
        );
        Err(Error::cluster("joining the hosts of this cluster", &cause))
    }

    /// Another host that is still in this group when one that died would have been forgotten.
    fn other_that_stays(&self, group: &str, since: Instant) -> Result<Option<String>, Error> {
        loop {
            let members = self.cluster.members(group)?;
            let other = members.into_iter().find(|name| *name != self.options.host_name);
            if other.is_none() || since.elapsed() > self.options.session_timeout + ALONE_PATIENCE {
                return Ok(other);
            }
            thread::sleep(JOIN_PAUSE);
        }
    }

    /// Bring what the hosts commit into these tables, from where they end. Blocks.
    pub(super) fn begin_following(self: &Arc<Self>, tables: &dyn Tables) -> Result<(), Error> {
        self.join_cluster()?;
        let follow = Follow::open(self, tables)?;
        assert!(self.follow.set(follow).is_ok(), "a host begins to follow once");
        let shared = self.clone();
        let service = thread::Builder::new().name("saga-catch-up".to_owned()).spawn(move || {
            let follow = shared.follow.get().expect("it was set");
            if let Err(error) = shared.catch_up.run(&shared, follow) {
                tracing::error!(%error, "this host cannot tell how far its tables are");
            }
        });
        // It may wait for a cluster that does not answer, so nobody waits for it.
        service.map(drop).map_err(|error| Error::cluster("starting a thread", &error))
    }

    /// Whether this host took the cluster and lost it.
    fn is_dethroned(&self) -> bool {
        self.alone.lock().as_ref().is_some_and(|topic| topic.state.lock().part(0, 0).is_none())
    }

    /// Read a topic without a consumer, for a while: for claims.
    pub(super) fn visit(self: &Arc<Self>, name: &TopicName, group: &str) -> Result<Arc<Topic>, Error> {
        let (topic, right) = self.seat(name, group, 1)?;
        topic.state.lock().visits(&right);
        Ok(topic)
    }

    /// Look at the batch that is staged into now.
    pub(super) fn with_open<T>(&self, look: impl FnOnce(&Batch) -> T) -> T {
        let open = self.open.lock().clone();
        let batch = open.lock();
        look(&batch)
    }

    fn group_or_new(self: &Arc<Self>, name: &str) -> Result<Arc<Group>, Error> {
        let mut groups = self.groups.lock();
        if self.is_stopped() {
            return Err(Error::ShuttingDown);
        }
        if let Some(group) = groups.get(name) {
            return Ok(group.clone());
        }
        let group = Arc::new(Group::new(name));
        let reader = group::read_on_a_thread(group.clone(), self.clone())?;
        self.readers.lock().push(reader);
        groups.insert(name.to_owned(), group.clone());
        Ok(group)
    }
}

/// The group that consumes a topic: the step's own for a work queue, which has one, whoever asks.
pub(super) fn group_of(topic: &TopicName, asked: &str) -> String {
    match topic.step() {
        Some((address, host_core::id::TopicKind::In | host_core::id::TopicKind::Compensate)) => address.to_string(),
        Some((_, host_core::id::TopicKind::Error)) | None => asked.to_owned(),
    }
}

/// The commit.
impl Shared {
    pub(super) fn stage(&self, open: &Open, now: Timestamp, unit: &mut Unit) {
        self.begin(open);
        let mut wakes = Wakes::new();
        let mut batch = open.batch.lock();
        batch.at = Some(now);
        // First the acknowledgement: the unit may publish the next message of the same key.
        if let Some(ack) = unit.ack.take() {
            self.acknowledge(&mut batch, &ack, &mut wakes);
        }
        for Publish { message, due } in unit.publishes.drain(..) {
            match due.filter(|&due| due > now) {
                Some(due) => self.publish_delayed(&mut batch, now, due, message),
                None => self.publish(&mut batch, now, message, false, &mut wakes),
            }
        }
        drop(batch);
        topic::wake(wakes);
    }

    /// This batch is the open one.
    fn begin(&self, open: &Open) {
        let mut current = self.open.lock();
        if !Arc::ptr_eq(&current, &open.batch) {
            *current = open.batch.clone();
        }
    }

    fn publish(&self, batch: &mut Batch, at: Timestamp, message: Message, redelivered: bool, wakes: &mut Wakes) {
        let send = match self.topic(&message.topic) {
            None => away(message, at, None),
            Some(topic) => {
                let mut state = topic.state.lock();
                let place = partition(&message.key, state.partition_count);
                let held = Arc::new(Held::own(message, at, place));
                let seats = state.publish(&held, redelivered, wakes);
                drop(state);
                Send { what: What::Held(held), published_at: at, due: None, topic: Some(topic), seats }
            }
        };
        batch.sends.push(send);
    }

    fn publish_delayed(&self, batch: &mut Batch, now: Timestamp, due: Timestamp, message: Message) {
        let on = delays::topic_for(now, due);
        let Some(topic) = self.topic(&on) else {
            batch.sends.push(away(message, now, Some(due)));
            return;
        };
        let mut state = topic.state.lock();
        let place = partition(&message.key, state.partition_count);
        let held = Arc::new(Held::own(message, now, place));
        let seats = state.seats_for_own(place);
        drop(state);
        if let Some(&tenure) = seats.first() {
            self.delays.insert(Waiting { on, tenure, held: held.clone(), due, redelivered: false });
        }
        batch.sends.push(Send { what: What::Held(held), published_at: now, due: Some(due), topic: Some(topic), seats });
    }

    fn acknowledge(&self, batch: &mut Batch, ack: &Ack, wakes: &mut Wakes) {
        let Some(topic) = self.topic(&ack.topic) else { return batch.takes(None) };
        if delays::is_topic(&ack.topic) {
            let settled = self.delays.settle(ack);
            let done = settled.and_then(|(waiting, lane)| {
                lane.topic.state.lock().leave(lane.number, wakes);
                let is_ours = topic.state.lock().settles(waiting.tenure, waiting.held.partition);
                is_ours.then_some(Done { topic, tenure: waiting.tenure, held: waiting.held })
            });
            batch.takes(done);
            return;
        }
        let settled = topic.state.lock().settle(ack, wakes);
        batch.takes(settled.map(|(tenure, held)| Done { topic, tenure, held }));
    }

    /// Whether a delivery is this host's still.
    pub(super) fn holds(&self, ack: &Ack) -> bool {
        match self.topic(&ack.topic) {
            Some(_) if delays::is_topic(&ack.topic) => self.delays.holds(ack),
            Some(topic) => topic.state.lock().holds(ack),
            None => false,
        }
    }

    /// Make what was staged a transaction. Blocks.
    pub(super) fn seal(&self, open: Open, extras: &[Extra]) -> Result<Vec<u64>, Error> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        if self.is_dethroned() {
            return Err(Error::Taken);
        }
        let now;
        let batch = {
            let mut batch = open.batch.lock();
            batch.is_sealed = true;
            now = batch.at.unwrap_or(Timestamp::MIN);
            let sends = std::mem::take(&mut batch.sends);
            *self.sealing.lock() = sends.iter().map(|send| send.on(now)).collect();
            sends.iter().for_each(leaves);
            let dones = std::mem::take(&mut batch.dones);
            Batch { sends, dones, at: batch.at, is_sealed: true, has_lost: batch.has_lost }
        };
        let made = transaction::carry_out(self, &batch, extras, now);
        let sealed = std::mem::take(&mut *self.sealing.lock());
        for topic in sealed.iter().filter_map(|name| self.topic(name)) {
            let mut state = topic.state.lock();
            let parts = state.seats.iter_mut().flat_map(|seat| seat.parts.values_mut());
            parts.for_each(|part| part.came_amid = false);
        }
        self.groups.lock().values().for_each(|group| group.wake.wake_if_held_back());
        made
    }

    /// A partition was given to this host.
    pub(super) fn begin_part(&self, topic: &Topic, seat: usize, partition: i32, ledger: Ledger) {
        let sealing = self.sealing.lock();
        topic.state.lock().begin(seat, partition, ledger, sealing.contains(&topic.name));
    }

    /// A partition is no longer this host's.
    pub(super) fn lose(&self, topic: &Topic, seat: usize, partition: i32) {
        topic.state.lock().seats[seat].lose(partition);
        let mut wakes = Wakes::new();
        for lane in self.delays.lose(&topic.name, partition) {
            lane.topic.state.lock().leave(lane.number, &mut wakes);
        }
        topic::wake(wakes);
    }

    pub(super) fn release(&self, ack: &Ack) {
        let mut wakes = Wakes::new();
        let is_out = match self.topic(&ack.topic) {
            Some(_) if delays::is_topic(&ack.topic) => {
                let lane = self.delays.release(ack);
                lane.map(|lane| lane.topic.state.lock().leave(lane.number, &mut wakes)).is_some()
            }
            Some(topic) => topic.state.lock().release(ack, &mut wakes),
            None => false,
        };
        if !is_out {
            tracing::debug!(topic = %ack.topic, "a delivery is given back whose partition went to another host");
        }
        topic::wake(wakes);
    }

    pub(super) fn take_due(&self, open: &Open, now: Timestamp, limit: usize) -> usize {
        self.begin(open);
        let mut wakes = Wakes::new();
        let mut batch = open.batch.lock();
        batch.at = Some(now);
        let mut count = 0;
        while count < limit
            && let Some(Waiting { on, tenure, held, redelivered, .. }) = self.delays.take_due(now)
        {
            let Some(topic) = self.topic(&on) else { continue };
            // A partition that went meanwhile has taken its messages along.
            if !topic.state.lock().settles(tenure, held.partition) {
                continue;
            }
            self.publish(&mut batch, now, held.message.clone(), redelivered, &mut wakes);
            batch.takes(Some(Done { topic, tenure, held }));
            count += 1;
        }
        drop(batch);
        topic::wake(wakes);
        count
    }

    /// Let a partition that has read everything take in what was published to it meanwhile and is not under way yet.
    pub(super) fn adopt(&self, topic: &Arc<Topic>, seat: usize, place: i32) {
        let open = self.open.lock().clone();
        let mut batch = open.lock();
        let mut wakes = Wakes::new();
        let mut delayed = Vec::new();
        let mut state = topic.state.lock();
        if !state.part(seat, place).is_some_and(|part| part.has_caught_up() && !part.is_current) {
            return;
        }
        let Some(tenure) = state.tenure(seat, place) else { return };
        let mut has_room = true;
        let sends = if batch.is_sealed { &mut [][..] } else { &mut batch.sends[..] };
        for send in sends {
            claim_for(send, topic, state.partition_count);
            let (Some(on), What::Held(held)) = (&send.topic, &send.what) else { continue };
            if !Arc::ptr_eq(on, topic) || held.partition != place || send.seats.contains(&tenure) {
                continue;
            }
            match send.due {
                Some(due) => {
                    let (on, held) = (topic.name.clone(), held.clone());
                    delayed.push(Waiting { on, tenure, held, due, redelivered: false });
                }
                None => has_room = has_room && state.adopt(seat, held, &mut wakes),
            }
            if !has_room {
                break;
            }
            send.seats.push(tenure);
        }
        if let Some(part) = state.part(seat, place) {
            part.is_current = has_room;
        }
        drop(state);
        drop(batch);
        delayed.into_iter().for_each(|waiting| self.delays.insert(waiting));
        topic::wake(wakes);
    }
}

/// A message for a topic that was none of this host's when it was published, and is now.
fn claim_for(send: &mut Send, topic: &Arc<Topic>, partition_count: i32) {
    let What::Away(message) = &send.what else { return };
    if send.due.is_some() || message.topic != topic.name {
        return;
    }
    let place = partition(&message.key, partition_count);
    send.what = What::Held(Arc::new(Held::own(message.clone(), send.published_at, place)));
    send.topic = Some(topic.clone());
}

/// A message leaves this host: the seats that do not have it will read it.
fn leaves(send: &Send) {
    let (Some(topic), What::Held(held)) = (&send.topic, &send.what) else { return };
    let mut state = topic.state.lock();
    for seat in 0..state.seats.len() {
        let tenure = state.tenure(seat, held.partition);
        if tenure.is_some_and(|tenure| !send.seats.contains(&tenure))
            && let Some(part) = state.part(seat, held.partition)
        {
            part.under_way += 1;
            part.is_current = false;
        }
    }
}

fn away(message: Message, at: Timestamp, due: Option<Timestamp>) -> Send {
    Send { what: What::Away(message), published_at: at, due, topic: None, seats: SmallVec::new() }
}

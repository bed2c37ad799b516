//! A member of one consumer group, and the thread that reads for it. Each partition has a queue of its own, so that one
//! that is full holds nobody else back, and its end is seen.
//!
//! Rebalances are cooperative: only partitions that come or go are touched. One that goes is read no more, what is out
//! of it may come to its end and be committed, and then it is given up.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use host_core::id::TopicName;
use host_core::limits::JOURNAL_TOPIC;
use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::cluster::ANSWER_MAX;
use super::delays::{self, Waiting};
use super::held::Held;
use super::ledger::{Ledger, Read};
use super::options::{Hosts, KafkaOptions};
use super::record;
use super::shared::Shared;
use super::topic::{self, Topic, Wakes};
use super::voice;
use super::wake::Wake;
use crate::Error;

/// The client is to be served at least so often, also when nothing comes.
const SERVE_INTERVAL: Duration = Duration::from_millis(200);

/// Messages taken of one partition before the next has its turn.
const TURN_MESSAGES: usize = 64;

/// How long what is out of a partition that goes may take to come to its end.
const GIVE_UP_MAX: Duration = Duration::from_secs(5);

/// Pause between two looks whether it has, or whether everything is at hand.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Pause before the cluster is asked again for what it did not tell.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How long one of several hosts waits for its share of a topic, which may be nothing.
const SHARE_MAX: Duration = Duration::from_secs(5);

/// A topic that there is and that no group consumes.
const WANTED_AT_FIRST: &str = JOURNAL_TOPIC;

/// How long a topic without a consumer stays with this member: a step that is replaced has a new one at once.
const GRACE: Duration = Duration::from_millis(500);

/// How long a member that came again after the cluster had put it out is to stay, or another host has its name.
const NAMESAKE_WITHIN: Duration = Duration::from_secs(120);

/// A member.
pub(super) struct Group {
    pub name: String,
    pub wake: Arc<Wake>,
    topics: Mutex<Vec<Arc<Topic>>>,
    /// The client by which it is a member now.
    member: Mutex<Option<Member>>,
}

type Member = Arc<BaseConsumer<Rebalances>>;

/// Partitions that come or go, as the client told.
#[derive(Default)]
pub(super) struct Rebalances {
    told: Mutex<VecDeque<Told>>,
    is_closing: AtomicBool,
}

enum Told {
    Assigned(Vec<(String, i32)>),
    Revoked(Vec<(String, i32)>),
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        voice::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        voice::complain(&error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let places = list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.told.lock().push_back(Told::Assigned(places)),
            _ => self.told.lock().push_back(Told::Revoked(places)),
        }
        // Nobody reads any more who could answer later.
        if self.is_closing.load(Ordering::Acquire) {
            self.decline(consumer);
        }
    }
}

impl Rebalances {
    /// Answer what was told without taking it up: a client that waits for an answer cannot be closed.
    fn decline(&self, consumer: &BaseConsumer<Self>) {
        while let Some(told) = self.told.lock().pop_front() {
            let mut list = TopicPartitionList::new();
            let (Told::Assigned(places) | Told::Revoked(places)) = &told;
            for (topic, partition) in places {
                list.add_partition(topic, *partition);
            }
            let declined = match told {
                Told::Assigned(_) => consumer.incremental_assign(&list),
                Told::Revoked(_) => consumer.incremental_unassign(&list),
            };
            if let Err(error) = declined {
                tracing::debug!(%error, "what a client that closes was told needs no answer any more");
            }
        }
    }
}

impl Group {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), wake: Arc::default(), topics: Mutex::default(), member: Mutex::default() }
    }

    fn join(&self, options: &KafkaOptions) -> Result<Member, Error> {
        let waker = self.wake.clone();
        let member = options.prepare_consumer(&options.member(&self.name), Rebalances::default(), |client| {
            client.set_nonempty_callback(move || waker.wake());
        })?;
        *self.member.lock() = Some(member.clone());
        Ok(member)
    }

    /// By which the coordinator knows this member in its generation. None while it is none: what the client names then
    /// has no generation, and nobody would check it.
    pub(super) fn membership(&self) -> Option<ConsumerGroupMetadata> {
        let member = self.member.lock().clone()?;
        let metadata = member.group_metadata()?;
        (!member.assignment_lost()).then_some(metadata)
    }

    /// Read this topic as well.
    pub(super) fn consume(&self, topic: Arc<Topic>) {
        let mut topics = self.topics.lock();
        if !topics.iter().any(|other| Arc::ptr_eq(other, &topic)) {
            topics.push(topic);
        }
        drop(topics);
        self.wake.wake();
    }

    /// Wait until everything that lies on these topics now is at hand here: every partition of them came and was read
    /// to its end, each at a moment of its own, or there is no room for more. For as long as the cluster may take to
    /// answer. One of several hosts gets some partitions only, or none, and waits less long.
    pub(super) fn wait_until_at_hand(&self, shared: &Shared, topics: &[Arc<Topic>]) {
        let since = Instant::now();
        let at_most = match shared.options.hosts {
            Hosts::One => ANSWER_MAX,
            Hosts::Several => SHARE_MAX,
        };
        let mut seen = vec![BTreeSet::new(); topics.len()];
        while since.elapsed() < at_most && !shared.is_stopped() {
            let mut looks = topics.iter().zip(&mut seen);
            if looks.all(|(topic, seen)| topic.state.lock().is_at_hand(&self.name, seen)) {
                return;
            }
            thread::sleep(LOOK_PAUSE);
        }
    }

    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.lock().clone()
    }
}

/// Become a member, and start the thread that reads for the group.
pub(super) fn read_on_a_thread(group: Arc<Group>, shared: Arc<Shared>) -> Result<thread::JoinHandle<()>, Error> {
    let doing = format!("starting a thread for group {}", group.name);
    let client = group.join(&shared.options)?;
    let mut reader = Reader {
        group,
        client,
        shared,
        queues: Vec::new(),
        subscribed: Vec::new(),
        is_new: true,
        idle_since: None,
        put_out_by: None,
        put_out_at: None,
    };
    let thread = thread::Builder::new().name("saga-read".to_owned()).spawn(move || reader.run());
    thread.map_err(|error| Error::cluster(&doing, &error))
}

struct Reader {
    group: Arc<Group>,
    client: Member,
    shared: Arc<Shared>,
    queues: Vec<Queue>,
    /// Names in the cluster, sorted.
    subscribed: Vec<String>,
    /// This client was not given a share yet.
    is_new: bool,
    /// Since when there are topics without a consumer.
    idle_since: Option<Instant>,
    /// Why this client can do nothing any more, once the cluster has put it out of the group.
    put_out_by: Option<KafkaError>,
    /// When that was the last time.
    put_out_at: Option<Instant>,
}

/// The queue of one partition.
struct Queue {
    topic: Arc<Topic>,
    seat: usize,
    partition: i32,
    queue: PartitionQueue<Rebalances>,
}

impl Reader {
    fn run(&mut self) {
        while !self.shared.is_stopped() {
            self.follow_topics();
            self.serve();
            self.follow_rebalances();
            if !self.read() {
                self.group.wake.wait(SERVE_INTERVAL);
            }
            if let Some(error) = self.put_out_by.take() {
                self.join_again(&error);
            }
        }
        self.queues.clear();
        self.close();
        // The last who has it leaves the group, and each group is left by its own thread.
        *self.group.member.lock() = None;
    }

    /// Nothing that this client is told is taken up any more.
    fn close(&self) {
        self.client.context().is_closing.store(true, Ordering::Release);
        self.client.context().decline(&self.client);
    }

    /// The cluster has put this member out: what it had is another's, and a new client takes its place. It may have
    /// been its own request to join, sent twice, that did it; if it happens again, another host has its name.
    fn join_again(&mut self, error: &KafkaError) {
        let before = self.put_out_at.replace(Instant::now());
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::FencedInstanceId)
            && before.is_some_and(|before| before.elapsed() < NAMESAKE_WITHIN)
        {
            return self.shared.fail(Error::Namesake { host_name: self.shared.options.host_name.clone() });
        }
        tracing::warn!(%error, group = self.group.name, "the cluster has put this host out of a group, which it joins again");
        for queue in std::mem::take(&mut self.queues) {
            self.shared.lose(&queue.topic, queue.seat, queue.partition);
        }
        self.close();
        self.subscribed.clear();
        self.is_new = true;
        match self.group.join(&self.shared.options) {
            Ok(client) => self.client = client,
            Err(error) => self.shared.fail(error),
        }
    }

    fn complain(&mut self, error: KafkaError) {
        complain(&self.group.name, &error);
        let fatal = self.client.client().fatal_error();
        match fatal {
            Some((code, _)) => self.put_out_by = Some(KafkaError::MessageConsumptionFatal(code)),
            None if matches!(error, KafkaError::MessageConsumptionFatal(_)) => self.put_out_by = Some(error),
            None => {}
        }
    }

    /// Subscribe to the topics that are consumed now.
    fn follow_topics(&mut self) {
        let topics = self.group.topics.lock().clone();
        let mut wanted = Vec::new();
        let mut has_idle = false;
        for topic in &topics {
            let state = topic.state.lock();
            let is_consumed = state.seat_of(&self.group.name).is_some_and(|seat| state.seats[seat].is_read());
            let name = self.shared.options.prefixed(topic.name.as_str());
            if is_consumed || delays::is_topic(&topic.name) {
                wanted.push(name);
            } else if self.subscribed.contains(&name) {
                has_idle = true;
                let since = *self.idle_since.get_or_insert_with(Instant::now);
                if since.elapsed() < GRACE {
                    wanted.push(name);
                }
            }
        }
        if !has_idle {
            self.idle_since = None;
        }
        // A member that comes again under its name is given what it had, and nobody looks whether it had given some of
        // that up just before it went: such partitions would be nobody's. The members share anew when one of them wants
        // other topics than before, so a new client wants one more until it has its share.
        if self.is_new && self.shared.options.hosts == Hosts::Several && !wanted.is_empty() {
            wanted.push(self.shared.options.prefixed(WANTED_AT_FIRST));
        }
        wanted.sort_unstable();
        if wanted == self.subscribed {
            return;
        }
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let done = if names.is_empty() {
            self.client.unsubscribe();
            Ok(())
        } else {
            self.client.subscribe(&names)
        };
        match done {
            Ok(()) => self.subscribed = wanted,
            Err(error) => tracing::error!(%error, group = self.group.name, "topics cannot be subscribed"),
        }
    }

    /// Let the client do what it has to do. Messages come by the queues of their partitions.
    fn serve(&mut self) {
        while let Some(event) = self.client.poll(Duration::ZERO) {
            match event {
                Ok(record) => self.misplaced(&record),
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => return self.complain(error),
            }
        }
    }

    /// A message that came before its partition had a queue.
    fn misplaced(&self, record: &BorrowedMessage<'_>) {
        let found = self.queues.iter().find(|queue| {
            queue.partition == record.partition()
                && self.shared.options.prefixed(queue.topic.name.as_str()) == record.topic()
        });
        if let Some(queue) = found {
            take_in(&self.shared, queue, record);
        }
    }

    fn follow_rebalances(&mut self) {
        loop {
            let told = self.client.context().told.lock().pop_front();
            match told {
                Some(Told::Assigned(places)) => {
                    if !self.assigned(&places) {
                        return self.client.context().told.lock().push_front(Told::Assigned(places));
                    }
                }
                Some(Told::Revoked(places)) => self.revoked(&places),
                None => return,
            }
        }
    }

    /// False if it cannot be taken up any more, and is not answered.
    fn assigned(&mut self, places: &[(String, i32)]) -> bool {
        let mut list = TopicPartitionList::new();
        places.iter().for_each(|(topic, partition)| {
            list.add_partition(topic, *partition);
        });
        let committed = loop {
            match self.client.committed_offsets(list.clone(), ANSWER_MAX) {
                Ok(committed) => break committed,
                Err(error) => {
                    self.complain(error);
                    if self.put_out_by.is_some() || self.shared.is_stopped() {
                        return false;
                    }
                    thread::sleep(RETRY_PAUSE);
                }
            }
        };
        let mut wanted = TopicPartitionList::new();
        let at_first = self.shared.options.prefixed(WANTED_AT_FIRST);
        for element in committed.elements() {
            let position = match element.offset() {
                Offset::Offset(offset) => u64::try_from(offset).unwrap_or_default(),
                _ => 0,
            };
            let ledger = match Ledger::resume(position, element.metadata()) {
                Ok(ledger) => ledger,
                Err(error) => {
                    tracing::error!(%error, group = self.group.name, topic = element.topic(),
                        partition = element.partition(), "a partition is left alone; reset the group's position if \
                        it was written by something else, or update this host");
                    continue;
                }
            };
            let offset = i64::try_from(position).map_or(Offset::End, Offset::Offset);
            let from = match position {
                _ if element.topic() == at_first => Offset::End,
                0 => Offset::Beginning,
                _ => offset,
            };
            if wanted.add_partition_offset(element.topic(), element.partition(), from).is_ok() {
                self.begin(element.topic(), element.partition(), ledger);
            }
        }
        if let Err(error) = self.client.incremental_assign(&wanted) {
            complain(&self.group.name, &error);
        }
        self.is_new = false;
        self.tell_ends(places);
        tracing::debug!(group = self.group.name, count = places.len(), "partitions came");
        true
    }

    /// Where these partitions end now, committed or not: what is read from there on came while they were ours.
    fn tell_ends(&self, places: &[(String, i32)]) {
        if places.is_empty() {
            return;
        }
        let named = places.iter().map(|(name, partition)| (name.as_str(), *partition));
        let ends: HashMap<_, _> = match self.shared.looker.ends_of_all(named.clone()) {
            Ok(ends) => named.zip(ends).collect(),
            // Their ends are seen when nothing comes for a moment.
            Err(error) => return tracing::debug!(%error, group = self.group.name, "ends are not known"),
        };
        for queue in &self.queues {
            let name = self.shared.options.prefixed(queue.topic.name.as_str());
            if let Some(&end) = ends.get(&(name.as_str(), queue.partition))
                && let Some(part) = queue.topic.state.lock().part(queue.seat, queue.partition)
            {
                part.first_end = Some(end);
            }
        }
    }

    fn begin(&mut self, name: &str, partition: i32, ledger: Ledger) {
        let own_name = name.strip_prefix(&self.shared.options.prefix).and_then(|name| TopicName::try_new(name).ok());
        let Some(topic) = own_name.and_then(|name| self.shared.topic(&name)) else { return };
        let seat = topic.state.lock().seat_of(&self.group.name);
        let Some(seat) = seat else { return };
        let Some(mut queue) = self.client.split_partition_queue(name, partition) else {
            tracing::error!(group = self.group.name, topic = name, partition, "a partition has no queue");
            return;
        };
        let waker = self.group.wake.clone();
        queue.set_nonempty_callback(move || waker.wake());
        self.shared.begin_part(&topic, seat, partition, ledger);
        self.queues.push(Queue { topic, seat, partition, queue });
    }

    fn revoked(&mut self, places: &[(String, i32)]) {
        let is_lost = self.client.assignment_lost();
        let mut list = TopicPartitionList::new();
        let mut going = Vec::new();
        for (name, partition) in places {
            list.add_partition(name, *partition);
            let prefix = self.shared.options.prefix.clone();
            let index = self.queues.iter().position(|queue| {
                queue.partition == *partition && name.strip_prefix(&prefix) == Some(queue.topic.name.as_str())
            });
            going.extend(index.map(|index| self.queues.swap_remove(index)));
        }
        self.give_up(&going, is_lost);
        if let Err(error) = self.client.incremental_unassign(&list) {
            complain(&self.group.name, &error);
        }
        tracing::debug!(group = self.group.name, count = places.len(), is_lost, "partitions went");
    }

    /// Let what is out of these partitions come to its end and be committed, then forget the rest: whoever gets them
    /// delivers it again.
    fn give_up(&self, going: &[Queue], is_lost: bool) {
        let since = Instant::now();
        for queue in going {
            queue.topic.state.lock().seats[queue.seat].rest(queue.partition);
            self.shared.delays.rest(&queue.topic.name, queue.partition);
        }
        for queue in going {
            while !is_lost && since.elapsed() < GIVE_UP_MAX && !self.shared.is_stopped() {
                let mut state = queue.topic.state.lock();
                let out = state.seats[queue.seat].out_count(queue.partition);
                let settling = state.part(queue.seat, queue.partition).map_or(0, |part| part.settling);
                if out + settling == 0 {
                    break;
                }
                drop(state);
                thread::sleep(LOOK_PAUSE);
            }
            self.shared.lose(&queue.topic, queue.seat, queue.partition);
        }
    }

    /// Take in what came. True if anything did.
    fn read(&mut self) -> bool {
        let mut any = false;
        let mut is_held_back = false;
        let mut failed = None;
        for queue in &self.queues {
            for _ in 0..TURN_MESSAGES {
                if !queue.topic.state.lock().seats[queue.seat].may_read(queue.partition) {
                    is_held_back = true;
                    break;
                }
                match queue.queue.poll(Duration::ZERO) {
                    Some(Ok(record)) => take_in(&self.shared, queue, &record),
                    Some(Err(KafkaError::PartitionEOF(_))) => at_end(queue),
                    Some(Err(error)) => {
                        failed = Some(error);
                        break;
                    }
                    None => break,
                }
                any = true;
            }
            let mut state = queue.topic.state.lock();
            let part = state.part(queue.seat, queue.partition);
            let catches_up = part.as_ref().is_some_and(|part| part.has_caught_up() && !part.is_current);
            is_held_back |= part.is_some_and(|part| part.came_amid || part.under_way > 0);
            drop(state);
            if catches_up {
                self.shared.adopt(&queue.topic, queue.seat, queue.partition);
            }
        }
        if let Some(error) = failed {
            self.complain(error);
        }
        self.group.wake.hold_back(is_held_back);
        any
    }
}

fn at_end(queue: &Queue) {
    if let Some(part) = queue.topic.state.lock().part(queue.seat, queue.partition) {
        part.was_at_end = true;
    }
}

fn take_in(shared: &Shared, queue: &Queue, record: &BorrowedMessage<'_>) {
    let Ok(offset) = u64::try_from(record.offset()) else { return };
    let mut state = queue.topic.state.lock();
    let Some(tenure) = state.tenure(queue.seat, queue.partition) else { return };
    let is_again = match state.read(queue.seat, queue.partition, offset) {
        Some(Read::New) => false,
        Some(Read::Again) => true,
        Some(Read::Done | Read::Own) | None => return,
    };
    drop(state);
    let arrived = record::read(&queue.topic.name, record);
    let held = Held::read(arrived.message, arrived.published_at, queue.partition, offset);
    match arrived.due.filter(|_| delays::is_topic(&queue.topic.name)) {
        Some(due) => {
            let (on, held) = (queue.topic.name.clone(), Arc::new(held));
            shared.delays.insert(Waiting { on, tenure, held, due, redelivered: is_again });
        }
        None => {
            let mut wakes = Wakes::new();
            queue.topic.state.lock().admit(queue.seat, held, is_again, &mut wakes);
            topic::wake(wakes);
        }
    }
}

fn complain(group: &str, error: &KafkaError) {
    tracing::warn!(%error, group, "the cluster troubles a consumer");
}

//! The cluster as an administrator sees it: which topics there are, with how many partitions, and making those that are
//! missing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::id::TopicName;
use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::asking;
use super::options::KafkaOptions;
use super::voice::Voice;
use super::wanted::{self, Wanted};
use crate::Error;

/// How long the cluster may take to answer.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Pause before topics that were just made are looked for again: at first, and at most. A look at many asks for all.
const MADE_PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// How long the cluster may take until every partition that was made has a leader, and for each of them on top.
const MADE_MAX: (Duration, Duration) = (ANSWER_MAX, Duration::from_millis(20));

/// Topics of the cluster, and their partition counts as far as they were asked for.
pub(super) struct Cluster {
    pub(super) admin: Arc<AdminClient<Voice>>,
    options: KafkaOptions,
    known: Mutex<HashMap<TopicName, i32>>,
}

impl Cluster {
    pub(super) fn open(options: &KafkaOptions) -> Result<Self, Error> {
        let admin = options.make_administrator()?;
        options.reach()?;
        Ok(Self { admin, options: options.clone(), known: Mutex::default() })
    }

    /// Partitions of a topic, if that is known without asking.
    pub(super) fn known_partition_count(&self, topic: &TopicName) -> Option<i32> {
        self.known.lock().get(topic).copied()
    }

    /// Partitions of a topic, which is made if it does not exist and this host may. Blocks.
    pub(super) fn partition_count(&self, topic: &TopicName) -> Result<i32, Error> {
        if let Some(count) = self.known_partition_count(topic) {
            return Ok(count);
        }
        let asked = std::slice::from_ref(topic);
        self.ensure(asked, &[])?;
        match self.known_partition_count(topic) {
            Some(count) => Ok(count),
            None => {
                self.wait_for(asked, ANSWER_MAX)?;
                Ok(self.known_partition_count(topic).unwrap_or_default())
            }
        }
    }

    /// Make those of these topics that are missing, all at once. If this host may not, all that are missing are told,
    /// and with them those of `told_along`. Blocks.
    pub(super) fn ensure(&self, topics: &[TopicName], told_along: &[TopicName]) -> Result<(), Error> {
        let asked: BTreeSet<_> = topics.iter().filter(|topic| self.known_partition_count(topic).is_none()).collect();
        let asked: Vec<_> = asked.into_iter().cloned().collect();
        if asked.is_empty() {
            return Ok(());
        }
        let is_missing = |found: &HashMap<String, Found>, topic: &TopicName| {
            !found.contains_key(&self.options.prefixed(topic.as_str()))
        };
        let found = self.ask(&asked)?;
        self.learn(&asked, &found);
        let missing: Vec<_> = asked.into_iter().filter(|topic| is_missing(&found, topic)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if !self.options.create_topics {
            let found = if told_along.is_empty() { found } else { self.ask(told_along)? };
            let along = told_along.iter().filter(|topic| is_missing(&found, topic));
            let missing: BTreeSet<_> = missing.iter().chain(along).collect();
            let missing: Vec<_> = missing.into_iter().map(|topic| Wanted::of(&self.options, topic)).collect();
            return Err(self.missing(&missing, "broker.create-topics is false"));
        }
        let wanted: Vec<_> = missing.iter().map(|topic| Wanted::of(&self.options, topic)).collect();
        for request in wanted::requests(&wanted) {
            self.make(request)?;
        }
        let partitions: i32 = wanted.iter().map(|topic| topic.partitions).sum();
        self.wait_for(&missing, MADE_MAX.0 + MADE_MAX.1 * partitions.unsigned_abs())
    }

    /// Every topic of this installation by its own name, with its partitions. Blocks.
    pub(super) fn topics(&self) -> Result<Vec<(TopicName, i32)>, Error> {
        let metadata = self.admin.inner().fetch_metadata(None, ANSWER_MAX);
        let metadata = metadata.map_err(|error| Error::cluster("listing topics", &error))?;
        let ours = metadata.topics().iter().filter_map(|topic| {
            let name = topic.name().strip_prefix(&self.options.prefix)?;
            let name = TopicName::try_new(name).ok()?;
            Some((name, i32::try_from(topic.partitions().len()).ok()?))
        });
        Ok(ours.collect())
    }

    /// The hosts that are members of a group, by their names. Blocks.
    pub(super) fn members(&self, group: &str) -> Result<Vec<String>, Error> {
        let name = self.options.prefixed(group);
        let groups = asking::insist(self.admin.inner(), format_args!("asking who is in group {name}"), || {
            self.admin.inner().fetch_group_list(Some(&name), ANSWER_MAX)
        })?;
        let members = groups.groups().iter().filter(|found| found.name() == name).flat_map(|found| found.members());
        Ok(members.map(|member| member.client_id().to_owned()).collect())
    }

    /// Remove what lies before these offsets.
    pub(super) fn delete_before(&self, topic: &TopicName, ends: &[(i32, u64)]) -> Result<(), Error> {
        let doing = || format!("removing old messages of topic {topic}");
        let mut list = TopicPartitionList::new();
        for &(partition, end) in ends.iter().filter(|(_, end)| *end > 0) {
            let end = i64::try_from(end).map_or(Offset::End, Offset::Offset);
            let added = list.add_partition_offset(&self.options.prefixed(topic.as_str()), partition, end);
            added.map_err(|error| Error::cluster(&doing(), &error))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_MAX));
        let answered = futures_block_on(self.admin.delete_records(&list, &options));
        answered.map(drop).map_err(|error| Error::cluster(&doing(), &error))
    }

    /// Those of these topics that there are, by their names in the cluster, and more. One request.
    fn ask(&self, topics: &[TopicName]) -> Result<HashMap<String, Found>, Error> {
        let single = match topics {
            [topic] => Some(self.options.prefixed(topic.as_str())),
            _ => None,
        };
        let metadata = self.admin.inner().fetch_metadata(single.as_deref(), ANSWER_MAX);
        let doing =
            || single.as_ref().map_or("asking for topics".to_owned(), |name| format!("asking for topic {name}"));
        let metadata = metadata.map_err(|error| Error::cluster(&doing(), &error))?;
        let found = metadata.topics().iter().filter(|topic| topic.error().is_none()).map(|topic| {
            let has_leaders = topic.partitions().iter().all(|part| part.leader() >= 0);
            let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
            (topic.name().to_owned(), Found { partitions, has_leaders })
        });
        Ok(found.filter(|(_, found)| found.partitions > 0).collect())
    }

    /// Remember those that can be worked with. Answers the rest.
    fn learn(&self, topics: &[TopicName], found: &HashMap<String, Found>) -> Vec<TopicName> {
        let mut known = self.known.lock();
        let mut rest = Vec::new();
        for topic in topics {
            match found.get(&self.options.prefixed(topic.as_str())) {
                Some(found) if found.has_leaders => drop(known.insert(topic.clone(), found.partitions)),
                Some(_) | None => rest.push(topic.clone()),
            }
        }
        rest
    }

    /// Until each of these topics is there with all its leaders.
    fn wait_for(&self, topics: &[TopicName], patience: Duration) -> Result<(), Error> {
        let since = Instant::now();
        let [mut pause, pause_max] = MADE_PAUSES;
        let mut rest = self.learn(topics, &self.ask(topics)?);
        while let Some(first) = rest.first() {
            if since.elapsed() > patience {
                let doing = format!("waiting for topic {}", self.options.prefixed(first.as_str()));
                let cause = "the cluster does not show it with a leader for each partition; look whether all nodes live, \
                    and whether this host's user may describe it";
                return Err(Error::cluster(&doing, &cause));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(pause_max);
            rest = self.learn(&rest, &self.ask(&rest)?);
        }
        Ok(())
    }

    /// One request.
    fn make(&self, topics: &[Wanted]) -> Result<(), Error> {
        let new: Vec<_> = topics.iter().map(new_topic).collect();
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let doing = || format!("making {}", wanted::names_told(&names));
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_MAX));
        let answers = futures_block_on(self.admin.create_topics(&new, &options));
        let answers = answers.map_err(|error| Error::cluster(&doing(), &error))?;
        let (mut forbidden, mut refused) = (Vec::new(), Vec::new());
        for (name, code) in answers.into_iter().filter_map(Result::err) {
            match code {
                // Another host was faster, or all of it is not there yet: it is waited for.
                RDKafkaErrorCode::TopicAlreadyExists | RDKafkaErrorCode::RequestTimedOut => {}
                RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                    forbidden.extend(topics.iter().find(|topic| topic.name == name).cloned());
                }
                code => refused.push(format!("{name}: {code}")),
            }
        }
        if !forbidden.is_empty() {
            return Err(self.missing(&forbidden, "the cluster does not let this host's user make them"));
        }
        match refused.is_empty() {
            true => Ok(()),
            false => Err(Error::Cluster { doing: doing(), cause: refused.join("; ") }),
        }
    }

    fn missing(&self, missing: &[Wanted], reason: &str) -> Error {
        let topics = missing.iter().map(|topic| topic.name.clone()).collect();
        let cure = format!("{reason}; {}", wanted::told(&self.options.bootstrap, missing));
        Error::TopicsMissing { topics, cure }
    }
}

/// A topic as it is now.
struct Found {
    partitions: i32,
    /// Whether each of its partitions can be written to.
    has_leaders: bool,
}

fn new_topic(wanted: &Wanted) -> NewTopic<'_> {
    let replication = TopicReplication::Fixed(wanted.replication);
    let new = NewTopic::new(&wanted.name, wanted.partitions, replication);
    wanted.settings.iter().fold(new, |new, (name, value)| new.set(name, value))
}

/// The administrator's client answers by futures that are completed by a thread of its own.
pub(super) fn futures_block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

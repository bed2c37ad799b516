//! The cluster as an administrator sees it: which topics there are, with how many partitions, and making those that are
//! missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use host_core::id::TopicName;
use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::copies::STATE_TOPIC;
use super::options::KafkaOptions;
use super::shared::ALONE;
use super::voice::Voice;
use crate::{Error, Retention};

/// How long the cluster may take to answer.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// As far in the future as the cluster counts.
const NO_BOUND: &str = "9223372036854775807";

/// Pause before a topic that was just made is looked for again.
const MADE_PAUSE: Duration = Duration::from_millis(20);

/// Topics of the cluster, and their partition counts as far as they were asked for.
pub(super) struct Cluster {
    admin: Arc<AdminClient<Voice>>,
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
        let mut count = self.ask(topic)?;
        if count == 0 {
            if !self.options.create_topics {
                return Err(Error::TopicMissing {
                    topic: self.options.prefixed(topic.as_str()),
                    cure: self.cure(topic),
                });
            }
            self.make(topic)?;
            let since = std::time::Instant::now();
            while count == 0 {
                if since.elapsed() > ANSWER_MAX {
                    let cause = "it was made, but the cluster does not show it".to_owned();
                    return Err(Error::Cluster { doing: format!("making topic {topic}"), cause });
                }
                std::thread::sleep(MADE_PAUSE);
                count = self.ask(topic)?;
            }
        }
        self.known.lock().insert(topic.clone(), count);
        Ok(count)
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
        let groups = self.admin.inner().fetch_group_list(Some(&name), ANSWER_MAX);
        let groups = groups.map_err(|error| Error::cluster(&format!("asking who is in group {name}"), &error))?;
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

    fn ask(&self, topic: &TopicName) -> Result<i32, Error> {
        let name = self.options.prefixed(topic.as_str());
        let metadata = self.admin.inner().fetch_metadata(Some(&name), ANSWER_MAX);
        let metadata = metadata.map_err(|error| Error::cluster(&format!("asking for topic {name}"), &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == name && found.error().is_none());
        let has_leaders = found.is_some_and(|found| found.partitions().iter().all(|part| part.leader() >= 0));
        let count = found.filter(|_| has_leaders).map_or(0, |found| found.partitions().len());
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }

    fn make(&self, topic: &TopicName) -> Result<(), Error> {
        let name = self.options.prefixed(topic.as_str());
        let doing = format!("making topic {name}");
        let bytes_max = self.options.message_bytes_max.to_string();
        let partitions = if topic.as_str() == ALONE { 1 } else { self.options.partitions };
        let mut wanted = NewTopic::new(&name, partitions, TopicReplication::Fixed(self.options.replication))
            .set("max.message.bytes", &bytes_max)
            // What was published when counts when it is read, not when the cluster got it.
            .set("message.timestamp.type", "CreateTime")
            // A host whose clock is ahead must not be stopped by it.
            .set("message.timestamp.after.max.ms", NO_BOUND);
        let (age_max, share);
        match self.options.retention(topic) {
            // Kept under its key for as long as it is there.
            _ if topic.as_str() == STATE_TOPIC => wanted = wanted.set("cleanup.policy", "compact"),
            // What waits must wait for as long as it takes; what is done is removed by the hosts.
            Retention::UntilAcknowledged => wanted = wanted.set("retention.ms", "-1").set("retention.bytes", "-1"),
            Retention::Kept { age_max: age, bytes_max } => {
                age_max = age.as_millis().to_string();
                share = (bytes_max / u64::try_from(self.options.partitions.max(1)).unwrap_or(1)).to_string();
                wanted = wanted.set("retention.ms", &age_max).set("retention.bytes", &share);
            }
        }
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_MAX));
        let answers = futures_block_on(self.admin.create_topics([&wanted], &options));
        let answers = answers.map_err(|error| Error::cluster(&doing, &error))?;
        match answers.into_iter().next() {
            Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | None => Ok(()),
            Some(Err((_, code))) => Err(Error::Cluster { doing, cause: code.to_string() }),
        }
    }

    fn cure(&self, topic: &TopicName) -> String {
        format!(
            "make it with {} partitions, max.message.bytes={}{}, or let this host make topics (broker.create-topics)",
            self.options.partitions,
            self.options.message_bytes_max,
            if Retention::is_work_queue(topic) { " and retention.ms=-1" } else { "" }
        )
    }
}

/// The administrator's client answers by futures that are completed by a thread of its own.
fn futures_block_on<F: Future>(future: F) -> F::Output {
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

//! What a cluster says of itself: nodes, topics with leaders and copies, and the settings of both.

use std::collections::BTreeMap;
use std::time::Duration;

use host_core::id::TopicName;
use rdkafka::admin::{AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::metadata::MetadataTopic;

use super::super::cluster::{Cluster, futures_block_on};
use super::super::options::KafkaOptions;
use crate::Error;

/// How long the cluster may take for each answer: a person waits.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Where the cluster keeps positions of groups.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Where it keeps what becomes of transactions.
pub(super) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Those that live.
    pub nodes: BTreeMap<i32, Settings>,
    /// Those of the topics asked for that there are, and the cluster's own, by their names in the cluster.
    pub topics: BTreeMap<String, TopicFacts>,
}

#[derive(Debug, Clone)]
pub(super) struct TopicFacts {
    /// It is the cluster's own.
    pub is_internal: bool,
    pub partitions: Vec<PartitionFacts>,
    pub settings: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartitionFacts {
    pub has_leader: bool,
    pub replicas: usize,
    pub in_sync: usize,
}

/// Settings in force by name, or why they cannot be known.
#[derive(Debug, Clone)]
pub(super) enum Settings {
    Known(BTreeMap<String, String>),
    Unknown(String),
}

pub(super) fn gather(cluster: &Cluster, options: &KafkaOptions, topics: &[TopicName]) -> Result<Facts, Error> {
    let metadata = cluster.admin.inner().fetch_metadata(None, ANSWER_MAX);
    let metadata = metadata.map_err(|error| Error::cluster("asking the cluster for its nodes and topics", &error))?;
    let ours = topics.iter().map(|topic| options.prefixed(topic.as_str()));
    let names: Vec<String> = ours.chain([OFFSETS_TOPIC, TRANSACTIONS_TOPIC].map(str::to_owned)).collect();
    let found = metadata.topics().iter().filter(|topic| names.iter().any(|name| name == topic.name()));
    let found: Vec<_> = found.filter(|topic| topic.error().is_none() && !topic.partitions().is_empty()).collect();
    let node_ids: Vec<i32> = metadata.brokers().iter().map(|node| node.id()).collect();

    // All are asked at once: the library sends a node's settings by a request of its own.
    let asked = AdminOptions::new().request_timeout(Some(ANSWER_MAX));
    let nodes: Vec<_> = node_ids.iter().map(|node| ResourceSpecifier::Broker(*node)).collect();
    let of_nodes: Vec<_> = nodes.chunks(1).map(|node| cluster.admin.describe_configs(node, &asked)).collect();
    let of_topics = settings_of_topics(cluster, &found, &asked);
    let of_nodes = of_nodes.into_iter().map(|answer| match futures_block_on(answer) {
        Ok(answers) => answers.into_iter().next().map_or_else(unanswered, settings),
        Err(error) => Settings::Unknown(error.to_string()),
    });
    Ok(Facts {
        nodes: node_ids.iter().copied().zip(of_nodes).collect(),
        topics: found
            .iter()
            .zip(of_topics)
            .map(|(topic, settings)| (topic.name().to_owned(), of(topic, settings)))
            .collect(),
    })
}

/// In the order in which they are given; one request.
fn settings_of_topics(cluster: &Cluster, topics: &[&MetadataTopic], asked: &AdminOptions) -> Vec<Settings> {
    if topics.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic.name())).collect();
    match futures_block_on(cluster.admin.describe_configs(&wanted, asked)) {
        Ok(answers) => {
            answers.into_iter().map(settings).chain(std::iter::repeat_with(unanswered)).take(topics.len()).collect()
        }
        Err(error) => vec![Settings::Unknown(error.to_string()); topics.len()],
    }
}

fn settings(answer: rdkafka::admin::ConfigResourceResult) -> Settings {
    match answer {
        Ok(ConfigResource { entries, .. }) => {
            let pairs = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            Settings::Known(pairs.collect())
        }
        Err(code) => Settings::Unknown(code.to_string()),
    }
}

fn unanswered() -> Settings {
    Settings::Unknown("the cluster gave no answer".to_owned())
}

fn of(topic: &MetadataTopic, settings: Settings) -> TopicFacts {
    let partitions = topic.partitions().iter().map(|part| PartitionFacts {
        has_leader: part.leader() >= 0,
        replicas: part.replicas().len(),
        in_sync: part.isr().len(),
    });
    let is_internal = [OFFSETS_TOPIC, TRANSACTIONS_TOPIC].contains(&topic.name());
    TopicFacts { is_internal, partitions: partitions.collect(), settings }
}

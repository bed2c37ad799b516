//! Whether a cluster is what the promises need: `facts` asks it, `judge` finds, and neither joins or changes anything.

mod facts;
mod judge;

use host_core::id::TopicName;

use super::cluster::Cluster;
use super::options::KafkaOptions;
use super::wanted;
use crate::Error;

/// What an examination found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    pub node_count: usize,
    /// Topics of this installation that are there.
    pub topic_count: usize,
    /// The worst first. Each thing that was looked at is in one of them at least.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at, wherever it was found the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub grade: Grade,
    /// The setting by the cluster's name for it, or a count.
    pub setting: &'static str,
    /// Topics and nodes that have this value.
    pub of: Vec<String>,
    pub value: String,
    pub should_be: String,
    /// What a host promises only if it is so.
    pub promise: &'static str,
    /// Empty where there is nothing to cure.
    pub cure: String,
}

/// How it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Fine,
    /// The cluster does not let this be known.
    Unknown,
    /// All is well while nothing dies; when something does, less is kept than could be.
    Weak,
    /// A promise is broken, or the host cannot work, with every node alive.
    Broken,
}

/// Ask the cluster that these options name about everything that a host with them needs. Blocks.
pub(super) fn examine(options: &KafkaOptions, needed: &[TopicName]) -> Result<Examined, Error> {
    let mut topics = wanted::own(options);
    topics.extend(needed.iter().cloned());
    topics.sort_unstable();
    topics.dedup();
    let facts = facts::gather(&Cluster::open(options)?, options, &topics)?;
    let topic_count = facts.topics.values().filter(|topic| !topic.is_internal).count();
    Ok(Examined { node_count: facts.nodes.len(), topic_count, findings: judge::judge(options, &topics, &facts) })
}

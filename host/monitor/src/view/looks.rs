//! What is loaded, defined and queued, as `plugins`, `use-cases` and `topics` answer it.

use std::collections::{BTreeMap, BTreeSet};

use host_broker::TopicState;
use host_core::id::{Digest, Direction, StepAddress, TopicKind, TopicName};
use host_core::time::{Timestamp, format_span};
use host_core::use_case::{OnCompensationFailure, OnExhausted, UseCase};
use serde::Serialize;

use crate::door::{self, PluginState, ServingState, WorkerState};

/// `plugins`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plugins {
    pub plugins: Vec<Plugin>,
}

/// One plugin.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plugin {
    /// Of a file whose name is no address: that name.
    pub address: String,
    pub digest: Option<Digest>,
    pub state: &'static str,
    pub since: Timestamp,
    pub grants: Vec<String>,
    pub reason: Option<String>,
    pub in_flight: u64,
    pub wasm_bytes: u64,
    pub compile_ms: Option<u64>,
    /// Of a step that runs elsewhere; null if it runs here.
    pub workers: Option<Vec<Worker>>,
}

/// One worker of a remote step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Worker {
    pub name: String,
    pub last_seen: Timestamp,
    pub in_flight: usize,
}

/// A lease that goes on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Renewed {
    pub lease_ms: u64,
}

/// An answer that was taken.
#[derive(Debug, Serialize)]
pub struct Accepted {
    pub accepted: bool,
}

impl ServingState {
    pub fn as_str(self) -> &'static str {
        match self {
            ServingState::Serving => "serving",
            ServingState::Rejected => "rejected",
            ServingState::Draining => "draining",
        }
    }
}

impl From<WorkerState> for Worker {
    fn from(worker: WorkerState) -> Self {
        Self { name: worker.name, last_seen: worker.last_seen, in_flight: worker.in_flight_count }
    }
}

impl From<Vec<PluginState>> for Plugins {
    fn from(mut plugins: Vec<PluginState>) -> Self {
        plugins.sort_by(|one, other| one.address.cmp(&other.address));
        Self { plugins: plugins.into_iter().map(Plugin::from).collect() }
    }
}

impl From<PluginState> for Plugin {
    fn from(plugin: PluginState) -> Self {
        Self {
            address: plugin.address,
            digest: plugin.digest,
            state: plugin.state.as_str(),
            since: plugin.since,
            grants: plugin.grants,
            reason: plugin.reason,
            in_flight: plugin.in_flight_count,
            wasm_bytes: plugin.wasm_bytes,
            workers: plugin.workers.map(|workers| workers.into_iter().map(Worker::from).collect()),
            compile_ms: plugin.compile_time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// `use-cases`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct UseCases {
    pub use_cases: Vec<Definition>,
    /// What is wrong with the files that were refused.
    pub problems: Vec<String>,
}

/// One definition, in the words of its file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Definition {
    pub name: String,
    pub version: u32,
    pub owner: String,
    pub description: String,
    pub steps: Vec<StepAddress>,
    pub pivot: Option<StepAddress>,
    pub deadline: Option<String>,
    pub on_exhausted: &'static str,
    pub on_compensation_failure: &'static str,
    pub trigger_topic: Option<TopicName>,
    pub body_schema: Option<String>,
    /// Steps that no plugin of this host serves; another service may.
    pub not_served_here: Vec<StepAddress>,
}

impl UseCases {
    pub fn new(use_cases: &door::UseCases, plugins: &[PluginState]) -> Self {
        let served = served(plugins);
        let mut definitions: Vec<_> = use_cases.definitions.iter().map(|one| Definition::new(one, &served)).collect();
        definitions.sort_by(|one, other| one.name.cmp(&other.name));
        Self { use_cases: definitions, problems: use_cases.problems.clone() }
    }
}

impl Definition {
    fn new(use_case: &UseCase, served: &BTreeSet<StepAddress>) -> Self {
        let policy = &use_case.policy;
        let mut not_served_here: Vec<_> =
            use_case.steps.iter().filter(|step| !served.contains(step)).cloned().collect();
        not_served_here.sort();
        not_served_here.dedup();
        Self {
            name: use_case.name.to_string(),
            version: use_case.version,
            owner: use_case.owner.clone(),
            description: use_case.description.clone(),
            steps: use_case.steps.to_vec(),
            pivot: policy.pivot.and_then(|pivot| use_case.steps.get(usize::from(pivot.0)).cloned()),
            deadline: use_case.deadline.map(format_span),
            on_exhausted: match policy.on_exhausted {
                OnExhausted::Error => "error",
                OnExhausted::Compensate => "compensate",
            },
            on_compensation_failure: match policy.on_compensation_failure {
                OnCompensationFailure::Stop => "stop",
                OnCompensationFailure::Continue => "continue",
            },
            trigger_topic: use_case.trigger_topic.clone(),
            body_schema: use_case.body_schema.clone(),
            not_served_here,
        }
    }
}

/// Steps that have a version in service here.
fn served(plugins: &[PluginState]) -> BTreeSet<StepAddress> {
    let serving = plugins.iter().filter(|plugin| match plugin.state {
        ServingState::Serving => true,
        ServingState::Rejected | ServingState::Draining => false,
    });
    serving.filter_map(|plugin| StepAddress::try_new(&plugin.address).ok()).collect()
}

/// `topics`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Topics {
    pub topics: Vec<Topic>,
}

/// One topic. A step's three topics tell the step; of others `step`, `kind` and `served-here` are null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Topic {
    pub topic: TopicName,
    pub step: Option<StepAddress>,
    pub kind: Option<&'static str>,
    pub served_here: Option<bool>,
    /// Messages that nobody has acknowledged, of the group that is furthest behind.
    pub lag: u64,
    pub in_flight: u64,
    pub messages: u64,
    pub delayed: u64,
    /// Messages on the step's `.error` topic.
    pub dead_letters: u64,
    pub oldest_at: Option<Timestamp>,
    /// Use cases whose itinerary holds the step, or which this topic triggers.
    pub use_cases: Vec<String>,
    pub groups: Vec<Group>,
}

/// How far one group is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    pub group: String,
    pub lag: u64,
    pub in_flight: u64,
}

impl Topics {
    /// What the broker holds, and what plugins and definitions would use although nothing was ever published there.
    pub fn new(states: Vec<TopicState>, use_cases: &door::UseCases, plugins: &[PluginState]) -> Self {
        let served = served(plugins);
        let mut by_name: BTreeMap<TopicName, Option<TopicState>> = BTreeMap::new();
        let defined = use_cases.definitions.iter().flat_map(|definition| definition.steps.iter());
        for step in served.iter().chain(defined) {
            for direction in [Direction::Handle, Direction::Compensate] {
                by_name.insert(step.topic(direction.topic_kind()), None);
            }
        }
        for topic in use_cases.definitions.iter().filter_map(|definition| definition.trigger_topic.clone()) {
            by_name.insert(topic, None);
        }
        by_name.extend(states.into_iter().map(|state| (state.topic.clone(), Some(state))));
        let dead_letters: BTreeMap<_, _> = by_name.iter().filter_map(dead_letter_count).collect();
        let topics = by_name.into_iter().map(|(name, state)| {
            let step = name.step().map(|(step, _)| step);
            let dead_letters = step.as_ref().and_then(|step| dead_letters.get(step)).copied().unwrap_or(0);
            let using = using(&name, step.as_ref(), use_cases);
            Topic::new(name, state, &served, dead_letters, using)
        });
        Self { topics: topics.collect() }
    }
}

fn dead_letter_count((name, state): (&TopicName, &Option<TopicState>)) -> Option<(StepAddress, u64)> {
    match name.step()? {
        (step, TopicKind::Error) => Some((step, state.as_ref().map_or(0, |state| state.message_count))),
        (_, TopicKind::In | TopicKind::Compensate) => None,
    }
}

fn using(name: &TopicName, step: Option<&StepAddress>, use_cases: &door::UseCases) -> Vec<String> {
    let uses = |definition: &UseCase| {
        step.is_some_and(|step| definition.steps.contains(step)) || definition.trigger_topic.as_ref() == Some(name)
    };
    let mut using: Vec<_> =
        use_cases.definitions.iter().filter(|one| uses(one)).map(|one| one.name.to_string()).collect();
    using.sort();
    using
}

impl Topic {
    fn new(
        topic: TopicName,
        state: Option<TopicState>,
        served: &BTreeSet<StepAddress>,
        dead_letters: u64,
        use_cases: Vec<String>,
    ) -> Self {
        let (step, kind) = topic.step().unzip();
        let state = state.as_ref();
        let groups = state.map_or(&[][..], |state| &state.consumers).iter();
        let groups: Vec<_> = groups
            .map(|consumer| Group {
                group: consumer.group.clone(),
                lag: consumer.lag,
                in_flight: consumer.in_flight_count,
            })
            .collect();
        let messages = state.map_or(0, |state| state.message_count);
        let is_queue = matches!(kind, Some(TopicKind::In | TopicKind::Compensate));
        // A queue that nobody consumes has everything left to do.
        let unread = if is_queue { messages } else { 0 };
        Self {
            served_here: step.as_ref().map(|step| served.contains(step)),
            step,
            kind: kind.map(TopicKind::suffix),
            lag: groups.iter().map(|group| group.lag).max().unwrap_or(unread),
            in_flight: groups.iter().map(|group| group.in_flight).sum(),
            messages,
            delayed: state.map_or(0, |state| state.delayed_count),
            dead_letters,
            oldest_at: state.and_then(|state| state.oldest_at),
            use_cases,
            groups,
            topic,
        }
    }
}

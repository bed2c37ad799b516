//! The topics that a host needs; its own, and the messages on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use host_core::id::{Direction, GlobalId, MessageId, Position, TopicKind, TopicName, WaitKey};
use host_core::manifest::Manifest;
use host_core::time::Timestamp;
use host_core::unit::{Headers, Mark, Message, ParkedId, Payload, Publish};
use host_core::use_case::UseCase;
use serde::{Deserialize, Serialize};

/// Signals on their way to those who wait.
pub(crate) fn signals() -> TopicName {
    TopicName::try_new("saga.signals").expect("a literal that is a topic name")
}

/// Operators' acts.
pub(crate) fn commands() -> TopicName {
    TopicName::try_new("saga.commands").expect("a literal that is a topic name")
}

/// Every topic that a host needs which serves these steps and starts sagas from these definitions: its own, those of
/// each step that is served or named, what starts sagas, and where events go.
pub fn needed<'a>(
    served: impl IntoIterator<Item = &'a Manifest>,
    use_cases: impl IntoIterator<Item = &'a UseCase>,
) -> BTreeSet<TopicName> {
    let (mut topics, mut steps) = (BTreeSet::from([signals(), commands()]), BTreeSet::new());
    for manifest in served {
        steps.insert(&manifest.address);
        topics.extend(manifest.event_topics.iter().cloned());
    }
    for use_case in use_cases {
        steps.extend(use_case.steps.iter());
        topics.extend(use_case.trigger_topic.clone());
    }
    let kinds = [TopicKind::In, TopicKind::Compensate, TopicKind::Error];
    topics.extend(steps.into_iter().flat_map(|step| kinds.map(|kind| step.topic(kind))));
    topics
}

/// What travels to those who wait for a key: the signal itself and, where hosts share the work, everything else that
/// concerns a message that waits, as the host that owns the key is the only one that takes it up.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, rename_all = "kebab-case")]
pub(crate) enum OnKey {
    /// A message was parked: its signal may have come before it.
    Parked {
        key: WaitKey,
        parked: Waits,
    },
    /// The time of a parked message seems to be over.
    Overdue {
        key: WaitKey,
        overdue: Waits,
    },
    /// An operator acts on the saga whose message is parked.
    Acted {
        key: WaitKey,
        acted: Mark,
        waits: Waits,
    },
    /// A signal has been remembered for as long as it was to be.
    Expired {
        key: WaitKey,
        expired: Timestamp,
    },
    Signal(Signal),
}

/// A signal as it travels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Signal {
    pub(crate) key: WaitKey,
    pub(crate) at: Timestamp,
}

/// The message that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Waits {
    global_id: GlobalId,
    direction: Direction,
    position: Position,
}

impl Waits {
    pub(crate) fn of(id: &MessageId) -> Self {
        Self { global_id: id.global_id.clone(), direction: id.direction, position: id.position }
    }

    /// The parked message under this key.
    pub(crate) fn parked(self, key: WaitKey) -> ParkedId {
        let Self { global_id, direction, position } = self;
        ParkedId { key, message_id: MessageId { global_id, direction, position } }
    }
}

pub(crate) fn signal(key: WaitKey, at: Timestamp) -> Publish {
    on_key(&OnKey::Signal(Signal { key, at }))
}

/// For the host that owns the key.
pub(crate) fn on_key(what: &OnKey) -> Publish {
    let (OnKey::Parked { key, .. }
    | OnKey::Overdue { key, .. }
    | OnKey::Acted { key, .. }
    | OnKey::Expired { key, .. }
    | OnKey::Signal(Signal { key, .. })) = what;
    publish(signals(), Arc::from(key.as_str()), what)
}

pub(crate) fn command(mark: &Mark) -> Publish {
    publish(commands(), Arc::from(mark.global_id.as_str()), mark)
}

fn publish(topic: TopicName, key: Arc<str>, value: &impl Serialize) -> Publish {
    let payload = serde_json::to_vec(value).expect("ids, times and words are always JSON");
    let payload = Payload::Encoded(payload.into());
    Publish { message: Message { topic, key, headers: Headers::default(), payload }, due: None }
}

#[cfg(test)]
mod tests {
    use host_core::id::StepAddress;

    use super::*;

    fn served(address: &str, event_topics: &[&str]) -> Manifest {
        let topics = event_topics.iter().map(|name| TopicName::try_new(name).expect("a topic name"));
        let event_topics = topics.collect();
        Manifest { event_topics, ..Manifest::of(StepAddress::try_new(address).expect("an address")) }
    }

    fn use_case(text: &str) -> UseCase {
        host_core::use_case::parse("shop.toml", text).expect("a good definition")
    }

    fn names(served: &[Manifest], use_cases: &[UseCase]) -> Vec<String> {
        needed(served, use_cases).iter().map(|topic| topic.as_str().to_owned()).collect()
    }

    #[test]
    fn a_host_without_steps_needs_its_own_topics() {
        assert_eq!(names(&[], &[]), ["saga.commands", "saga.signals"]);
    }

    #[test]
    fn steps_that_are_served_or_named_need_three_topics_each_and_once() {
        let definition = use_case(
            "name = \"shop\"\nversion = 1\nowner = \"us\"\nsteps = [\"a.b.one\", \"a.b.two\"]\n\
            trigger-topic = \"orders.placed\"\n",
        );
        let served = [served("a.b.two", &[]), served("a.b.three", &["stock.taken"])];
        let expected = [
            "a.b.one.compensate",
            "a.b.one.error",
            "a.b.one.in",
            "a.b.three.compensate",
            "a.b.three.error",
            "a.b.three.in",
            "a.b.two.compensate",
            "a.b.two.error",
            "a.b.two.in",
            "orders.placed",
            "saga.commands",
            "saga.signals",
            "stock.taken",
        ];
        assert_eq!(names(&served, &[definition]), expected);
    }
}

//! The host's own topics and the messages on them.

use std::sync::Arc;

use host_core::id::{TopicName, WaitKey};
use host_core::time::Timestamp;
use host_core::unit::{Headers, Mark, Message, Payload, Publish};
use serde::{Deserialize, Serialize};

/// Signals on their way to those who wait.
pub(crate) fn signals() -> TopicName {
    TopicName::try_new("saga.signals").expect("a literal that is a topic name")
}

/// Operators' acts.
pub(crate) fn commands() -> TopicName {
    TopicName::try_new("saga.commands").expect("a literal that is a topic name")
}

/// A signal as it travels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Signal {
    pub(crate) key: WaitKey,
    pub(crate) at: Timestamp,
}

pub(crate) fn signal(key: WaitKey, at: Timestamp) -> Publish {
    let routing = Arc::from(key.as_str());
    publish(signals(), routing, &Signal { key, at })
}

pub(crate) fn command(mark: &Mark) -> Publish {
    publish(commands(), Arc::from(mark.global_id.as_str()), mark)
}

fn publish(topic: TopicName, key: Arc<str>, value: &impl Serialize) -> Publish {
    let payload = serde_json::to_vec(value).expect("ids, times and words are always JSON");
    let payload = Payload::Encoded(payload.into());
    Publish { message: Message { topic, key, headers: Headers::default(), payload }, due: None }
}

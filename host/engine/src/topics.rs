//! The host's own topics and the messages on them.

use std::sync::Arc;

use host_core::id::{Direction, GlobalId, MessageId, Position, TopicName, WaitKey};
use host_core::time::Timestamp;
use host_core::unit::{Headers, Mark, Message, ParkedId, Payload, Publish};
use serde::{Deserialize, Serialize};

/// Signals on their way to those who wait.
pub(crate) fn signals() -> TopicName {
    TopicName::try_new("saga.signals").expect("a literal that is a topic name")
}

/// Operators' acts.
pub(crate) fn commands() -> TopicName {
    TopicName::try_new("saga.commands").expect("a literal that is a topic name")
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

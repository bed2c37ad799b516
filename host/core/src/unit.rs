//! Effects as data: the unit of work that one delivery, signal, timer or act causes, committed as a whole or not at
//! all. Nothing in here sends or stores; the rooms that do consume a `Unit` by value.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::envelope::Envelope;
use crate::failure::Failure;
use crate::id::{BucketName, Digest, GlobalId, Lsn, MessageId, TopicName, WaitKey};
use crate::record::{Record, Verb};
use crate::time::Timestamp;

/// Everything that one cause has for consequences. Applied atomically, in the order of submission.
#[derive(Debug, Default)]
pub struct Unit {
    /// The delivery that this unit consumes.
    pub ack: Option<Ack>,
    pub records: SmallVec<[Record; 2]>,
    pub publishes: SmallVec<[Publish; 1]>,
    pub park: Option<Parked>,
    pub unpark: SmallVec<[ParkedId; 1]>,
    pub key_values: Option<KeyValueTxn>,
    pub remember_signal: Option<RememberedSignal>,
    /// A remembered signal whose time is over.
    pub forget_signal: Option<WaitKey>,
    pub mark: Option<Mark>,
    pub unmark: Option<GlobalId>,
}

/// The right to acknowledge one delivery, once. Not `Clone`: it is consumed by the unit that it becomes part of.
#[derive(Debug, PartialEq, Eq)]
pub struct Ack {
    pub topic: TopicName,
    /// Partition of the topic, 0 where the broker has none.
    pub partition: u32,
    pub offset: Offset,
}

/// Place of a message in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offset(pub u64);

/// A message on its way out.
#[derive(Debug, Clone)]
pub struct Publish {
    pub message: Message,
    /// Not to be delivered before this time.
    pub due: Option<Timestamp>,
}

/// A message as the broker carries it.
#[derive(Debug, Clone)]
pub struct Message {
    pub topic: TopicName,
    /// Messages of one key and topic are delivered in the order they were published.
    pub key: Arc<str>,
    pub headers: Headers,
    pub payload: Payload,
}

/// The content of a message: decoded while it stays in this process, encoded where it is stored or leaves.
#[derive(Debug, Clone)]
pub enum Payload {
    Decoded(Arc<Envelope>),
    Encoded(Bytes),
}

impl Payload {
    /// The text that is stored or sent.
    pub fn encode(&self) -> Bytes {
        match self {
            Payload::Decoded(envelope) => crate::envelope::encode(envelope),
            Payload::Encoded(bytes) => bytes.clone(),
        }
    }
}

/// What travels beside the envelope: never copied along to the next step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    pub attempts: Attempts,
    /// When the first attempt of this (saga, step, direction) began.
    pub first_at: Option<Timestamp>,
    /// The wait that a signal ended, and when that signal came; a signal releases a message once.
    pub signalled: Option<(WaitKey, Timestamp)>,
    /// On a dead letter: why it is one.
    pub cause: Option<Arc<Cause>>,
    /// Published by something that is not this system's commit: may come twice, so the journal is asked first.
    pub foreign: bool,
}

/// Failed attempts of one (saga, step, direction), by what failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Times the step asked for a retry.
    pub retry_count: u32,
    /// Times the plugin failed to answer.
    pub fault_count: u32,
}

impl Attempts {
    /// The number of the call that is about to be made, from 1.
    pub fn number(self) -> u32 {
        self.retry_count.saturating_add(self.fault_count).saturating_add(1)
    }
}

/// Why a message became a dead letter: the headers it carries on `<address>.error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cause {
    pub failure: Failure,
    pub attempts: u32,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub digest: Option<Digest>,
    /// Name of the host that gave up.
    pub host: String,
}

/// A message that waits for a signal.
#[derive(Debug, Clone)]
pub struct Parked {
    pub id: ParkedId,
    pub message: Message,
    pub reason: String,
    pub since: Timestamp,
    pub until: Timestamp,
    pub on_timeout: OnTimeout,
}

/// Identity of a parked message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ParkedId {
    pub key: WaitKey,
    pub message_id: MessageId,
}

/// What becomes of a wait that nobody ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    #[default]
    Reject,
    Error,
}

/// A signal kept for those who come to wait later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedSignal {
    pub key: WaitKey,
    pub at: Timestamp,
    pub until: Timestamp,
}

/// What one call read and wrote in the key-value buckets it was granted.
#[derive(Debug, Clone, Default)]
pub struct KeyValueTxn {
    /// Everything up to here was visible to the call. If a key it read was written later, the unit is refused.
    pub snapshot: Lsn,
    pub reads: Vec<(BucketName, Arc<str>)>,
    /// A bucket whose keys were listed: any later write to it refuses the unit.
    pub listed: Vec<BucketName>,
    /// In the order of writing; none deletes.
    pub writes: Vec<(BucketName, Arc<str>, Option<Bytes>)>,
}

/// A person's act that the saga's message meets at its next delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub global_id: GlobalId,
    pub verb: Verb,
    pub who: String,
    pub reason: Option<String>,
    pub at: Timestamp,
}

//! The open batch: what units want of the cluster since the last seal. Data only; `transaction` carries it out.

use std::sync::Arc;

use host_core::id::TopicName;
use host_core::time::Timestamp;
use host_core::unit::Message;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::delays;
use super::held::Held;
use super::topic::{Tenure, Topic};

/// What was staged and not yet sealed. Shared with the broker, which lets a partition that has just come up to date
/// take in what was published to it meanwhile.
#[derive(Debug, Default)]
pub struct Open {
    pub(super) batch: Arc<Mutex<Batch>>,
}

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub sends: Vec<Send>,
    pub dones: Vec<Done>,
    /// When the last unit was staged.
    pub at: Option<Timestamp>,
    /// It is being carried out: nothing of it becomes at hand any more.
    pub is_sealed: bool,
    /// A delivery went to another host while its unit was being staged: nothing of the batch may happen.
    pub has_lost: bool,
}

impl Batch {
    /// Take in a delivery that is done with; none if it turned out that its partition went.
    pub(super) fn takes(&mut self, done: Option<Done>) {
        self.has_lost |= done.is_none();
        self.dones.extend(done);
    }
}

/// A message to be published.
#[derive(Debug)]
pub(super) struct Send {
    pub what: What,
    pub published_at: Timestamp,
    pub due: Option<Timestamp>,
    /// The topic in the cluster, if this host consumes it, and those who have the message at hand already.
    pub topic: Option<Arc<Topic>>,
    pub seats: SmallVec<[Tenure; 1]>,
}

/// A message, shared with those who have it at hand.
#[derive(Debug)]
pub(super) enum What {
    /// On a topic that this host consumes: it knows the partition.
    Held(Arc<Held>),
    /// On a topic that is none of this host's.
    Away(Message),
}

impl Send {
    /// The topic in the cluster.
    pub(super) fn on(&self, now: Timestamp) -> TopicName {
        match (&self.topic, self.due) {
            (Some(topic), _) => topic.name.clone(),
            (None, Some(due)) => delays::topic_for(now, due),
            (None, None) => self.message().topic.clone(),
        }
    }

    pub(super) fn message(&self) -> &Message {
        match &self.what {
            What::Held(held) => &held.message,
            What::Away(message) => message,
        }
    }
}

/// A delivery that is done with.
#[derive(Debug)]
pub(super) struct Done {
    pub topic: Arc<Topic>,
    /// By whom it was taken: if its partition went since, it is somebody else's.
    pub tenure: Tenure,
    pub held: Arc<Held>,
}

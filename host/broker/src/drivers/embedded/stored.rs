//! One message inside the broker, shared by everything that has to find it: the window, the open batch, a delivery.

use std::sync::Arc;

use host_core::id::Lsn;
use host_core::table::Table;
use host_core::time::Timestamp;
use host_core::unit::Message;

use bytes::Bytes;

use super::super::window::{Held, weigh};
use super::row::{self, DelayedKey, TopicId};

/// A message and where its row is, or will be.
#[derive(Debug)]
pub(super) struct Stored {
    pub message: Message,
    pub published_at: Timestamp,
    pub place: Place,
    /// None for a message that was read from the tables.
    pub staged: Option<Staged>,
    /// Bytes it takes in memory, about.
    pub weight: usize,
}

/// The row of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Ready { topic: TopicId, offset: u64 },
    Delayed(DelayedKey),
}

/// The open batch in which a message was published, and its number there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Staged {
    /// Name of the open batch: its first unit.
    pub open: Lsn,
    pub slot: usize,
    /// Index of the topic among those the batch touched.
    pub touched: usize,
    /// The unit that published it.
    pub lsn: Lsn,
}

impl Stored {
    pub(super) fn new(message: Message, published_at: Timestamp, place: Place, staged: Option<Staged>) -> Self {
        let weight = weigh(&message);
        Self { message, published_at, place, staged, weight }
    }

    /// Whether the tables hold it, when everything up to `written` is in them.
    pub(super) fn is_written(&self, written: Lsn) -> bool {
        self.staged.is_none_or(|staged| staged.lsn <= written)
    }
}

impl Held for Stored {
    fn key(&self) -> &Arc<str> {
        &self.message.key
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

impl Place {
    pub(super) fn table(self) -> Table {
        match self {
            Place::Ready { .. } => Table::Messages,
            Place::Delayed(_) => Table::Delayed,
        }
    }

    pub(super) fn key(self) -> Bytes {
        match self {
            Place::Ready { topic, offset } => row::message_key(topic, offset),
            Place::Delayed(key) => key.encode(),
        }
    }
}

//! A message that is at hand on this host, and its place in the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use host_core::time::Timestamp;
use host_core::unit::Message;

use super::super::window::{Held as InWindow, weigh};

/// No offset yet.
const NOWHERE: u64 = u64::MAX;

/// A message, and where it is or will be.
#[derive(Debug)]
pub(super) struct Held {
    pub message: Message,
    pub published_at: Timestamp,
    pub partition: i32,
    /// This host published it, and has had it at hand since.
    pub is_own: bool,
    /// Its offset; `NOWHERE` for one of our own whose transaction is not made yet.
    offset: AtomicU64,
    weight: usize,
}

impl Held {
    /// A message that was read.
    pub(super) fn read(message: Message, published_at: Timestamp, partition: i32, offset: u64) -> Self {
        let weight = weigh(&message);
        Self { message, published_at, partition, is_own: false, offset: AtomicU64::new(offset), weight }
    }

    /// A message that this host publishes.
    pub(super) fn own(message: Message, published_at: Timestamp, partition: i32) -> Self {
        Self { is_own: true, ..Self::read(message, published_at, partition, NOWHERE) }
    }

    pub(super) fn offset(&self) -> Option<u64> {
        Some(self.offset.load(Ordering::Acquire)).filter(|&offset| offset != NOWHERE)
    }

    /// The cluster gave it a place; none if its transaction was aborted.
    pub(super) fn place(&self, offset: Option<u64>) {
        self.offset.store(offset.unwrap_or(NOWHERE), Ordering::Release);
    }
}

impl InWindow for Held {
    fn key(&self) -> &Arc<str> {
        &self.message.key
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

//! Wakes the thread that reads for a group: something came, or there is room again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A flag that a thread waits for.
#[derive(Debug, Default)]
pub(super) struct Wake {
    is_set: Mutex<bool>,
    changed: Condvar,
    /// The reader left messages where they are because there was no room.
    is_held_back: AtomicBool,
}

impl Wake {
    pub(super) fn wake(&self) {
        let was_set = std::mem::replace(&mut *self.is_set.lock(), true);
        if !was_set {
            self.changed.notify_one();
        }
    }

    /// Wait until somebody calls, at most so long.
    pub(super) fn wait(&self, at_most: Duration) {
        let mut is_set = self.is_set.lock();
        if !*is_set {
            self.changed.wait_for(&mut is_set, at_most);
        }
        *is_set = false;
    }

    pub(super) fn hold_back(&self, is_held_back: bool) {
        self.is_held_back.store(is_held_back, Ordering::Release);
    }

    pub(super) fn wake_if_held_back(&self) {
        if self.is_held_back.load(Ordering::Acquire) {
            self.wake();
        }
    }
}

//! What the engine counts. The names under which they are shown belong to the monitor.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters since the host started. Relaxed: each is right by itself, together they are a snapshot in motion.
        #[derive(Debug, Default)]
        pub struct Metrics { $($(#[$doc])* pub $name: Counter),* }

        impl Metrics {
            /// Every counter with its name.
            pub fn read(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),*]
            }
        }
    };
}

counters! {
    /// Sagas started through this host.
    sagas_started,
    sagas_completed,
    sagas_compensated,
    /// Ended as `compensation-failed` or `closed`.
    sagas_ended_otherwise,
    /// Calls of plugins, repeated ones included.
    calls,
    /// Calls that were run again because another call wrote what they read.
    conflicts,
    retries,
    faults,
    waits,
    signals,
    dead_letters,
    duplicates,
    undecodable,
    operator_acts,
    /// Messages that wait on work queues, counted every second.
    backlog,
}

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

//! What an operator may set of the embedded broker, with the reason for each default.

use std::time::Duration;

use host_core::id::TopicName;

use super::super::window::Bounds;
use crate::Retention;

/// Bounds of the embedded broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Messages at rest that one group keeps in memory; the rest stay on disk. Several hundred a step keep every
    /// executor busy while the next are read.
    pub window_count_max: usize,
    /// The same in bytes, about.
    pub window_bytes_max: usize,
    /// Delayed messages in memory: those that come next. The rest stay on disk.
    pub delayed_count_max: usize,
    /// The same in bytes, about.
    pub delayed_bytes_max: usize,
    /// How long a log topic keeps its messages unless `kept` names it.
    pub kept_age_max: Duration,
    /// How large a log topic may grow unless `kept` names it.
    pub kept_bytes_max: u64,
    /// Log topics with bounds of their own: age and bytes.
    pub kept: Vec<(TopicName, Duration, u64)>,
    /// Messages that one call of `retain` removes at most, so that it never holds the disk for long.
    pub retain_count_max: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            window_count_max: 1024,
            window_bytes_max: 8 << 20,
            delayed_count_max: 4096,
            delayed_bytes_max: 16 << 20,
            kept_age_max: Duration::from_secs(30 * 24 * 3600),
            kept_bytes_max: 1 << 30,
            kept: Vec::new(),
            retain_count_max: 10_000,
        }
    }
}

impl EmbeddedOptions {
    pub(super) fn window(&self) -> Bounds {
        Bounds { count_max: self.window_count_max, bytes_max: self.window_bytes_max }
    }

    /// How long this topic keeps its messages.
    pub fn retention(&self, topic: &TopicName) -> Retention {
        if Retention::is_work_queue(topic) {
            return Retention::UntilAcknowledged;
        }
        match self.kept.iter().find(|(name, _, _)| name == topic) {
            Some(&(_, age_max, bytes_max)) => Retention::Kept { age_max, bytes_max },
            None => Retention::Kept { age_max: self.kept_age_max, bytes_max: self.kept_bytes_max },
        }
    }
}

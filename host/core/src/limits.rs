//! Every bound of the core in one place, with its unit and the reason for the number.
//! What an operator may change stands in `Limits`; the constants are the contract's own.

use std::time::Duration;

/// Characters of a global-id: fits a UUID, a ULID, and a prefixed business key.
pub const GLOBAL_ID_CHARACTERS_MAX: usize = 128;
/// Characters of a wait key.
pub const WAIT_KEY_CHARACTERS_MAX: usize = 256;
/// Bytes of a step address: with its suffix it must fit a Kafka topic name.
pub const ADDRESS_BYTES_MAX: usize = 200;
/// Bytes of a topic name: Kafka's own bound.
pub const TOPIC_BYTES_MAX: usize = 249;
/// Bytes of a reason or code that is stored and shown: a screenful; more is cut with a mark.
pub const REASON_BYTES_MAX: usize = 4096;
/// Bytes of a rejection code.
pub const CODE_BYTES_MAX: usize = 128;
/// Bytes of the name of who acted.
pub const WHO_BYTES_MAX: usize = 256;
/// Steps that a `Position` can count, whatever an operator configures.
pub const STEPS_HARD_MAX: usize = 1024;

/// Bytes of `meta` that compensation logs leave free for a failure: its code and reason with every line break escaped,
/// its address and time.
pub const FAILURE_BYTES_RESERVED: usize = 2 * (REASON_BYTES_MAX + CODE_BYTES_MAX) + ADDRESS_BYTES_MAX + 512;
/// Bytes of an entry of the compensation log beside the log itself: position, digest, names.
pub const LOG_ENTRY_BYTES: usize = 128;

/// Where the journal is published: no step's and no use case's.
pub const JOURNAL_TOPIC: &str = "saga.journal";

/// Limits of one message. Checked on bytes before anything is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub body_bytes_max: usize,
    pub meta_bytes_max: usize,
    pub step_count_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 1 << 20, meta_bytes_max: 64 << 10, step_count_max: 64 }
    }
}

/// How long a signal that came before anyone waited for it is remembered.
pub const SIGNAL_MEMORY_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// How long a step waits if neither it nor its manifest says so.
pub const WAIT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// No wait is longer: a year; past it the wait was a mistake.
pub const WAIT_TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Cut a text to what is stored, on a character border, with a mark that it was cut.
pub fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

//! Every bound of the monitor in one place, with its unit and the reason for the number.
//! What an operator or a test may change stands in `Limits`; the constants are nobody's to change.

use std::time::Duration;

/// Bounds of the HTTP side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body of a start, and of the payload of a published message without its meta: the core's bound.
    pub body_bytes_max: usize,
    /// Bytes that a published message may have beside its body: the core's bound of `meta`.
    pub meta_bytes_max: usize,
    /// Connections at once. Half of the 1,024 descriptors a process usually gets; the database needs the others.
    pub connection_count_max: usize,
    /// Bodies being read or worked on at once, in bytes all together: 64 of the largest.
    pub bodies_bytes_max: usize,
    /// A connection that sends no complete head in this time, the first or the next one, is closed.
    pub head_timeout: Duration,
    /// A body must be here in this time.
    pub body_timeout: Duration,
    /// A client that takes nothing of an answer for this long is cut off.
    pub write_stall_timeout: Duration,
    /// No `Prefer: wait` waits longer.
    pub wait_max: Duration,
    /// Followers of `/v1/events` at once.
    pub stream_count_max: usize,
    /// Questions to the store at once; the next ones wait for their turn.
    pub query_count_max: usize,
    /// How long a question or a body waits for its turn before it is told that the host is busy.
    pub turn_timeout: Duration,
    /// Silence on `/v1/events` after which a comment is sent, so that a dead connection is noticed.
    pub heartbeat: Duration,
}

/// Bytes around `meta` and `body` in a message: the two names, braces, and white space to spare.
const ENVELOPE_BYTES: usize = 1 << 10;

impl Limits {
    /// Bytes of a published message at most.
    pub fn message_bytes_max(&self) -> usize {
        self.body_bytes_max.saturating_add(self.meta_bytes_max).saturating_add(ENVELOPE_BYTES)
    }

    /// Bytes of a worker's answer: body, compensation log and events.
    pub fn answer_bytes_max(&self) -> usize {
        self.message_bytes_max().saturating_mul(3)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let core = host_core::limits::Limits::default();
        Self {
            body_bytes_max: core.body_bytes_max,
            meta_bytes_max: core.meta_bytes_max,
            connection_count_max: 512,
            bodies_bytes_max: 64 << 20,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(15),
            write_stall_timeout: Duration::from_secs(30),
            wait_max: Duration::from_secs(300),
            stream_count_max: 64,
            query_count_max: 16,
            turn_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// Connections that wait to be accepted: what a Linux kernel allows if nobody changed it.
pub(crate) const ACCEPT_QUEUE_MAX: u32 = 4096;
/// Bytes of a request's head: a trace context, a token and a key fit many times over.
pub(crate) const HEAD_BYTES_MAX: usize = 32 << 10;
/// Bytes of an act's JSON body: a reason at its bound, every character escaped, and the other fields.
pub(crate) const ACT_BYTES_MAX: usize = 32 << 10;
/// Characters of a name in `who`: a mail address fits.
pub(crate) const WHO_CHARACTERS_MAX: usize = 256;
/// A body over its bound is read and thrown away up to here, so that the client hears the answer instead of a reset.
pub(crate) const DRAIN_BYTES_MAX: usize = 16 << 20;
/// Entries of a page if the caller does not say.
pub(crate) const PAGE_DEFAULT: usize = 100;
/// Entries of a page at most: one answer stays below a megabyte.
pub(crate) const PAGE_MAX: usize = 1000;
/// Members of an error group that one act touches; the answer says when there are more.
pub(crate) const GROUP_MEMBERS_MAX: usize = 10_000;
/// Acts of one group on their way at once: they share the syncs of the journal.
pub(crate) const GROUP_ACTS_AT_ONCE: usize = 64;
/// Waits for the end of a saga at once, over HTTP and in the process: far above the connections.
pub(crate) const WAITER_COUNT_MAX: usize = 16_384;
/// Records between the follower and the projector, and in its hands: a quarter of a second of a host at its peak. When
/// it is full the commits, and all who wait for the end of a saga, wait for the projector. So it is bounded by what it
/// costs to keep; of batches a fast disk makes thousands a second.
pub(crate) const PROJECTOR_QUEUE_RECORDS: u32 = 32_768;
/// Batches of them: nearly all have more than one record.
pub(crate) const PROJECTOR_QUEUE_BATCHES: usize = 4_096;
/// Batches that are folded together: a few milliseconds of one processor, for which the steps do not wait long.
pub(crate) const FOLD_BATCHES_MAX: usize = 64;
/// From one fold of the projection to the next while the journal does not rest. Longer than nearly every saga takes, so
/// that most are written once; short enough that nobody sees a list lag.
pub(crate) const FOLD_PAUSE: Duration = Duration::from_millis(50);
/// Batches read back from the store at once while the projector catches up.
pub(crate) const CATCH_UP_BATCHES: usize = 128;
/// Batches a live subscriber may be behind before it loses some.
pub(crate) const LIVE_QUEUE_BATCHES: usize = 256;
/// Bytes of live events that are gathered into one write.
pub(crate) const LIVE_CHUNK_BYTES: usize = 32 << 10;
/// Different values of a label; what comes later is counted as `other`.
pub(crate) const LABEL_VALUES_MAX: usize = 200;
/// Topics that `/metrics` tells one by one.
pub(crate) const METRIC_TOPICS_MAX: usize = 500;

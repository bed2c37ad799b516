//! Every bound of the shared state in one place, with its unit and the reason for the number.

use std::time::Duration;

/// How much longer an outcome is kept that nobody published: a message that was not acknowledged may wait in its topic
/// for as long as no host serves its step. A month outlives every holiday; only what a crash left is kept for it.
pub const UNPUBLISHED_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Bytes of values and outcomes in one `apply`. They pass through one statement, whose text and copies take several
/// times as much memory on both sides.
pub const APPLY_BYTES_MAX: usize = 128 << 20;

/// How long the place in the order may be held without a word. A host that stops in the middle of its commit holds all
/// others up; after this the database ends its session.
pub const TURN_HELD_MAX: Duration = Duration::from_secs(5);

/// How long a statement may take, waiting for the turn included. More than one turn that is held too long.
pub const STATEMENT_DEFAULT: Duration = Duration::from_secs(15);

/// How much longer than a statement may take the host waits for the word of it. The database speaks first, as it knows
/// the reason.
pub const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// How long to try again while the database is away: a restart takes seconds, a failover half a minute.
pub const PATIENCE_DEFAULT: Duration = Duration::from_secs(60);

/// Between two tries; doubled from the first to the second.
pub const PAUSE_MIN: Duration = Duration::from_millis(20);
pub const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long to wait for a connection to be made.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Connections of one host. Commits go one after the other in any case; the rest serve reads, each for as long as a
/// round trip takes. Twelve hosts of this size stay within the hundred connections that a server has by default.
pub const CONNECTIONS_DEFAULT: usize = 8;

/// Silence after which the peer of a connection is asked whether it is still there.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

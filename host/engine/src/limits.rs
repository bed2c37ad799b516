//! Every bound of the engine, with its unit and the reason for the number.

use std::time::Duration;

/// Between two looks of an idle host whether its broker still takes commits.
pub const FAILURE_LOOK: Duration = Duration::from_secs(1);
/// Units in one open batch, if nothing else is said. At 100,000 units a second and a sync of 100 ms this is reached;
/// submitters then wait.
pub const OPEN_UNITS_DEFAULT: usize = 16_384;
/// Batches that a follower of the journal may be behind before commits wait for it.
pub const FOLLOWER_BATCHES_MAX: usize = 256;
/// Times a call is run again because another one wrote what it read, before it counts as a retry of the step.
pub const CONFLICTS_MAX: u32 = 16;
/// Conflicts of one call after which it runs alone among the calls of its step.
pub const CONFLICTS_BEFORE_ALONE: u32 = 2;
/// Before a message is given back because the store could not be read: the host is about to stop, and until it does the
/// log must not be flooded.
pub const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);
/// Units of key-values that hosts share in one transaction of their database.
pub const SHARED_UNITS_MAX: usize = 256;
/// Between two words to that database about what it need not keep any longer.
pub const SHARED_PUBLISHED_PAUSE: Duration = Duration::from_millis(200);
/// Before a service that the broker or the store failed begins anew, at first and at most: it doubles.
pub const SERVICE_PAUSE: Duration = Duration::from_millis(500);
pub const SERVICE_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Hands of a lane that wait for a delivery; one that would be more ends. Enough for the threads of a small machine to
/// take deliveries of one step at once, few enough that a hundred idle steps cost little.
pub const HANDS_WAITING_MAX: usize = 4;
/// Parked messages released, or delayed messages moved, in one go: a bound on what one signal keeps in memory.
pub const RELEASE_BATCH_MAX: usize = 256;
/// Deliveries of commands and signals that may be out at once.
pub const COMMANDS_IN_FLIGHT_MAX: usize = 16;
/// Before the end of a wait that was asked for is asked for again: longer than a transaction and a rebalance take.
pub const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Between two looks whether ends of waits that were asked for have come.
pub const ASKED_PAUSE: Duration = Duration::from_millis(50);
/// How often the backlog is counted and topics without a server are searched for passed deadlines.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Messages of one unserved topic that one sweep looks at.
pub const SWEEP_MESSAGES_MAX: usize = 1_024;
/// How often retention runs.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(10);
/// Sagas that one run of retention removes: one batch, and commits wait for a batch of thousands of rows as long as for
/// ten syncs.
pub const RETENTION_SAGAS_MAX: usize = 256;
/// Remembered signals that one run of retention looks at where hosts share the work: each that is over is a message.
pub const SIGNALS_FORGOTTEN_MAX: usize = 1_024;
/// From one full run to the next, at least. It rests as long as the run took, so that a backlog of old sagas takes no
/// more than half a processor.
pub const RETENTION_REST_MIN: Duration = Duration::from_millis(1);
/// Longest sleep of a timer task: a jump of the clock is noticed after that.
pub const TIMER_SLEEP_MAX: Duration = Duration::from_secs(1);
/// Locks for concurrent starts with the same global-id: enough that unrelated starts rarely share one.
pub const START_LOCK_COUNT: usize = 64;
/// How long the time that passes is trusted before the wall clock is looked at again: a jump of it shows that much
/// later.
pub const WALL_CLOCK_LOOK: Duration = Duration::from_millis(1);
/// A jump back of the machine's clock that is not followed: more than summer time and a wrong zone or two make. After a
/// larger one the clock was plainly wrong before.
pub const CLOCK_HOLD_MAX: Duration = Duration::from_secs(3 * 3600);
/// After a jump back time goes slower by one part in so many: an hour is made good in ten, and no pause is longer by
/// more than a tenth.
pub const CLOCK_SLEW_DIVISOR: i64 = 10;

//! The clock, as an argument: the engine never reads the system's by itself. What a jump of the machine's clock means
//! is decided here.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use host_core::time::Timestamp;
use parking_lot::Mutex;

use crate::limits::{CLOCK_HOLD_MAX, CLOCK_SLEW_DIVISOR, WALL_CLOCK_LOOK};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The machine's clock, steadied. The wall clock is looked at once in a while; in between, the time that has passed is
/// added to it, so that most moments cost one reading.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    steady: Steady,
    /// Nanoseconds by which the wall clock was ahead of the time passed when it was last looked at.
    ahead: AtomicU64,
    /// When that was, in nanoseconds passed.
    looked_at: AtomicU64,
}

impl SystemClock {
    pub fn begin() -> Self {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let steady = Steady::starting_at(Timestamp::from_system_time(wall));
        Self { start, steady, ahead: AtomicU64::new(since_1970(wall)), looked_at: AtomicU64::new(0) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let passed = self.start.elapsed();
        let passed_ns = ns(passed);
        // Two threads may look at once, or one may add to what another has just seen: both are right to a millisecond.
        if passed_ns.saturating_sub(self.looked_at.load(Ordering::Relaxed)) >= ns(WALL_CLOCK_LOOK) {
            self.ahead.store(since_1970(SystemTime::now()).saturating_sub(passed_ns), Ordering::Relaxed);
            self.looked_at.store(passed_ns, Ordering::Relaxed);
        }
        let wall = Duration::from_nanos(self.ahead.load(Ordering::Relaxed).saturating_add(passed_ns));
        self.steady.at(Timestamp::from_ms(ms(wall)), passed)
    }
}

fn since_1970(wall: SystemTime) -> u64 {
    ns(wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Time from two sources: a wall clock, which may jump, and the time that has really passed.
///
/// A jump ahead is followed at once: the machine slept, or was late. A jump back is not followed: what was to be in a
/// minute must not be in an hour and a minute. Time goes on from where it was, a tenth slower, until the wall clock has
/// caught up. A jump back that is too large to be waited for is followed: the clock had been plainly wrong.
#[derive(Debug)]
pub struct Steady {
    epoch: Timestamp,
    /// Milliseconds by which the wall clock was ahead of `epoch` and the time passed, at most so far.
    lead: AtomicI64,
    /// Guards the return to the wall clock; none while time is the wall clock's.
    held: Mutex<Option<Held>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    lead: i64,
    since: Duration,
}

/// Two clocks read one after the other differ by this much without a jump, in milliseconds.
const JITTER_MS: i64 = 2;

impl Steady {
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, lead: AtomicI64::new(0), held: Mutex::new(None) }
    }

    /// The time when the wall clock shows `wall` and so much has passed since the start.
    pub fn at(&self, wall: Timestamp, passed: Duration) -> Timestamp {
        let lead = signed(wall.as_ms()) - signed(self.epoch.plus(passed).as_ms());
        let most = self.lead.load(Ordering::Relaxed);
        if lead > most {
            self.lead.fetch_max(lead, Ordering::Relaxed);
        }
        if lead + JITTER_MS >= most { wall } else { self.held_back(wall, lead, most, passed) }
    }

    fn held_back(&self, wall: Timestamp, lead: i64, most: i64, passed: Duration) -> Timestamp {
        let mut held = self.held.lock();
        let begun = held.filter(|held| held.lead == most).unwrap_or_else(|| {
            tracing::warn!(
                back_ms = most - lead,
                "the machine's clock jumped back, the host's goes on and lets it catch up"
            );
            Held { lead: most, since: passed }
        });
        let slewed = begun.lead - signed(ms(passed.saturating_sub(begun.since))) / CLOCK_SLEW_DIVISOR;
        if slewed <= lead || most - lead > signed(ms(CLOCK_HOLD_MAX)) {
            *held = None;
            self.lead.store(lead, Ordering::Relaxed);
            return wall;
        }
        *held = Some(begun);
        let since_epoch = signed(self.epoch.plus(passed).as_ms()) + slewed;
        Timestamp::from_ms(u64::try_from(since_epoch).unwrap_or_default())
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// A clock that follows tokio's, which tests can pause and advance.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: tokio::time::Instant,
    epoch: Timestamp,
}

impl TokioClock {
    /// Begin at `epoch` now.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { start: tokio::time::Instant::now(), epoch }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.epoch.plus(self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Timestamp = Timestamp::MIN;
    const HOUR: Duration = Duration::from_secs(3600);

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn after(span: Duration) -> Timestamp {
        EPOCH.plus(span)
    }

    #[test]
    fn a_jump_ahead_is_followed_at_once() {
        let steady = Steady::starting_at(EPOCH);
        assert_eq!(steady.at(after(secs(10)), secs(10)), after(secs(10)));
        assert_eq!(steady.at(after(secs(11) + HOUR), secs(11)), after(secs(11) + HOUR));
    }

    #[test]
    fn after_a_jump_back_time_goes_on_a_tenth_slower_until_the_wall_clock_has_caught_up() {
        let steady = Steady::starting_at(after(2 * HOUR));
        let wall = |passed: Duration| after(2 * HOUR + passed - HOUR);
        let begun = steady.at(after(2 * HOUR + secs(10)), secs(10));
        let mut last = begun;
        let mut caught_up = None;
        for passed in (10..12 * 3600).map(secs) {
            let now = steady.at(wall(passed), passed);
            let step = now.since(last);
            assert!(now >= last && step <= secs(1), "after {passed:?} time went from {last} to {now}");
            assert!(caught_up.is_some() || passed == secs(10) || step >= Duration::from_millis(899), "{step:?}");
            if now == wall(passed) {
                caught_up.get_or_insert(passed);
            }
            last = now;
        }
        let caught_up = caught_up.expect("it catches up");
        assert!(caught_up > 9 * HOUR && caught_up < 11 * HOUR, "{caught_up:?}");
    }

    #[test]
    fn a_second_jump_back_is_held_as_well_and_a_jump_ahead_ends_it() {
        let steady = Steady::starting_at(after(3 * HOUR));
        let first = steady.at(after(2 * HOUR + secs(1)), secs(1));
        let second = steady.at(after(2 * HOUR - secs(600) + secs(2)), secs(2));
        assert!(second > first && second.since(first) <= secs(1), "{first} {second}");
        assert_eq!(steady.at(after(4 * HOUR), secs(3)), after(4 * HOUR));
        assert!(steady.at(after(3 * HOUR), secs(4)) > after(4 * HOUR), "held again, from the new place");
    }

    #[test]
    fn a_jump_back_by_days_is_followed() {
        let steady = Steady::starting_at(after(100 * HOUR));
        assert_eq!(steady.at(after(secs(1)), secs(1)), after(secs(1)));
        assert_eq!(steady.at(after(secs(2)), secs(2)), after(secs(2)), "and is the time from then on");
    }

    #[test]
    fn no_reading_overflows() {
        for epoch in [Timestamp::MIN, Timestamp::MAX] {
            let steady = Steady::starting_at(epoch);
            for wall in [Timestamp::MIN, Timestamp::MAX] {
                for passed in [Duration::ZERO, Duration::MAX] {
                    steady.at(wall, passed);
                }
            }
        }
    }
}

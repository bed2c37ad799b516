//! What the recent calls of a version cost, so that the next ones of a step that computes for long begin at once on the
//! threads of long calls, instead of first taking their two ticks of time from their neighbours.
//! A step in good standing pays one look at a number that nobody writes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::limits::{self, STANDING_DEBT_ALLOWED, STANDING_DEBT_MAX, STANDING_DEBT_OF_CALL};

/// What calls of one version have taken from their neighbours, as a debt that quick calls pay back.
#[derive(Debug, Default)]
pub(crate) struct Standing(AtomicU32);

/// What one call cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Ticks of the clock that met its guest at work.
    pub(crate) tick_count: u32,
    /// Whether it ended in a fault: the host then works for it where no tick looks.
    pub(crate) is_fault: bool,
    pub(crate) took: Duration,
}

impl Cost {
    /// Ticks are chance: a call of a millisecond is met by one out of five times, one of some microseconds hardly ever.
    /// So what a fault costs, in pages that were touched and functions that were looked up, is told by the time.
    fn is_high(self) -> bool {
        self.tick_count > 0 || (self.is_fault && self.took >= limits::FAULT_COSTLY)
    }
}

impl Standing {
    /// Whether the next call is to begin where it takes nothing from its neighbours.
    pub(crate) fn is_costly(&self) -> bool {
        self.0.load(Ordering::Relaxed) > STANDING_DEBT_ALLOWED
    }

    pub(crate) fn note(&self, cost: Cost) {
        let debt = self.0.load(Ordering::Relaxed);
        let is_high = cost.is_high();
        if debt == 0 && !is_high {
            return;
        }
        let next = |debt: u32| {
            Some(if is_high { (debt + STANDING_DEBT_OF_CALL).min(STANDING_DEBT_MAX) } else { debt.saturating_sub(1) })
        };
        // Never fails: the closure always has an answer.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(tick_count: u32) -> Cost {
        Cost { tick_count, is_fault: false, took: Duration::from_micros(50) }
    }

    #[test]
    fn a_step_that_is_met_by_chance_stays_in_good_standing() {
        let standing = Standing::default();
        for number in 0..10_000 {
            standing.note(cost(u32::from(number % 20 == 0)));
            assert!(!standing.is_costly(), "after call {number}");
        }
    }

    #[test]
    fn a_step_that_computes_is_known_after_a_few_calls_and_forgiven_after_more() {
        let standing = Standing::default();
        let calls = (1..).find(|_| {
            standing.note(cost(2));
            standing.is_costly()
        });
        assert_eq!(calls, Some(3));
        (0..1_000).for_each(|_| standing.note(cost(2)));
        let calls = (1..).find(|_| {
            standing.note(cost(0));
            !standing.is_costly()
        });
        assert_eq!(calls, Some(STANDING_DEBT_MAX - STANDING_DEBT_ALLOWED));
    }

    #[test]
    fn a_fault_that_took_the_host_long_counts_and_a_quick_one_does_not() {
        let fault = |ms| Cost { tick_count: 0, is_fault: true, took: Duration::from_millis(ms) };
        let standing = Standing::default();
        (0..100).for_each(|_| standing.note(fault(0)));
        assert!(!standing.is_costly());
        (0..3).for_each(|_| standing.note(fault(4)));
        assert!(standing.is_costly());
        let slow = Cost { is_fault: false, ..fault(900) };
        let standing = Standing::default();
        (0..100).for_each(|_| standing.note(slow));
        assert!(!standing.is_costly(), "a step that waits takes nothing from anybody");
    }
}

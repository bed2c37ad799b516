//! Retry arithmetic: budgets, exponential back-off, full jitter. Random comes in as an argument.
//! Full jitter is described in "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A budget of attempts and the waits between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Calls in all, the first included; at least 1.
    pub attempt_count_max: u32,
    /// Upper end of the wait before the second attempt; doubles with each further one.
    pub initial: Duration,
    /// No wait is longer.
    pub max: Duration,
}

impl RetryPolicy {
    /// A `handle` that fails technically.
    pub const HANDLE: RetryPolicy =
        RetryPolicy { attempt_count_max: 8, initial: Duration::from_millis(200), max: Duration::from_secs(30) };
    /// A `compensate` is retried longer: nobody else can put it right.
    pub const COMPENSATE: RetryPolicy =
        RetryPolicy { attempt_count_max: 16, initial: Duration::from_millis(200), max: Duration::from_secs(300) };
    /// A fault of the plugin rarely passes by itself.
    pub const FAULT: RetryPolicy =
        RetryPolicy { attempt_count_max: 3, initial: Duration::from_millis(200), max: Duration::from_secs(5) };

    /// The wait after attempt number `attempt` (from 1) failed; none when the budget is used up.
    /// `jitter` is uniform in [0, 1). `at_least` is what the step asked for, and is never undercut.
    pub fn delay_after(&self, attempt: u32, jitter: Jitter, at_least: Option<Duration>) -> Option<Duration> {
        if attempt >= self.attempt_count_max {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let ceiling = self.initial.saturating_mul(1 << doublings).min(self.max);
        Some(ceiling.mul_f64(jitter.0).max(at_least.unwrap_or_default()))
    }
}

/// A number in [0, 1): the random part of a wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// Held inside [0, 1).
    pub fn new(fraction: f64) -> Self {
        if fraction.is_nan() { Self(0.0) } else { Self(fraction.clamp(0.0, 1.0 - f64::EPSILON)) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { attempt_count_max: 5, initial: Duration::from_millis(100), max: Duration::from_millis(300) };

    #[test]
    fn waits_double_up_to_the_maximum_and_end_with_the_budget() {
        let most = Jitter::new(1.0);
        let waits: Vec<_> = (1..=5).map(|attempt| POLICY.delay_after(attempt, most, None)).collect();
        let ms = |wait: Option<Duration>| wait.map(|wait| wait.as_secs_f64() * 1e3);
        assert!((ms(waits[0]).unwrap() - 100.0).abs() < 0.01);
        assert!((ms(waits[1]).unwrap() - 200.0).abs() < 0.01);
        assert!((ms(waits[2]).unwrap() - 300.0).abs() < 0.01);
        assert!((ms(waits[3]).unwrap() - 300.0).abs() < 0.01);
        assert_eq!(waits[4], None);
    }

    #[test]
    fn full_jitter_reaches_down_to_zero_but_not_below_what_the_step_asked() {
        assert_eq!(POLICY.delay_after(1, Jitter::new(0.0), None), Some(Duration::ZERO));
        let asked = Duration::from_secs(7);
        assert_eq!(POLICY.delay_after(1, Jitter::new(0.9), Some(asked)), Some(asked));
    }

    #[test]
    fn attempts_past_any_number_do_not_overflow() {
        let policy = RetryPolicy { attempt_count_max: u32::MAX, ..POLICY };
        assert!(policy.delay_after(u32::MAX - 1, Jitter::new(f64::NAN), None).is_some());
    }
}

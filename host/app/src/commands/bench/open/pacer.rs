//! The schedule of an open loop and the thread that follows it. The timers of the asynchronous runtime are exact to a
//! millisecond, and what they are late would be counted as the host's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Semaphore;

/// The pacer sleeps at least so long, and then releases all that has become due: at high rates a waking for every saga
/// would take a good part of a processor from the host. It is part of every latency.
const SLEEP_MIN: Duration = Duration::from_micros(100);

/// When sagas are due: one after the other in even steps.
pub struct Schedule {
    begin: Instant,
    rate: u64,
    /// Number of the first saga that counts, and of the first after the last.
    from: u64,
    until: u64,
    /// A permit for each saga that is due and that no client has taken. Closed when nothing more will be due.
    due: Arc<Semaphore>,
    taken: AtomicU64,
}

/// A saga that has to begin.
pub struct Due {
    pub at: Instant,
    /// False while warming up.
    pub is_counted: bool,
}

impl Schedule {
    pub fn begin(rate: u32, warm_up: Duration, duration: Duration) -> anyhow::Result<Self> {
        let rate = u64::from(rate);
        let (from, count) = (warm_up.as_secs() * rate, duration.as_secs() * rate);
        let due = Arc::new(Semaphore::new(0));
        let schedule =
            Self { begin: Instant::now(), rate, from, until: from + count, due: due.clone(), taken: AtomicU64::new(0) };
        let (begin, until, due) = (schedule.begin, schedule.until, Arc::downgrade(&due));
        let pacer = thread::Builder::new().name("saga-bench-pacer".to_owned());
        // Let go on purpose: it ends with the schedule.
        pacer
            .spawn(move || pace(begin, rate, until, &due))
            .map(drop)
            .context("starting the thread that paces the load")?;
        Ok(schedule)
    }

    /// When the measuring ends.
    pub fn until(&self) -> Instant {
        at(self.begin, self.rate, self.until)
    }

    /// Sagas that count.
    pub fn counted(&self) -> u64 {
        self.until - self.from
    }

    /// The next saga, once it is due; none when all were taken.
    pub async fn next(&self) -> Option<Due> {
        // It is closed while some are due that nobody has taken yet: the number tells whether this is one of them.
        if let Ok(permit) = self.due.acquire().await {
            permit.forget();
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        (number < self.until).then(|| Due { at: at(self.begin, self.rate, number), is_counted: number >= self.from })
    }
}

fn at(begin: Instant, rate: u64, number: u64) -> Instant {
    // Whole seconds apart from the rest, so that no hour of a high rate comes near the end of the numbers.
    begin + Duration::from_secs(number / rate) + Duration::from_nanos(number % rate * 1_000_000_000 / rate)
}

/// Release sagas as they become due.
fn pace(begin: Instant, rate: u64, until: u64, due: &Weak<Semaphore>) {
    let mut released = 0;
    while released < until {
        let now = Instant::now();
        let first = released;
        while released < until && at(begin, rate, released) <= now {
            released += 1;
        }
        let Some(due) = due.upgrade() else { return };
        due.add_permits(usize::try_from(released - first).unwrap_or(Semaphore::MAX_PERMITS));
        drop(due);
        let next = at(begin, rate, released);
        thread::sleep(next.saturating_duration_since(Instant::now()).max(SLEEP_MIN));
    }
    if let Some(due) = due.upgrade() {
        due.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sagas_are_due_in_even_steps() {
        let begin = Instant::now();
        let offset = |number| at(begin, 8_000, number) - begin;
        assert_eq!(offset(0), Duration::ZERO);
        assert_eq!(offset(1), Duration::from_micros(125));
        assert_eq!(offset(8_000 * 3_600 + 4_000), Duration::from_millis(3_600_500));
    }

    #[tokio::test]
    async fn none_is_released_before_it_is_due_and_none_twice() {
        let schedule = Schedule::begin(2_000, Duration::ZERO, Duration::from_secs(1)).expect("a thread");
        let mut last = None;
        let mut count = 0;
        while let Some(due) = schedule.next().await {
            assert!(due.at <= Instant::now(), "number {count} came too early");
            assert!(last < Some(due.at), "number {count} came after a later one");
            last = Some(due.at);
            count += 1;
        }
        assert_eq!(count, 2_000);
        assert!(schedule.next().await.is_none());
    }
}

//! The open loop: sagas are due on a schedule that does not follow the host, and the latency of one counts from when it
//! was due. A host that stands still for a moment is therefore charged for every saga that should have begun meanwhile,
//! also for those that had to wait for a client (no coordinated omission).

mod pacer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::load::{self, Client, Clients, Counted, micros};
use crate::progress::Progress;
use pacer::Schedule;

/// Sagas that were due and could not begin in time are still begun for so long, then they are given up. Without an end
/// a host that holds half the rate would be watched for twice as long as was asked.
const GRACE: Duration = Duration::from_secs(1);
/// Of the sagas that were due, so many may not have begun at the end of a run whose rate was kept.
const LEFT_MAX: f64 = 0.01;

/// How much load.
pub struct Open {
    /// Sagas that become due in a second.
    pub rate: u32,
    /// Sagas that can be under way at once.
    pub clients: u32,
    /// How long before it is measured.
    pub warm_up: Duration,
    pub duration: Duration,
}

/// What came of it: latencies count from when a saga was due.
pub struct Kept {
    pub rate: u32,
    pub counted: Counted,
    /// How long after it was due a saga began, in microseconds: what of the latency is not the host's, unless it is
    /// because all clients were waiting for the host.
    pub late: Histogram<u64>,
    /// Sagas that became due while it was measured.
    pub due_count: u64,
    /// Those of them that had not begun when the measuring ended.
    pub left_count: u64,
}

impl Kept {
    fn new(rate: u32) -> anyhow::Result<Self> {
        Ok(Self { rate, counted: Counted::new()?, late: load::histogram()?, due_count: 0, left_count: 0 })
    }

    /// Whether the sagas began as fast as they became due.
    pub fn is_kept(&self) -> bool {
        self.left_count as f64 <= (self.due_count as f64 * LEFT_MAX).max(1.0)
    }

    fn add(&mut self, part: Kept) -> anyhow::Result<()> {
        self.late.add(&part.late)?;
        self.left_count += part.left_count;
        self.counted.add(part.counted)
    }
}

impl Open {
    pub async fn run(self, clients: &impl Clients, progress: &Progress) -> anyhow::Result<Kept> {
        let ready = load::ready(clients, self.clients).await?;
        let schedule = Arc::new(Schedule::begin(self.rate, self.warm_up, self.duration)?);
        let mut loops = JoinSet::new();
        for client in ready {
            loops.spawn(run_client(client, schedule.clone()));
        }
        let mut kept = Kept::new(self.rate)?;
        let until = schedule.until();
        load::gather(loops, until, progress, |part| kept.add(part)).await?;
        kept.due_count = schedule.counted();
        // What nobody came for at all has not begun either.
        kept.left_count += kept.due_count - kept.late.len();
        kept.counted.took = self.duration;
        Ok(kept)
    }
}

async fn run_client(mut client: impl Client, schedule: Arc<Schedule>) -> anyhow::Result<Kept> {
    let mut kept = Kept::new(0)?;
    let give_up = schedule.until() + GRACE;
    while let Some(due) = schedule.next().await {
        let began = Instant::now();
        if began >= give_up {
            break;
        }
        let result = client.run_one().await;
        if !due.is_counted {
            continue;
        }
        kept.late.saturating_record(micros(began.saturating_duration_since(due.at)));
        kept.left_count += u64::from(began >= schedule.until());
        // A client that met an error takes the next saga that is due: the schedule is not the host's.
        let _ = kept.counted.count(result, due.at.elapsed());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    async fn run(rate: u32, clients: u32) -> Kept {
        let load = Open { rate, clients, warm_up: Duration::from_secs(1), duration: Duration::from_secs(1) };
        load.run(&Arc::new(AtomicU64::new(0)), &Progress::begin("test")).await.expect("a run")
    }

    #[tokio::test]
    async fn every_saga_that_is_due_while_it_is_measured_is_counted_once() {
        let kept = run(20, 100).await;
        assert_eq!(kept.due_count, 20);
        assert_eq!(kept.counted.saga_count + kept.counted.error_count, 20);
        assert!(kept.counted.error_count >= 2, "{} of 20 were refused", kept.counted.error_count);
        assert!(kept.is_kept(), "{} had not begun", kept.left_count);
        assert!(kept.counted.latencies.min() >= 95_000, "{}", kept.counted.latencies.min());
    }

    /// One client ends ten sagas a second. What waits for it is charged for the wait: those of the second were due
    /// while it still had those of the warming up before it.
    #[tokio::test]
    async fn waiting_for_a_client_is_part_of_the_latency_and_the_rate_is_not_kept() {
        let kept = run(20, 1).await;
        assert!(!kept.is_kept(), "{} of {} had not begun", kept.left_count, kept.due_count);
        assert!(kept.counted.latencies.max() >= 1_000_000, "{} µs", kept.counted.latencies.max());
        assert!(kept.late.max() >= 900_000, "{} µs", kept.late.max());
        assert!(kept.late.len() < kept.due_count, "what was given up is not called begun");
    }
}

//! The closed loop: so many clients, each starts a saga and waits for its end before it starts the next. It finds the
//! rate that the host can hold; its latencies say little, for a host that is slow is asked less.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::load::{self, Client, Clients, Counted};
use crate::progress::Progress;

/// How long a client waits after an error: a host that refuses is not helped by being asked again at once.
const PAUSE: Duration = Duration::from_millis(10);

/// How much load.
pub struct Closed {
    pub clients: u32,
    /// How long before it is measured.
    pub warm_up: Duration,
    pub duration: Duration,
}

impl Closed {
    pub async fn run(self, clients: &impl Clients, progress: &Progress) -> anyhow::Result<Counted> {
        let ready = load::ready(clients, self.clients).await?;
        let from = Instant::now() + self.warm_up;
        let until = from + self.duration;
        let mut loops = JoinSet::new();
        for client in ready {
            loops.spawn(run_client(client, from, until));
        }
        let mut counted = Counted::new()?;
        load::gather(loops, until, progress, |part| counted.add(part)).await?;
        counted.took = self.duration;
        Ok(counted)
    }
}

async fn run_client(mut client: impl Client, from: Instant, until: Instant) -> anyhow::Result<Counted> {
    let mut counted = Counted::new()?;
    loop {
        let began = Instant::now();
        if began >= until {
            return Ok(counted);
        }
        let result = client.run_one().await;
        let ended = Instant::now();
        if ended < from || ended > until {
            continue;
        }
        if counted.count(result, ended - began).is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn only_what_ends_while_it_is_measured_is_counted() {
        let calls = Arc::new(AtomicU64::new(0));
        let load = Closed { clients: 2, warm_up: Duration::from_secs(1), duration: Duration::from_secs(1) };
        let counted = load.run(&calls, &Progress::begin("test")).await.expect("a run");
        let total = counted.saga_count + counted.error_count;
        assert!(total > 0 && total < calls.load(Ordering::Relaxed), "{total} of {calls:?}");
        assert!(counted.error_count > 0);
        assert_eq!(counted.error.as_deref(), Some("busy"));
        assert_eq!(counted.latencies.len(), counted.saga_count);
        assert!(counted.latencies.min() >= 95_000, "{}", counted.latencies.min());
    }
}

//! The closed loop: so many clients, each starts a saga and waits for its end; counts and times only what began after
//! the warming up.

use std::future::Future;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use host_core::json::Json;
use tokio::task::JoinSet;

use super::Options;
use crate::progress::Progress;

/// Caches, pools and connections come to life in this time; what happens in it is not counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long one saga may take before it counts as an error.
pub const SAGA_TIMEOUT: Duration = Duration::from_secs(30);

/// A way to run one saga from its start to its end. Each client has one of its own.
pub trait Client: Send + 'static {
    /// True if it completed.
    fn run_one(&mut self) -> impl Future<Output = anyhow::Result<bool>> + Send;
}

/// Makes clients.
pub trait Clients {
    type Client: Client;

    /// `number` tells the clients apart, from 1.
    fn client(&self, number: u32) -> impl Future<Output = anyhow::Result<Self::Client>>;
}

/// The body of one client's starts: sagas of one account or item are often handled one after the other, and a load that
/// shares one would measure that.
pub fn of_client(body: &Json, number: u32) -> anyhow::Result<Json> {
    Ok(Json::try_from_text(&body.as_str().replace("{client}", &number.to_string()))?)
}

/// How much load.
pub struct Load {
    clients: u32,
    duration: Duration,
}

/// What came of it.
pub struct Counted {
    pub saga_count: u64,
    pub error_count: u64,
    pub took: Duration,
    /// Microseconds.
    pub latencies: Histogram<u64>,
    /// Of the first error, for the reader.
    pub error: Option<String>,
}

impl Load {
    pub fn of(options: &Options) -> Self {
        Self { clients: options.clients, duration: options.duration() }
    }

    pub async fn run(self, clients: impl Clients, progress: &Progress) -> anyhow::Result<Counted> {
        let mut ready = Vec::new();
        for number in 1..=self.clients {
            ready.push(clients.client(number).await?);
        }
        let from = Instant::now() + WARM_UP;
        let until = from + self.duration;
        let mut loops = JoinSet::new();
        for client in ready {
            loops.spawn(run_client(client, from, until));
        }
        let mut counted = Counted::new()?;
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                next = loops.join_next() => match next {
                    Some(part) => counted.add(part??)?,
                    None => break,
                },
                _ = seconds.tick() => {
                    let left = until.saturating_duration_since(Instant::now()).as_secs();
                    progress.at(format!("measuring with {} clients, {left} s to go", self.clients));
                }
            }
        }
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
        match result {
            Ok(true) => {
                counted.saga_count += 1;
                let micros = u64::try_from((ended - began).as_micros()).unwrap_or(u64::MAX);
                counted.latencies.saturating_record(micros.max(1));
            }
            Ok(false) => counted.fail("a saga did not complete".to_owned()),
            Err(error) => {
                counted.fail(format!("{error:#}"));
                // A host that refuses is not helped by being asked again at once.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

impl Counted {
    fn new() -> anyhow::Result<Self> {
        // One microsecond to two minutes, three digits.
        let latencies = Histogram::new_with_bounds(1, 120_000_000, 3)?;
        Ok(Self { saga_count: 0, error_count: 0, took: Duration::ZERO, latencies, error: None })
    }

    fn fail(&mut self, error: String) {
        self.error_count += 1;
        self.error.get_or_insert(error);
    }

    fn add(&mut self, other: Counted) -> anyhow::Result<()> {
        self.saga_count += other.saga_count;
        self.error_count += other.error_count;
        self.error = self.error.take().or(other.error);
        self.latencies.add(&other.latencies)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub struct Scripted(Arc<AtomicU64>);

    impl Client for Scripted {
        async fn run_one(&mut self) -> anyhow::Result<bool> {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            if number % 4 == 3 { Err(anyhow::anyhow!("busy")) } else { Ok(true) }
        }
    }

    impl Clients for Arc<AtomicU64> {
        type Client = Scripted;

        async fn client(&self, _number: u32) -> anyhow::Result<Scripted> {
            Ok(Scripted(self.clone()))
        }
    }

    #[tokio::test]
    async fn only_what_ends_while_it_is_measured_is_counted() {
        let calls = Arc::new(AtomicU64::new(0));
        let load = Load { clients: 2, duration: Duration::from_secs(1) };
        let counted = load.run(calls.clone(), &Progress::begin("test")).await.expect("a run");
        let total = counted.saga_count + counted.error_count;
        assert!(total > 0 && total < calls.load(Ordering::Relaxed), "{total} of {calls:?}");
        assert!(counted.error_count > 0);
        assert_eq!(counted.error.as_deref(), Some("busy"));
        assert_eq!(counted.latencies.len(), counted.saga_count);
        assert!(counted.latencies.min() >= 95_000, "{}", counted.latencies.min());
    }
}

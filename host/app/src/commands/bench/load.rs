//! What every load shares: a client that runs one saga, what is counted of many, and how long they are watched.

use std::future::Future;
use std::time::Duration;

use hdrhistogram::Histogram;
use host_core::json::Json;
use std::time::Instant;
use tokio::task::JoinSet;

use crate::progress::Progress;

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

impl Counted {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { saga_count: 0, error_count: 0, took: Duration::ZERO, latencies: histogram()?, error: None })
    }

    /// Count one saga that took so long. An error is handed back for the client to act on.
    pub fn count(&mut self, result: anyhow::Result<bool>, took: Duration) -> Result<(), Failed> {
        match result {
            Ok(true) => {
                self.saga_count += 1;
                self.latencies.saturating_record(micros(took));
                Ok(())
            }
            Ok(false) => {
                self.fail("a saga did not complete".to_owned());
                Ok(())
            }
            Err(error) => {
                self.fail(format!("{error:#}"));
                Err(Failed)
            }
        }
    }

    fn fail(&mut self, error: String) {
        self.error_count += 1;
        self.error.get_or_insert(error);
    }

    pub fn add(&mut self, other: Counted) -> anyhow::Result<()> {
        self.saga_count += other.saga_count;
        self.error_count += other.error_count;
        self.error = self.error.take().or(other.error);
        self.latencies.add(&other.latencies)?;
        Ok(())
    }

    pub fn per_second(&self) -> f64 {
        self.saga_count as f64 / self.took.as_secs_f64()
    }
}

/// The host did not take or did not answer a saga.
pub struct Failed;

/// One microsecond to two minutes, three digits.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 120_000_000, 3)?)
}

pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1)
}

/// Make so many clients.
pub async fn ready<C: Clients>(clients: &C, count: u32) -> anyhow::Result<Vec<C::Client>> {
    let mut ready = Vec::new();
    for number in 1..=count {
        ready.push(clients.client(number).await?);
    }
    Ok(ready)
}

/// Wait for every client to end, hand each one's part to `add`, and tell how long it will still take.
pub async fn gather<T: Send + 'static>(
    mut loops: JoinSet<anyhow::Result<T>>,
    until: Instant,
    progress: &Progress,
    mut add: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            next = loops.join_next() => match next {
                Some(part) => add(part??)?,
                None => return Ok(()),
            },
            _ = seconds.tick() => {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                progress.at(format!("measuring, {left} s to go"));
            }
        }
    }
}

#[cfg(test)]
pub mod scripted {
    //! A host that takes a tenth of a second for a saga and refuses every fourth.

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
}

//! The shared state in PostgreSQL: one schema, a pool of connections, one transaction a commit. Owns the trying again.
//! It must not know what a step is. Invariant: a connection on which anything failed, or on which a call was given up,
//! is closed and not used again, so the server takes back what was not committed.

mod address;
pub mod bare;
mod commit;
mod migrate;
mod pool;
mod reads;
mod retention;
mod statements;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, Lsn, MessageId};
use host_core::time::Timestamp;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;

use crate::shared::{self, Applied, Error, Remedy, SharedState, SharedUnit, limits};
pub use address::Options;
use address::Target;
use pool::{Pool, Session};

/// The key-values and outcomes of one schema.
pub struct PostgresState {
    pool: Pool,
    patience: Duration,
}

/// Something to do on a connection, again on another one if the first was lost.
trait Work: Sync {
    type Answer: Send;

    /// Ends the sentence "PostgreSQL failed while".
    const DOING: &'static str;

    fn run(&self, session: &Session) -> impl Future<Output = Result<Self::Answer, tokio_postgres::Error>> + Send;
}

impl PostgresState {
    /// Connect, and bring the schema to the version of this program. Several hosts may do so at once.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let target = Target::try_new(options)?;
        let mut patience = Patience::new(options.patience);
        while let Err(error) = migrate::migrate(&target).await {
            patience.pause(error).await?;
        }
        Ok(Self { pool: Pool::new(target, options.connections_max), patience: options.patience })
    }

    /// The server and the database, without the password.
    pub fn server(&self) -> &str {
        &self.pool.target().server
    }

    async fn patiently<W: Work>(&self, work: &W) -> Result<W::Answer, Error> {
        let mut patience = Patience::new(self.patience);
        loop {
            match self.once(work).await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.pause(error).await?,
            }
        }
    }

    async fn once<W: Work>(&self, work: &W) -> Result<W::Answer, Error> {
        let lease = self.pool.lease(W::DOING).await?;
        let target = self.pool.target();
        match timeout(target.answer_max(), work.run(lease.session())).await {
            Ok(Ok(answer)) => {
                lease.put_back();
                Ok(answer)
            }
            Ok(Err(error)) => Err(trouble::failed(&target.server, W::DOING, &error)),
            Err(_) => Err(trouble::silent(&target.server, W::DOING, target.answer_max())),
        }
    }
}

/// How long to try again.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, pause: limits::PAUSE_MIN }
    }

    /// Wait for the next try, or give the error back if it is none that time mends or if the time is over.
    async fn pause(&mut self, error: Error) -> Result<(), Error> {
        if error.remedy() != Remedy::Again || Instant::now() + self.pause > self.until {
            return Err(error);
        }
        tracing::warn!(%error, "the shared state did not answer and is asked again");
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(limits::PAUSE_MAX);
        Ok(())
    }
}

#[async_trait]
impl SharedState for PostgresState {
    async fn snapshot(&self) -> Result<Lsn, Error> {
        self.patiently(&reads::Point).await
    }

    async fn value(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, Error> {
        self.patiently(&reads::Value { bucket, key }).await
    }

    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, Error> {
        let keys = self.patiently(&reads::Keys { bucket, after, limit }).await?;
        let text = |key: Vec<u8>| String::from_utf8(key).map(Arc::from);
        let texts: Result<_, _> = keys.into_iter().map(text).collect();
        texts.map_err(|error| trouble::corrupt(&self.pool.target().server, "a key", &error))
    }

    async fn apply(&self, units: &[SharedUnit]) -> Result<Applied, Error> {
        shared::check(units)?;
        self.patiently(&commit::Apply { units }).await
    }

    async fn outcome(&self, message_id: &MessageId) -> Result<Option<Bytes>, Error> {
        self.patiently(&reads::Outcome { message_id: message_id.to_string() }).await
    }

    async fn published(&self, batches: &[Lsn]) -> Result<(), Error> {
        self.patiently(&retention::Published { batches }).await
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, Error> {
        self.patiently(&retention::Forget { before, limit }).await
    }
}

/// What a statement is given.
type Parameters<'a, const COUNT: usize> = [&'a (dyn ToSql + Sync); COUNT];

/// As PostgreSQL counts. A point that it cannot count to is behind all that it has.
fn bigint(lsn: Lsn) -> i64 {
    i64::try_from(lsn.0).unwrap_or(i64::MAX)
}

/// Back again; no table holds a negative one.
fn lsn(bigint: i64) -> Lsn {
    Lsn(u64::try_from(bigint).unwrap_or_default())
}

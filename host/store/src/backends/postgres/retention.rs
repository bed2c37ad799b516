//! What is no longer needed: outcomes that were published, and the traces of removed keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use host_core::id::Lsn;
use host_core::time::Timestamp;
use tokio_postgres::Error;

use super::{Parameters, Session, Work, bigint};
use crate::shared::limits;

pub(super) struct Published<'a> {
    pub batches: &'a [Lsn],
}

impl Work for Published<'_> {
    type Answer = ();
    const DOING: &'static str = "noting what was published";

    /// Without waiting for the disk: if it is lost, outcomes are kept for longer.
    async fn run(&self, session: &Session) -> Result<(), Error> {
        let batches: Vec<i64> = self.batches.iter().copied().map(bigint).collect();
        let parameters: Parameters<'_, 1> = [&batches];
        tokio::try_join!(
            biased;
            session.client.batch_execute("BEGIN; SET LOCAL synchronous_commit TO off"),
            session.client.execute(&session.statements.published, &parameters),
            session.client.batch_execute("COMMIT"),
        )?;
        Ok(())
    }
}

pub(super) struct Forget {
    pub before: Timestamp,
    pub limit: usize,
}

impl Work for Forget {
    type Answer = usize;
    const DOING: &'static str = "forgetting what is old";

    /// In the turn of a commit, so that no commit looks at a key whose trace is half gone.
    async fn run(&self, session: &Session) -> Result<usize, Error> {
        let (client, statements) = (&session.client, &session.statements);
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let before = UNIX_EPOCH + Duration::from_millis(self.before.as_ms());
        let unpublished_before: SystemTime = before.checked_sub(limits::UNPUBLISHED_AGE_MAX).unwrap_or(UNIX_EPOCH);
        let until: Parameters<'_, 1> = [&before];
        let old: Parameters<'_, 3> = [&before, &unpublished_before, &limit];
        let ((), _, outcome_count, last) = tokio::try_join!(
            biased;
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
            client.query_one(&statements.turn, &[]),
            client.execute(&statements.forget_outcomes, &old),
            client.query_one(&statements.last_before, &until),
        )?;
        let last: i64 = last.try_get(0)?;
        let gone = client.query_one(&statements.forget_removed, &[&last, &limit]).await?;
        let (key_count, floor): (i64, i64) = (gone.try_get(0)?, gone.try_get(1)?);
        let floor: Parameters<'_, 1> = [&floor];
        tokio::try_join!(
            biased;
            client.execute(&statements.raise_floor, &floor),
            client.execute(&statements.forget_batches, &old),
            client.batch_execute("COMMIT"),
        )?;
        Ok(usize::try_from(outcome_count).unwrap_or(usize::MAX) + usize::try_from(key_count).unwrap_or_default())
    }
}

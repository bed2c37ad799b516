//! One `apply`: one transaction, two round trips.
//!
//! Why two hosts never both overwrite what both read. The first statement locks the one row of `turn`, and PostgreSQL
//! gives a lock free only when the transaction that held it is visible to everyone. So the transactions of all hosts
//! happen one after the other, and at READ COMMITTED every statement behind the first sees all that were before: the
//! number of the last batch, the place of the last write of each key, the outcomes. The numbers are drawn in that order
//! and a transaction that ends without a commit leaves none behind, so a snapshot, which is the newest number that is
//! visible, has everything up to it visible too. A unit is taken only if none of its reads was written after its
//! snapshot; then what it read, whenever that was, is what stands there now, and it may as well have run at this
//! moment.

use host_core::id::{BucketName, Lsn};
use tokio_postgres::Error;

use super::{Parameters, Session, Work, bigint, lsn};
use crate::Conflict;
use crate::shared::{Admitted, Applied, Known, SharedUnit, admit};

pub(super) struct Apply<'a> {
    pub units: &'a [SharedUnit],
}

impl Work for Apply<'_> {
    type Answer = Applied;
    const DOING: &'static str = "committing key-values and outcomes";

    async fn run(&self, session: &Session) -> Result<Applied, Error> {
        let questions = Questions::of(self.units);
        let known = questions.ask(session).await?;
        let batch = Lsn(known.last.0 + 1);
        let admitted = admit(self.units, known);
        if admitted.is_empty() {
            session.client.batch_execute("ROLLBACK").await?;
            return Ok(Applied { batch: None, units: admitted.units });
        }
        Writes::of(&admitted, bigint(batch)).commit(session).await?;
        Ok(Applied { batch: Some(batch), units: admitted.units })
    }
}

/// What has to be known before anything is written.
pub(super) struct Questions<'a> {
    message_ids: Vec<String>,
    read_buckets: Vec<&'a str>,
    read_keys: Vec<&'a [u8]>,
    read_snapshots: Vec<i64>,
    /// For each read: its unit, and what is told if it was overwritten.
    reads: Vec<(usize, &'a BucketName, &'a str)>,
    listed_buckets: Vec<&'a str>,
    listed_snapshots: Vec<i64>,
    /// For each listed bucket.
    listed: Vec<(usize, &'a BucketName, &'a str)>,
}

impl<'a> Questions<'a> {
    pub(super) fn of(units: &'a [SharedUnit]) -> Self {
        let mut reads = Vec::new();
        let mut listed = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            let txn = &unit.key_values;
            reads.extend(txn.reads.iter().map(|(bucket, key)| (index, bucket, &**key)));
            listed.extend(txn.listed.iter().map(|bucket| (index, bucket, "*")));
        }
        let snapshot = |(index, _, _): &(usize, &BucketName, &str)| bigint(units[*index].key_values.snapshot);
        Self {
            message_ids: units.iter().map(|unit| unit.message_id.to_string()).collect(),
            read_buckets: reads.iter().map(|(_, bucket, _)| bucket.as_str()).collect(),
            read_keys: reads.iter().map(|(_, _, key)| key.as_bytes()).collect(),
            read_snapshots: reads.iter().map(snapshot).collect(),
            reads,
            listed_buckets: listed.iter().map(|(_, bucket, _)| bucket.as_str()).collect(),
            listed_snapshots: listed.iter().map(snapshot).collect(),
            listed,
        }
    }

    /// Begin the transaction, wait for the turn, and ask everything else behind it, in one round trip: the server works
    /// on the statements in this order, and each sees what was committed before it began.
    pub(super) async fn ask(&self, session: &Session) -> Result<Known, Error> {
        let (client, statements) = (&session.client, &session.statements);
        let outcomes: Parameters<'_, 1> = [&self.message_ids];
        let overwritten: Parameters<'_, 3> = [&self.read_buckets, &self.read_keys, &self.read_snapshots];
        let changed: Parameters<'_, 2> = [&self.listed_buckets, &self.listed_snapshots];
        let ((), _, last, outcomes, overwritten, changed) = tokio::try_join!(
            biased;
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
            client.query_one(&statements.turn, &[]),
            client.query_one(&statements.last, &[]),
            client.query(&statements.outcomes, &outcomes),
            async {
                if self.reads.is_empty() { return Ok(Vec::new()) }
                client.query(&statements.overwritten, &overwritten).await
            },
            async {
                if self.listed.is_empty() { return Ok(Vec::new()) }
                client.query(&statements.changed, &changed).await
            },
        )?;
        let mut known = Known { last: lsn(last.try_get(0)?), ..Known::default() };
        for row in outcomes {
            let outcome: Vec<u8> = row.try_get(1)?;
            known.outcomes.insert(row.try_get(0)?, outcome.into());
        }
        for (rows, asked) in [(overwritten, &self.reads), (changed, &self.listed)] {
            for row in rows {
                let place: i64 = row.try_get(0)?;
                let (unit, bucket, key) = asked[usize::try_from(place - 1).expect("the server counts from one")];
                let conflict = Conflict { bucket: bucket.clone(), key: key.to_owned() };
                known.overwritten.entry(unit).or_insert(conflict);
            }
        }
        Ok(known)
    }
}

/// What a batch writes, column by column.
pub(super) struct Writes<'a> {
    batch: i64,
    buckets: Vec<&'a str>,
    keys: Vec<&'a [u8]>,
    values: Vec<Option<&'a [u8]>>,
    removed_buckets: Vec<&'a str>,
    removed_keys: Vec<&'a [u8]>,
    changed: Vec<&'a str>,
    message_ids: Vec<&'a str>,
    outcomes: Vec<&'a [u8]>,
}

impl<'a> Writes<'a> {
    pub(super) fn of(admitted: &'a Admitted<'a>, batch: i64) -> Self {
        let writes = &admitted.writes;
        let removed = || writes.iter().filter(|(_, value)| value.is_none());
        let mut changed: Vec<&str> = writes.keys().map(|(bucket, _)| *bucket).collect();
        // The writes are in the order of their buckets.
        changed.dedup();
        Self {
            batch,
            buckets: writes.keys().map(|(bucket, _)| *bucket).collect(),
            keys: writes.keys().map(|(_, key)| key.as_bytes()).collect(),
            values: writes.values().map(|value| value.map(|bytes| &**bytes)).collect(),
            removed_buckets: removed().map(|((bucket, _), _)| *bucket).collect(),
            removed_keys: removed().map(|((_, key), _)| key.as_bytes()).collect(),
            changed,
            message_ids: admitted.outcomes.iter().map(|(message_id, _)| &**message_id).collect(),
            outcomes: admitted.outcomes.iter().map(|(_, outcome)| &***outcome).collect(),
        }
    }

    /// Write and commit in one round trip. If a statement fails the server makes a rollback of the commit behind it,
    /// and the error that is returned is the statement's.
    pub(super) async fn commit(&self, session: &Session) -> Result<(), Error> {
        let (client, statements) = (&session.client, &session.statements);
        let batch: Parameters<'_, 1> = [&self.batch];
        let values: Parameters<'_, 4> = [&self.buckets, &self.keys, &self.values, &self.batch];
        let removed: Parameters<'_, 3> = [&self.removed_buckets, &self.removed_keys, &self.batch];
        let buckets: Parameters<'_, 2> = [&self.changed, &self.batch];
        let outcomes: Parameters<'_, 3> = [&self.message_ids, &self.outcomes, &self.batch];
        tokio::try_join!(
            biased;
            client.execute(&statements.write_batch, &batch),
            async {
                if self.keys.is_empty() { return Ok(0) }
                client.execute(&statements.write_values, &values).await
            },
            async {
                if self.removed_keys.is_empty() { return Ok(0) }
                client.execute(&statements.write_removed, &removed).await
            },
            async {
                if self.changed.is_empty() { return Ok(0) }
                client.execute(&statements.write_buckets, &buckets).await
            },
            async {
                if self.message_ids.is_empty() { return Ok(0) }
                client.execute(&statements.write_outcomes, &outcomes).await
            },
            client.batch_execute("COMMIT"),
        )?;
        Ok(())
    }
}

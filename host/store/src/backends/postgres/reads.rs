//! What is read, each in one statement: the point to begin at, values, keys, outcomes.

use bytes::Bytes;
use host_core::id::{BucketName, Lsn};
use tokio_postgres::Error;

use super::{Parameters, Session, Work, lsn};

pub(super) struct Point;

impl Work for Point {
    type Answer = Lsn;
    const DOING: &'static str = "reading how far the commits are";

    async fn run(&self, session: &Session) -> Result<Lsn, Error> {
        let row = session.client.query_one(&session.statements.last, &[]).await?;
        row.try_get(0).map(lsn)
    }
}

pub(super) struct Value<'a> {
    pub bucket: &'a BucketName,
    pub key: &'a str,
}

impl Work for Value<'_> {
    type Answer = Option<Bytes>;
    const DOING: &'static str = "reading a key-value";

    async fn run(&self, session: &Session) -> Result<Option<Bytes>, Error> {
        let parameters: Parameters<'_, 2> = [&self.bucket.as_str(), &self.key.as_bytes()];
        let row = session.client.query_opt(&session.statements.value, &parameters).await?;
        let Some(row) = row else { return Ok(None) };
        let value: Option<Vec<u8>> = row.try_get(0)?;
        Ok(value.map(Bytes::from))
    }
}

pub(super) struct Keys<'a> {
    pub bucket: &'a BucketName,
    pub after: Option<&'a str>,
    pub limit: usize,
}

impl Work for Keys<'_> {
    type Answer = Vec<Vec<u8>>;
    const DOING: &'static str = "listing keys";

    async fn run(&self, session: &Session) -> Result<Vec<Vec<u8>>, Error> {
        let statement = match self.after {
            Some(_) => &session.statements.keys_after,
            None => &session.statements.keys,
        };
        let (from, limit) = (self.after.unwrap_or_default().as_bytes(), i64::try_from(self.limit).unwrap_or(i64::MAX));
        let rows = session.client.query(statement, &[&self.bucket.as_str(), &from, &limit]).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}

pub(super) struct Outcome {
    pub message_id: String,
}

impl Work for Outcome {
    type Answer = Option<Bytes>;
    const DOING: &'static str = "reading an outcome";

    async fn run(&self, session: &Session) -> Result<Option<Bytes>, Error> {
        let row = session.client.query_opt(&session.statements.outcome, &[&self.message_id]).await?;
        let Some(row) = row else { return Ok(None) };
        let outcome: Vec<u8> = row.try_get(0)?;
        Ok(Some(Bytes::from(outcome)))
    }
}

//! The port through which the embedded broker and the embedded store share one database: ordered byte tables and a
//! batch that is applied whole. The port is data and one trait; who implements it owns the disk.

use bytes::Bytes;

/// The tables of an installation. Each has one owner, named here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Store: journal records by (global-id, lsn).
    Journal,
    /// Store: which sagas each batch touched, by lsn; consumed by the projection.
    Feed,
    /// Store: key-value of the steps by (bucket, key).
    KeyValue,
    /// Store: parked messages by (wait key, message-id), and their order by (wait key, since, message-id).
    Parked,
    /// Store: time-outs of parked messages by (due, wait key, message-id).
    ParkedDue,
    /// Store: remembered signals by wait key.
    Signals,
    /// Store: operators' acts that were not met yet, by global-id.
    Marks,
    /// Store: projection, one summary a saga by (start backwards, global-id): newest first.
    Summaries,
    /// Store: projection, indexes over the summaries.
    Index,
    /// Store: format version, last lsn, watermark of the projection, counts.
    Meta,
    /// Broker: topics by name.
    Topics,
    /// Broker: messages by (topic, offset).
    Messages,
    /// Broker: messages that are not due yet, by (due, topic, offset).
    Delayed,
    /// Broker: positions of consumers by (group, topic).
    Positions,
}

impl Table {
    pub const ALL: [Table; 14] = [
        Table::Journal,
        Table::Feed,
        Table::KeyValue,
        Table::Parked,
        Table::ParkedDue,
        Table::Signals,
        Table::Marks,
        Table::Summaries,
        Table::Index,
        Table::Meta,
        Table::Topics,
        Table::Messages,
        Table::Delayed,
        Table::Positions,
    ];

    /// The table of this name.
    pub fn named(name: &str) -> Option<Table> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }

    /// Name of the table in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Table::Journal => "journal",
            Table::Feed => "feed",
            Table::KeyValue => "key-value",
            Table::Parked => "parked",
            Table::ParkedDue => "parked-due",
            Table::Signals => "signals",
            Table::Marks => "marks",
            Table::Summaries => "summaries",
            Table::Index => "index",
            Table::Meta => "meta",
            Table::Topics => "topics",
            Table::Messages => "messages",
            Table::Delayed => "delayed",
            Table::Positions => "positions",
        }
    }
}

/// One change. A value of none removes the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub table: Table,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// Changes that become visible and durable together, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub writes: Vec<Write>,
}

impl Batch {
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.push(Write { table, key: key.into(), value: Some(value.into()) });
    }

    pub fn remove(&mut self, table: Table, key: impl Into<Bytes>) {
        self.writes.push(Write { table, key: key.into(), value: None });
    }
}

/// Why the database refused. After `Failed` every later write is refused too: what is on disk is no longer known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "the database failed while {doing}: {cause}; the host takes no more work, restart it when the disk is well"
    )]
    Failed { doing: &'static str, cause: String },
    #[error("the database holds something unreadable in table {table}: {cause}")]
    Corrupt { table: &'static str, cause: String },
}

/// Ordered tables. Blocking, and fast: a read is memory or one block of disk. Callers keep off the async threads for
/// `write`, which waits for the disk.
pub trait Tables: Send + Sync + 'static {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Keys from `from` (inclusive) up to `to` (exclusive; none: the table's end) in byte order, at most `limit` of
    /// them.
    fn scan(&self, table: Table, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error>;

    /// The same range from its end backwards.
    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error>;

    /// Apply the whole batch. When this returns it is visible; with `Durability::Synced` it also survives a crash.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error>;

    /// Bytes on disk, for retention and doctor.
    fn disk_bytes(&self) -> u64;
}

/// What a write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Visible; a crash may lose it, together with everything written after it and nothing before it.
    Visible,
    /// On disk.
    Synced,
}

/// The smallest key after every key with this prefix; none if the prefix is all 0xff.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

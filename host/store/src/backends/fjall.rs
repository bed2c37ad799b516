//! Tables over fjall: one database, one keyspace a table, one write-ahead log. Owns the folder and its lock.
//! It must not know what the rows mean. Invariant: after a failed write no later one is applied.

mod merging;
mod tuning;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;
use fjall::{Database, DatabaseBuilder, Guard, Keyspace, OwnedWriteBatch, PersistMode, Readable};
use host_core::table::{Batch, Durability, Error, Table, Tables};

/// What fjall takes as a key; it would panic on another.
const KEY_BYTES: RangeInclusive<usize> = 1..=u16::MAX as usize;

/// The tables of a data folder.
pub struct FjallTables {
    database: Database,
    /// By `Table as usize`.
    keyspaces: Vec<Keyspace>,
    folder: PathBuf,
    /// The failure after which nothing is written any more.
    failed: OnceLock<Error>,
}

impl FjallTables {
    /// Open the database in `folder`, which is made if it does not exist. One process at a time: the folder is locked
    /// until the last handle is dropped or the process ends, however it ends.
    pub fn open(folder: &Path) -> Result<Self, crate::Error> {
        Self::open_with(folder, tuning::database(folder))
    }

    /// The same, and call `on_merge` for every row that a merge of tables reads, from the thread that merges. Slows
    /// every merge down: for tests that must reach the middle of one.
    pub fn open_watched(folder: &Path, on_merge: impl Fn() + Send + Sync + 'static) -> Result<Self, crate::Error> {
        let database = tuning::database(folder).with_compaction_filter_factories(merging::watched(on_merge));
        Self::open_with(folder, database)
    }

    fn open_with(folder: &Path, database: DatabaseBuilder<Database>) -> Result<Self, crate::Error> {
        let refused = |error| refused(folder, error);
        let database = database.open().map_err(refused)?;
        let keyspaces = Table::ALL
            .into_iter()
            .map(|table| database.keyspace(table.as_str(), || tuning::keyspace(table)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(refused)?;
        let tables = Self { database, keyspaces, folder: folder.to_owned(), failed: OnceLock::new() };
        crate::embedded::format::check(&tables)?;
        Ok(tables)
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }

    /// From now on nothing is written: a batch that is missing may be what a later one builds upon.
    fn fail(&self, error: Error) -> Error {
        tracing::error!(error = %error, "the database failed");
        self.failed.get_or_init(|| error).clone()
    }

    fn refuse_after_failure(&self) -> Result<(), Error> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl Tables for FjallTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.keyspace(table).get(key).map_err(|error| unreadable(table, error))?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, table: Table, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let snapshot = self.database.snapshot();
        let keyspace = self.keyspace(table);
        let rows = match to {
            Some(to) if to <= from => return Ok(Vec::new()),
            Some(to) => snapshot.range(keyspace, from..to),
            None => snapshot.range(keyspace, from..),
        };
        rows.take(limit).map(|row| pair(table, row)).collect()
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let snapshot = self.database.snapshot();
        let keyspace = self.keyspace(table);
        let rows = match to {
            Some(to) if to <= from => return Ok(Vec::new()),
            Some(to) => snapshot.range(keyspace, from..to),
            None => snapshot.range(keyspace, from..),
        };
        rows.rev().take(limit).map(|row| pair(table, row)).collect()
    }

    /// The log takes the batch and, if asked, is synced before the batch becomes visible: a batch whose sync fails is
    /// seen by nobody.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error> {
        self.refuse_after_failure()?;
        let (mode, doing) = match durability {
            Durability::Visible => (PersistMode::Buffer, "writing a batch"),
            Durability::Synced => (PersistMode::SyncData, "writing and syncing a batch"),
        };
        if let Some(write) = batch.writes.iter().find(|write| !KEY_BYTES.contains(&write.key.len())) {
            let cause = format!("a key of table {} has {} bytes", write.table.as_str(), write.key.len());
            return Err(self.fail(Error::Failed { doing, cause }));
        }
        let mut owned =
            OwnedWriteBatch::with_capacity(self.database.clone(), batch.writes.len()).durability(Some(mode));
        for write in batch.writes {
            let keyspace = self.keyspace(write.table);
            match write.value {
                Some(value) => owned.insert(keyspace, write.key, value),
                None => owned.remove(keyspace, write.key),
            }
        }
        owned.commit().map_err(|error| self.fail(Error::Failed { doing, cause: error.to_string() }))
    }

    fn disk_bytes(&self) -> u64 {
        self.keyspaces.iter().map(Keyspace::disk_space).sum::<u64>() + log_bytes(&self.folder)
    }
}

fn pair(table: Table, row: Guard) -> Result<(Bytes, Bytes), Error> {
    let (key, value) = row.into_inner().map_err(|error| unreadable(table, error))?;
    Ok((key.into(), value.into()))
}

/// A read that failed says nothing about what was written: it does not poison.
fn unreadable(table: Table, error: fjall::Error) -> Error {
    match error {
        fjall::Error::Io(error) => Error::Failed { doing: "reading", cause: error.to_string() },
        error => Error::Corrupt { table: table.as_str(), cause: error.to_string() },
    }
}

fn refused(folder: &Path, error: fjall::Error) -> crate::Error {
    let cure = match &error {
        fjall::Error::Locked => return crate::Error::InUse { folder: folder.to_owned() },
        fjall::Error::InvalidVersion(_) => "run the version of saga that wrote it",
        fjall::Error::Io(_) => "check that the folder exists, is writable, and its disk is not full",
        _ => "bring the folder back from a backup, or move it away to start empty",
    };
    crate::Error::Open { folder: folder.to_owned(), cause: error.to_string(), cure }
}

/// What the log files really take: fjall reserves a log's full length without writing it.
#[cfg(unix)]
fn log_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    /// `st_blocks` counts these, whatever the file system's own block is.
    const BLOCK_BYTES: u64 = 512;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jnl"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.blocks() * BLOCK_BYTES)
        .sum()
}

#[cfg(not(unix))]
fn log_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jnl"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

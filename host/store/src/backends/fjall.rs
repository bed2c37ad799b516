//! Tables over fjall: one database, one keyspace a table, one write-ahead log. Owns the folder and its lock.
//! It must not know what the rows mean. Invariant: after a failed write no later one is applied.

mod durable;
mod files;
mod keeper;
mod log;
mod merging;
mod salvage;
mod survey;
mod tuning;

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;
use fjall::{Database, DatabaseBuilder, Guard, Keyspace, OwnedWriteBatch, PersistMode, Readable};
use host_core::table::{Batch, Durability, Error, Table, Tables};
use parking_lot::Mutex;

use crate::error::Damage;
use durable::{Bound, DurableFile};
use keeper::{Keeper, Kept};
use log::{MARK_KEY, Mark};

/// What fjall takes as a key; it would panic on another.
const KEY_BYTES: RangeInclusive<usize> = 1..=u16::MAX as usize;

pub use salvage::{Loss, accept_loss};

/// fjall's lock file.
const LOCK: &str = "lock";
/// The keyspace of the marks: not a table of the port, since nobody but this file writes it.
const MARKS: &str = "batches";

/// The tables of a data folder.
pub struct FjallTables {
    /// Knows the keyspaces by their places, the marks after all tables. Ends before the database does.
    keeper: Keeper,
    database: Database,
    /// By `Table as usize`.
    keyspaces: Vec<Keyspace>,
    /// Holds the mark of the last batch.
    marks: Keyspace,
    /// Guards the numbering of batches: the log holds them in this order.
    last: Mutex<Mark>,
    durable: DurableFile,
    folder: PathBuf,
    /// The failure after which nothing is written any more.
    failed: OnceLock<Error>,
    /// What is wrong with the table files, in words, once a read has met it.
    damaged: OnceLock<String>,
}

impl FjallTables {
    /// Open the database in `folder`, which is made if it does not exist. One process at a time: the folder is locked
    /// until the last handle is dropped or the process ends, however it ends. A folder whose log lost something that
    /// was acknowledged is refused and left as it is.
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
        let bound = look_over(folder)?;
        let database = tuning::giving_way(|| database.open()).map_err(refused)?;
        let keyspaces = Table::ALL
            .into_iter()
            .map(|table| database.keyspace(table.as_str(), || tuning::keyspace(table)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(refused)?;
        let marks = database.keyspace(MARKS, tuning::marks).map_err(refused)?;
        let last = last_mark(&marks).map_err(refused)?;
        let number = last.map_or(0, |mark| mark.number);
        if let Bound::UpTo(bound) = bound
            && number < bound
        {
            let damage = Damage { file: folder.to_owned(), at: 0, what: survey::missing(number, bound) };
            return Err(crate::Error::Damaged(damage));
        }
        let durable = DurableFile::create(folder, number).map_err(|error| refused(error.into()))?;
        let keeper = keeper(&keyspaces, &marks).map_err(|error| refused(error.into()))?;
        let tables = Self {
            keeper,
            database,
            keyspaces,
            marks,
            last: Mutex::new(Mark { number, synced: number, seqno: 0 }),
            durable,
            folder: folder.to_owned(),
            failed: OnceLock::new(),
            damaged: OnceLock::new(),
        };
        crate::embedded::format::check(&tables)?;
        Ok(tables)
    }

    /// Write a table's rows out of memory and the log into a file of their own, as a long run does by itself.
    pub fn flush(&self, table: Table) -> Result<(), Error> {
        let flushed = self.keyspace(table).rotate_memtable_and_wait();
        flushed.map_err(|error| self.fail(failure(&self.folder, "writing a table", &error)))
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }

    /// From now on nothing is written: a batch that is missing may be what a later one builds upon.
    fn fail(&self, error: Error) -> Error {
        tracing::error!(error = %error, "the database failed");
        self.failed.get_or_init(|| error).clone()
    }

    fn pair(&self, table: Table, row: Guard) -> Result<(Bytes, Bytes), Error> {
        let (key, value) = row.into_inner().map_err(|error| self.unreadable(table, error))?;
        Ok((key.into(), value.into()))
    }

    /// A read that failed says nothing about what was written: it does not poison. The files are searched for the
    /// damage once: what is damaged later is damage all the same, and a search reads every table.
    fn unreadable(&self, table: Table, error: fjall::Error) -> Error {
        if let fjall::Error::Io(error) = error {
            return Error::Failed { doing: "reading", cause: error.to_string() };
        }
        let damaged = self.damaged.get_or_init(|| {
            let damaged = named(&files::damaged_tables(&self.folder));
            tracing::error!(%error, table = table.as_str(), damaged, "a table cannot be read");
            damaged
        });
        Error::Corrupt { table: table.as_str(), cause: format!("{damaged}; bring the data folder back from a copy") }
    }

    fn refuse_after_failure(&self) -> Result<(), Error> {
        if let Some(error) = self.keeper.failure() {
            return Err(self.fail(failure(&self.folder, "taking a table out of memory", error)));
        }
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl Tables for FjallTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.keyspace(table).get(key).map_err(|error| self.unreadable(table, error))?;
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
        rows.take(limit).map(|row| self.pair(table, row)).collect()
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
        rows.rev().take(limit).map(|row| self.pair(table, row)).collect()
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
        let mut last = self.last.lock();
        let mark = Mark { number: last.number + 1, synced: last.synced, seqno: self.database.seqno() };
        let mut owned =
            OwnedWriteBatch::with_capacity(self.database.clone(), batch.writes.len() + 1).durability(Some(mode));
        owned.insert(&self.marks, MARK_KEY, mark.to_bytes());
        let mut touched = [false; Table::ALL.len()];
        for write in batch.writes {
            touched[write.table as usize] = true;
            let keyspace = self.keyspace(write.table);
            match write.value {
                Some(value) => owned.insert(keyspace, write.key, value),
                None => owned.remove(keyspace, write.key),
            }
        }
        owned.commit().map_err(|error| self.fail(failure(&self.folder, doing, &error)))?;
        last.number = mark.number;
        if durability == Durability::Synced {
            last.synced = mark.number;
            self.durable.advance(mark.number);
        }
        let touched = touched.iter().enumerate().filter_map(|(place, touched)| touched.then_some(place));
        self.keeper.look_at(touched.chain([Table::ALL.len()]));
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.keyspaces.iter().map(Keyspace::disk_space).sum::<u64>() + log_bytes(&self.folder)
    }
}

impl Drop for FjallTables {
    /// A host that ends in order leaves everything synced, and says so.
    fn drop(&mut self) {
        if self.failed.get().is_some() {
            return;
        }
        let number = self.last.lock().number;
        let synced = self
            .database
            .persist(PersistMode::SyncAll)
            .map_err(|error| failure(&self.folder, "syncing the log", &error));
        match synced.map(|()| self.durable.finish(number)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what is durable cannot be noted"),
            Err(error) => tracing::error!(%error, "the log could not be synced at the end"),
        }
    }
}

/// See that the log is whole, cut off what a crash tore, and answer what an earlier host left as its bound.
fn look_over(folder: &Path) -> Result<Bound, crate::Error> {
    let refused = |error: io::Error| refused(folder, error.into());
    let Some(_lock) = lock(folder)? else { return Ok(Bound::Absent) };
    let bound = durable::read(folder).map_err(refused)?;
    if bound == Bound::Unreadable {
        let file = folder.join(durable::FILE);
        tracing::warn!(file = %file.display(), "cannot be read; a log that lost its end would go unnoticed at this start");
    }
    let damaged = files::damaged_ends(folder);
    if !damaged.is_empty() {
        let cure = "bring the folder back from a copy, or move it away to start empty";
        return Err(crate::Error::Open { folder: folder.to_owned(), cause: named(&damaged), cure });
    }
    let survey = survey::survey(folder, bound).map_err(refused)?;
    let survey = survey.map_err(|broken| crate::Error::Damaged(broken.damage))?;
    if let Some(torn) = survey.torn {
        torn.cut().map_err(refused)?;
    }
    Ok(bound)
}

/// The lock that fjall takes as well. None if there is no database yet.
fn lock(folder: &Path) -> Result<Option<File>, crate::Error> {
    let file = match File::options().read(true).write(true).open(folder.join(LOCK)) {
        Ok(file) => file,
        // What is wrong with the folder, if anything, fjall says better.
        Err(_) => return Ok(None),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(crate::Error::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(refused(folder, error.into())),
    }
}

fn keeper(tables: &[Keyspace], marks: &Keyspace) -> io::Result<Keeper> {
    let bounds = Table::ALL.into_iter().map(tuning::memtable_bytes).chain([tuning::memtable_bytes(Table::Meta)]);
    let keyspaces = tables.iter().chain([marks]).cloned();
    Keeper::start(keyspaces.zip(bounds).map(|(keyspace, memtable_bytes)| Kept { keyspace, memtable_bytes }))
}

fn last_mark(marks: &Keyspace) -> Result<Option<Mark>, fjall::Error> {
    Ok(marks.get(MARK_KEY)?.and_then(|bytes| Mark::parse(&bytes)))
}

/// What a write that failed means, in words that name no path: callers of the API read them.
fn failure(folder: &Path, doing: &'static str, error: &fjall::Error) -> Error {
    let cause = match error {
        fjall::Error::Io(error) => disk_words(error),
        // fjall keeps to itself why a flush or merge failed.
        fjall::Error::Poisoned => match probe(folder) {
            Err(error) => format!("tables could not be written out before: {}", disk_words(&error)),
            Ok(()) => "tables could not be written out before, though the disk takes writes now".to_owned(),
        },
        error => error.to_string(),
    };
    Error::Failed { doing, cause }
}

fn disk_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => format!("the disk is full, make room on it ({error})"),
        io::ErrorKind::QuotaExceeded => format!("the quota of the host's user is used up, raise it ({error})"),
        io::ErrorKind::FileTooLarge => format!("a file may not grow as large, raise the host's limit ({error})"),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("the file system became read-only, the system's log says why ({error})")
        }
        _ => format!("the disk refused it, the system's log says why ({error})"),
    }
}

/// Whether the disk takes a write now.
fn probe(folder: &Path) -> io::Result<()> {
    const PROBE_BYTES: usize = 1 << 20;
    let path = folder.join("probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0x5a; PROBE_BYTES])?;
        file.sync_all()
    });
    // Left behind it does no harm, and the next probe overwrites it.
    let _ = std::fs::remove_file(&path);
    written
}

/// The damaged files in words, with the cure.
fn named(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    match names.as_slice() {
        [] => "a table is missing, or the disk or the memory misread one".to_owned(),
        [one] => format!("the file {one} is not as it was written"),
        more => format!("these files are not as they were written: {}", more.join(", ")),
    }
}

fn refused(folder: &Path, error: fjall::Error) -> crate::Error {
    let (cause, cure) = match &error {
        fjall::Error::Locked => return crate::Error::InUse { folder: folder.to_owned() },
        fjall::Error::InvalidVersion(_) => (error.to_string(), "run the version of saga that wrote it"),
        fjall::Error::Io(error) => {
            (error.to_string(), "check that the folder exists, is writable, and its disk is not full")
        }
        _ => (
            format!("{} ({error})", named(&files::damaged_tables(folder))),
            "bring the folder back from a copy, or move it away to start empty",
        ),
    };
    crate::Error::Open { folder: folder.to_owned(), cause, cure }
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

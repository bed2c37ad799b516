//! Every number given to fjall, with its reason. Memory is what they spend: an idle host is meant to stay small, and a
//! loaded one bounded.

use std::path::Path;

use fjall::{Database, DatabaseBuilder, KeyspaceCreateOptions};
use host_core::table::Table;

const MIB: u64 = 1 << 20;

/// Blocks of all tables that are kept in memory. Work in flight is in the memtables and the store's overlay, so the
/// cache serves lists, `show` of old sagas and seldom-read key-values; it fills only as they are read.
const BLOCK_CACHE_BYTES: u64 = 8 * MIB;

/// All write-ahead logs together. A log is sealed at 64 MiB; past this sum the tables that hold the oldest log back are
/// flushed. It bounds the replay after a crash to a second or two, and leaves a small table time to fill its memtable.
const LOG_BYTES_MAX: u64 = 256 * MIB;

/// Threads for flushes and compactions. One: with more, fjall's first thread leaves the compactions to the others and,
/// while one waits in the queue, hands it round in a circle as fast as it can (measured: a tenth of the processor time
/// of a loaded host). A flush may wait behind a compaction; four memtables of a table may wait for it before the writer
/// is held.
const WORKER_COUNT: usize = 1;

/// The thread of the database gives way to the host: it merges for a second at a time, and a commit that waits for a
/// processor meanwhile holds up every saga (measured at half the peak: p99 57 ms, and 21 with this).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Open table files that are kept open; far below the usual limit of 1024 for a process.
const OPEN_FILES_MAX: usize = 256;

pub(super) fn database(folder: &Path) -> DatabaseBuilder<Database> {
    Database::builder(folder)
        .cache_size(BLOCK_CACHE_BYTES)
        .max_journaling_size(LOG_BYTES_MAX)
        .worker_threads(WORKER_COUNT)
        .max_cached_files(Some(OPEN_FILES_MAX))
}

/// Run this, which starts the threads of the database: they take over the priority of the thread that makes them.
pub(super) fn giving_way<T: Send>(start: impl FnOnce() -> T + Send) -> T {
    let thread = || {
        give_way();
        start()
    };
    std::thread::scope(|scope| match scope.spawn(thread).join() {
        Ok(started) => started,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// On Linux niceness belongs to a thread; elsewhere it would slow the whole host down.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the threads of the database keep the priority of the host");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// fjall remembers these per keyspace when it is made.
pub(super) fn keyspace(table: Table) -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes(table))
}

/// The marks of the batches: one small row, written anew with each.
pub(super) fn marks() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes(Table::Meta))
}

/// When a table's memtable is written out. Larger means fewer flushes and merges, which compete with the steps for two
/// cores (measured: 64 MiB instead of 16 takes 40 % off the processor time of a commit), but more memory under load and
/// after a restart, which fills the memtables again from the log. Up to four more of each may wait for their flush
/// before the writer is held. An idle, fresh host holds next to nothing.
fn memtable_bytes(table: Table) -> u64 {
    match table {
        // The bulk of what a loaded host writes: about a second's worth.
        Table::Journal => 32 * MIB,
        Table::Messages | Table::KeyValue => 16 * MIB,
        // Small rows of most batches or sagas.
        Table::Summaries | Table::Feed | Table::Index | Table::Delayed => 8 * MIB,
        // Rare rows, or a few small ones per batch: a flush costs several syncs, so it is to be seldom.
        Table::Positions
        | Table::Meta
        | Table::Parked
        | Table::ParkedDue
        | Table::Signals
        | Table::Marks
        | Table::Topics => 4 * MIB,
    }
}

//! Every number given to fjall, with its reason. Memory is what they spend: an idle host is meant to stay small, and a
//! loaded one bounded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fjall::compaction::Leveled;
use fjall::config::{CompressionPolicy, FilterPolicy, PinningPolicy};
use fjall::{CompressionType, Database, DatabaseBuilder, KeyspaceCreateOptions};
use host_core::table::Table;

const MIB: u64 = 1 << 20;

/// Blocks of all tables that are kept in memory. Work in flight is in the memtables and the store's overlay, so the
/// cache serves lists, `show` of old sagas and seldom-read key-values; it fills only as they are read.
const BLOCK_CACHE_BYTES: u64 = 8 * MIB;

/// All write-ahead logs together. A log is sealed at 64 MiB; past this sum the tables that hold the oldest log back are
/// written out. It bounds the reading after a crash to some second, and leaves a small table time to fill its memtable.
const LOG_BYTES_MAX: u64 = 128 * MIB;

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
    match table {
        // Read by keys that are often not there.
        Table::KeyValue | Table::Parked | Table::Signals => options(),
        // Read in order, or seldom: filters would take a byte a row, in memory too.
        Table::Journal
        | Table::Messages
        | Table::Summaries
        | Table::Feed
        | Table::Index
        | Table::Delayed
        | Table::Positions
        | Table::Meta
        | Table::ParkedDue
        | Table::Marks
        | Table::Topics => options().filter_policy(FilterPolicy::disabled()),
    }
}

/// The marks of the batches: one small row, written anew with each.
pub(super) fn marks() -> KeyspaceCreateOptions {
    keyspace(Table::Meta)
}

fn options() -> KeyspaceCreateOptions {
    let leveled = Leveled::default().with_table_target_size(TABLE_FILE_BYTES).with_l0_threshold(NEW_TABLES_MAX);
    KeyspaceCreateOptions::default()
        // `Keeper` has them written out.
        .max_memtable_size(u64::MAX)
        .compaction_strategy(Arc::new(leveled))
        // What was read is in the cache, which is bounded, and nowhere else.
        .index_block_pinning_policy(PinningPolicy::all(false))
        .filter_block_pinning_policy(PinningPolicy::all(false))
        // Rows of one table look alike: a third of the bytes, for a few hundredths of the processor time.
        .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
}

/// Files that merges write. Each is synced when it is full, and a commit that syncs the log meanwhile waits for all of
/// it: small files, short waits.
const TABLE_FILE_BYTES: u64 = 2 * MIB;

/// Memtables written out before they are merged. Twice fjall's own number, since ours are small.
const NEW_TABLES_MAX: u8 = 8;

/// With so many unmerged, a memtable waits in memory. At 20 fjall slows the writer down, at 30 it holds it.
pub(super) const NEW_TABLES_HELD: usize = 16;

/// How many times its bound a memtable may grow while it waits. Past that it is written out at once, and with four in
/// the queue fjall holds the writer.
pub(super) const MEMTABLE_GROWTH_MAX: u64 = 16;

/// Nothing was written for so long: what is in memory is written out, which also makes the next start short.
pub(super) const REST: Duration = Duration::from_secs(3);

/// Not worth a file of its own when the host rests.
pub(super) const REST_BYTES: u64 = 256 << 10;

/// When a table's memtable is written out. A commit that syncs the log waits for what is written out at that moment,
/// and one that writes to the table for its list of files, so that large memtables mean long stalls and small ones many
/// (p99 at half the peak: 52 ms with 32 MiB for the journal, 7 ms with 4 MiB, 5 ms with 1 MiB, at the same rate and
/// processor time). They are also what is read again after a crash.
pub(super) fn memtable_bytes(table: Table) -> u64 {
    match table {
        // The bulk of what a loaded host writes.
        Table::Journal => 2 * MIB,
        Table::Messages
        | Table::KeyValue
        // Small rows of most batches or sagas, or rare ones.
        | Table::Summaries
        | Table::Feed
        | Table::Index
        | Table::Delayed
        | Table::Positions
        | Table::Meta
        | Table::Parked
        | Table::ParkedDue
        | Table::Signals
        | Table::Marks
        | Table::Topics => MIB,
    }
}

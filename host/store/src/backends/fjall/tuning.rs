//! Every number given to fjall, with its reason. Memory is what they spend: an idle host is meant to stay small, and a
//! loaded one bounded.

use std::path::Path;

use fjall::{Database, DatabaseBuilder, KeyspaceCreateOptions};
use host_core::table::Table;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Blocks of all tables that are kept in memory. Work in flight is in the memtables and the store's overlay, so the
/// cache serves lists, `show` of old sagas and seldom-read key-values; it fills only as they are read.
const BLOCK_CACHE_BYTES: u64 = 8 * MIB;

/// All write-ahead logs together. A log is sealed at 64 MiB; past this sum the tables that hold the oldest log back are
/// flushed. It bounds the replay after a crash to a second or two, and leaves a small table time to fill its memtable.
const LOG_BYTES_MAX: u64 = 256 * MIB;

/// Threads for flushes and compactions: with two, a flush never waits behind a long compaction. More would take the
/// cores from the steps.
const WORKER_COUNT: usize = 2;

/// Open table files that are kept open; far below the usual limit of 1024 for a process.
const OPEN_FILES_MAX: usize = 256;

pub(super) fn database(folder: &Path) -> DatabaseBuilder<Database> {
    Database::builder(folder)
        .cache_size(BLOCK_CACHE_BYTES)
        .max_journaling_size(LOG_BYTES_MAX)
        .worker_threads(WORKER_COUNT)
        .max_cached_files(Some(OPEN_FILES_MAX))
}

/// fjall remembers these per keyspace when it is made.
pub(super) fn keyspace(table: Table) -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes(table))
}

/// When a table's memtable is written out. Up to four more may wait for the flush before writers are held, so the
/// worst case under load is five times the sum; an idle, fresh host holds next to nothing.
fn memtable_bytes(table: Table) -> u64 {
    match table {
        // A second or less of full load each: smaller would make files faster than two workers merge them.
        Table::Journal | Table::Messages => 16 * MIB,
        // Written with most steps or sagas, but small rows.
        Table::KeyValue | Table::Summaries => 8 * MIB,
        // Rows that live for a moment: most meet their removal before they reach a file.
        Table::Feed | Table::Delayed | Table::Index | Table::Positions => 4 * MIB,
        // Rare rows. `Meta` takes one of a few bytes per batch.
        Table::Parked | Table::ParkedDue | Table::Signals | Table::Marks | Table::Topics => 2 * MIB,
        Table::Meta => 512 * KIB,
    }
}

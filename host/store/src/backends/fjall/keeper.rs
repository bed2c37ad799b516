//! Has tables written out of memory when they have grown, or when the host has come to rest. Owns the thread that does.
//!
//! fjall does this by itself. But with each batch that finds a table too large it puts one more request into the queue
//! of its threads, and they put what they find to do into the same queue: while they merge, requests fill it, then they
//! wait for room that only they could make, and memory grows without end (fjall's pull request 323). So fjall is given
//! no bound, and is asked once for a table, when the one before is out.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use fjall::{AbstractTree as _, Keyspace};

use super::tuning::{MEMTABLE_GROWTH_MAX, NEW_TABLES_HELD, REST, REST_BYTES};

/// A table, and what it may take in memory before it is written out.
pub(super) struct Kept {
    pub(super) keyspace: Keyspace,
    pub(super) memtable_bytes: u64,
}

/// The tables by their places, and the thread that has them written out.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    /// None once it is dropped: the thread ends when there is nobody left to ask.
    asked: Option<SyncSender<usize>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    tables: Vec<Watched>,
    batch_count: AtomicU64,
    failed: OnceLock<fjall::Error>,
}

struct Watched {
    kept: Kept,
    /// Asked for and not yet done, so that a table takes one place in the queue.
    is_asked: AtomicBool,
}

impl Keeper {
    pub(super) fn start(tables: impl Iterator<Item = Kept>) -> io::Result<Self> {
        let tables: Vec<_> = tables.map(|kept| Watched { kept, is_asked: AtomicBool::new(false) }).collect();
        let (asked, asks) = sync_channel(tables.len());
        let shared = Arc::new(Shared { tables, batch_count: AtomicU64::new(0), failed: OnceLock::new() });
        let thread = std::thread::Builder::new().name("saga-tables".into()).spawn({
            let shared = shared.clone();
            move || {
                if let Err(error) = shared.serve(&asks) {
                    shared.failed.get_or_init(|| error);
                }
            }
        })?;
        Ok(Self { shared, asked: Some(asked), thread: Some(thread) })
    }

    /// A batch was written to the tables at these places. Does not wait.
    pub(super) fn look_at(&self, places: impl Iterator<Item = usize>) {
        self.shared.batch_count.fetch_add(1, Ordering::Relaxed);
        let Some(asked) = &self.asked else { return };
        for place in places {
            let Some(table) = self.shared.tables.get(place) else { continue };
            if table.kept.is_due() && !table.is_asked.swap(true, Ordering::AcqRel) {
                // There is room for every table, and after a failure nobody listens.
                _ = asked.try_send(place);
            }
        }
    }

    /// Why tables are no longer taken out of memory.
    pub(super) fn failure(&self) -> Option<&fjall::Error> {
        self.shared.failed.get()
    }
}

impl Shared {
    fn serve(&self, asks: &Receiver<usize>) -> Result<(), fjall::Error> {
        let mut seen = 0;
        let mut rested = 0;
        loop {
            match asks.recv_timeout(REST) {
                Ok(place) => {
                    let Some(table) = self.tables.get(place) else { continue };
                    table.kept.keyspace.rotate_memtable()?;
                    table.is_asked.store(false, Ordering::Release);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = self.batch_count.load(Ordering::Relaxed);
                    if now == seen && now != rested {
                        self.rest()?;
                        rested = now;
                    }
                    seen = now;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Nothing is being written: give back the memory.
    fn rest(&self) -> Result<(), fjall::Error> {
        for Watched { kept, .. } in &self.tables {
            if kept.in_memory_bytes() > REST_BYTES {
                kept.keyspace.rotate_memtable()?;
            }
        }
        Ok(())
    }
}

impl Kept {
    /// Large enough, and what was taken out before is written and not too much of it unmerged: rows wait in memory for
    /// that, and past a bound fjall holds the writer.
    fn is_due(&self) -> bool {
        let bytes = self.in_memory_bytes();
        if bytes <= self.memtable_bytes {
            return false;
        }
        let has_turn = self.keyspace.sealed_memtable_count() == 0 && self.keyspace.l0_table_count() < NEW_TABLES_HELD;
        has_turn || bytes > self.memtable_bytes * MEMTABLE_GROWTH_MAX
    }

    fn in_memory_bytes(&self) -> u64 {
        self.keyspace.tree.active_memtable().size()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.asked = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that has tables written out had panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use fjall::{Database, KeyspaceCreateOptions};

    use super::*;

    fn table(folder: &tempfile::TempDir) -> (Database, Keyspace) {
        let database = Database::builder(folder.path()).worker_threads(1).open().expect("the folder is empty");
        let options = || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
        let rows = database.keyspace("rows", options).expect("a new table");
        (database, rows)
    }

    fn until(what: &str, is: impl Fn() -> bool) {
        let began = Instant::now();
        while !is() {
            assert!(began.elapsed() < Duration::from_secs(30), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_table_is_written_out_while_it_is_written_to_and_its_memory_stays_bounded() {
        const ROWS: u32 = 200_000;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (_database, rows) = table(&folder);
        let kept = Kept { keyspace: rows.clone(), memtable_bytes: 64 << 10 };
        let keeper = Keeper::start([kept].into_iter()).expect("a thread");
        let (mut largest, mut written) = (0, 0);
        for number in 0..ROWS {
            rows.insert(number.to_be_bytes(), [7; 64]).expect("a write");
            keeper.look_at([0].into_iter());
            largest = largest.max(rows.tree.active_memtable().size());
            written += 64;
        }
        assert!(largest < written / 3, "{largest} of {written} bytes were in memory at once");
        until("what was taken out is written", || rows.sealed_memtable_count() == 0);
        assert_eq!(rows.len().expect("a count"), ROWS as usize);
    }

    #[test]
    fn a_host_at_rest_gives_its_memory_back() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (_database, rows) = table(&folder);
        let kept = Kept { keyspace: rows.clone(), memtable_bytes: u64::MAX / MEMTABLE_GROWTH_MAX };
        let keeper = Keeper::start([kept].into_iter()).expect("a thread");
        rows.insert("k", vec![7; 2 * REST_BYTES as usize]).expect("a write");
        keeper.look_at([0].into_iter());
        until("the table is written out", || rows.disk_space() > 0 && rows.tree.active_memtable().size() == 0);
    }
}

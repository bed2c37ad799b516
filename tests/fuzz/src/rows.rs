//! Rows of the database, damaged: whatever a bad disk or another program left there. An input names a table, a row of a
//! good database (or a key of its own), and the bytes that stand there instead.

pub(crate) mod broker;
pub(crate) mod store;

use std::sync::Arc;

use bytes::Bytes;
use host_core::table::{Batch, Durability, Table, Tables};
use host_store::backends::memory::MemoryTables;

/// Rows that one look reads at most.
const ROWS_MAX: usize = 1000;

/// The rows of a table, in order.
fn rows(tables: &MemoryTables, table: Table) -> Vec<(Bytes, Bytes)> {
    tables.scan(table, &[], None, ROWS_MAX).expect("memory can be read")
}

/// A copy of a good database with one row damaged, and which table it is. None if the input names none.
fn damaged(good: &MemoryTables, of: &[Table], input: &[u8]) -> Option<(Arc<MemoryTables>, Table, Bytes)> {
    let (&[which, row], rest) = input.split_first_chunk::<2>()?;
    let table = of[usize::from(which) % of.len()];
    let known = rows(good, table);
    let (key, value) = match usize::from(row).checked_sub(128) {
        None if known.is_empty() => return None,
        None => (known[usize::from(row) % known.len()].0.clone(), rest),
        Some(length) => {
            let (key, value) = rest.split_at(length.min(rest.len()));
            (Bytes::copy_from_slice(key), value)
        }
    };
    let tables = good.snapshot_synced();
    let mut batch = Batch::default();
    batch.put(table, key.clone(), value.to_vec());
    tables.write(batch, Durability::Synced).expect("memory takes every write");
    Some((Arc::new(tables), table, key))
}

/// Each good row, as an input that damages nothing yet.
fn seeds(good: &MemoryTables, of: &[Table]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (which, table) in (0u8..).zip(of) {
        for (row, (key, value)) in (0u8..128).zip(rows(good, *table)) {
            seeds.push([&[which, row][..], &value].concat());
            let length = u8::try_from(key.len()).unwrap_or(127).min(127);
            seeds.push([&[which, 128 + length], &key[..usize::from(length)], &value].concat());
        }
    }
    seeds
}

/// Runs what is async where nothing waits for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime of one thread");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

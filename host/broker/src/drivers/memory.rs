//! The memory driver: the embedded broker over tables in this process, for tests and simulation.
//! The tables can crash: what was written without a sync goes, like the tail of a log after a power cut.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use host_core::table::{Batch, Durability, Error, Table, Tables, Write};
use parking_lot::Mutex;

use super::embedded::{EmbeddedBroker, EmbeddedOptions};

/// A broker that ends with the process.
pub fn open(options: EmbeddedOptions) -> Result<EmbeddedBroker, crate::Error> {
    EmbeddedBroker::open(Arc::new(MemoryTables::default()), options)
}

/// Ordered tables in maps.
#[derive(Debug, Default)]
pub struct MemoryTables {
    /// Guards all tables, so that a batch is seen whole.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tables: HashMap<Table, BTreeMap<Bytes, Bytes>>,
    /// What the writes since the last sync overwrote, in their order.
    undo: Vec<Write>,
    /// Every call is refused, as after a failure of the disk.
    has_failed: bool,
}

impl MemoryTables {
    /// The tables after a crash of the machine: everything up to the last synced write, nothing after it.
    pub fn crash(&self) {
        let mut inner = self.inner.lock();
        let undo = std::mem::take(&mut inner.undo);
        for Write { table, key, value } in undo.into_iter().rev() {
            inner.set(table, key, value);
        }
        inner.has_failed = false;
    }

    /// The disk fails from now on, until a crash.
    pub fn fail(&self) {
        self.inner.lock().has_failed = true;
    }

    /// Rows of a table.
    pub fn row_count(&self, table: Table) -> usize {
        self.inner.lock().tables.get(&table).map_or(0, BTreeMap::len)
    }
}

impl Inner {
    fn set(&mut self, table: Table, key: Bytes, value: Option<Bytes>) -> Option<Bytes> {
        let rows = self.tables.entry(table).or_default();
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        }
    }

    fn check(&self, doing: &'static str) -> Result<(), Error> {
        if self.has_failed { Err(Error::Failed { doing, cause: "it was told to".to_owned() }) } else { Ok(()) }
    }

    fn range<'a>(
        &'a self,
        table: Table,
        from: &'a [u8],
        to: Option<&'a [u8]>,
    ) -> Box<dyn DoubleEndedIterator<Item = (Bytes, Bytes)> + 'a> {
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let is_empty = matches!(to, Bound::Excluded(to) if to <= from);
        match self.tables.get(&table).filter(|_| !is_empty) {
            Some(rows) => {
                let rows = rows.range::<[u8], _>((Bound::Included(from), to));
                Box::new(rows.map(|(key, value)| (key.clone(), value.clone())))
            }
            None => Box::new(std::iter::empty()),
        }
    }
}

impl Tables for MemoryTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let inner = self.inner.lock();
        inner.check("reading a row")?;
        Ok(inner.tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, table: Table, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let inner = self.inner.lock();
        inner.check("reading rows")?;
        Ok(inner.range(table, from, to).take(limit).collect())
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let inner = self.inner.lock();
        inner.check("reading rows backwards")?;
        Ok(inner.range(table, from, to).rev().take(limit).collect())
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        inner.check("writing")?;
        for Write { table, key, value } in batch.writes {
            let old = inner.set(table, key.clone(), value);
            inner.undo.push(Write { table, key, value: old });
        }
        match durability {
            Durability::Visible => {}
            Durability::Synced => inner.undo.clear(),
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        let inner = self.inner.lock();
        let rows = inner.tables.values().flatten();
        rows.map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}

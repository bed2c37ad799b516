//! Tables in memory, for tests and for hosts that may forget: what a crash leaves of them, and failures on demand.
//! Invariant: `undo` turns the tables back into what they were at the last synced write.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use host_core::table::{Batch, Durability, Error, Table, Tables};
use parking_lot::{Mutex, RwLock};

type Rows = BTreeMap<Bytes, Bytes>;
type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Ordered tables in memory.
#[derive(Default)]
pub struct MemoryTables {
    /// Guards the rows: a batch is applied under the write lock, so a reader sees all of it or nothing.
    state: RwLock<State>,
    /// Guards what is to fail and whether something has.
    faults: Mutex<Faults>,
}

#[derive(Default, Clone)]
struct State {
    tables: [Rows; Table::ALL.len()],
    /// What every change since the last synced write replaced, oldest first.
    undo: Vec<(Table, Bytes, Option<Bytes>)>,
    bytes: u64,
}

#[derive(Default)]
struct Faults {
    /// Writes until the one that fails, and how it fails.
    armed: Option<(u64, Fault)>,
    poison: Option<Error>,
}

/// How a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of the batch is applied.
    Write,
    /// The batch is visible, but it and what came before it unsynced is not on disk.
    Sync,
}

impl MemoryTables {
    pub fn new() -> Self {
        Self::default()
    }

    /// The write that comes after `write_count` more writes fails in this way; from then on all do.
    pub fn fail_after(&self, write_count: u64, fault: Fault) {
        self.faults.lock().armed = Some((write_count, fault));
    }

    /// The tables as a crash at this moment would leave them: everything up to the last synced write.
    pub fn snapshot_synced(&self) -> MemoryTables {
        let mut state = self.state.read().clone();
        while let Some((table, key, before)) = state.undo.pop() {
            state.set(table, key, before);
        }
        MemoryTables { state: RwLock::new(state), faults: Mutex::default() }
    }

    fn fault(&self) -> Result<Option<Fault>, Error> {
        let mut faults = self.faults.lock();
        if let Some(error) = &faults.poison {
            return Err(error.clone());
        }
        let Some((left, fault)) = faults.armed else { return Ok(None) };
        if left > 0 {
            faults.armed = Some((left - 1, fault));
            return Ok(None);
        }
        let doing = match fault {
            Fault::Write => "writing a batch",
            Fault::Sync => "syncing a batch",
        };
        faults.poison = Some(Error::Failed { doing, cause: "a failure was asked for".to_owned() });
        Ok(Some(fault))
    }

    fn poison(&self) -> Result<(), Error> {
        self.faults.lock().poison.clone().map_or(Ok(()), Err)
    }
}

impl State {
    /// Put or remove, and answer what was there before.
    fn set(&mut self, table: Table, key: Bytes, value: Option<Bytes>) -> Option<Bytes> {
        let rows = &mut self.tables[table as usize];
        let key_bytes = key.len() as u64;
        let added = value.as_ref().map_or(0, |value| key_bytes + value.len() as u64);
        let before = match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
        let removed = before.as_ref().map_or(0, |before| key_bytes + before.len() as u64);
        self.bytes = self.bytes + added - removed;
        before
    }

    fn apply(&mut self, batch: Batch) {
        for write in batch.writes {
            let before = self.set(write.table, write.key.clone(), write.value);
            self.undo.push((write.table, write.key, before));
        }
    }
}

impl Tables for MemoryTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.state.read().tables[table as usize].get(key).cloned())
    }

    fn scan(&self, table: Table, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let Some(range) = bounds(from, to) else { return Ok(Vec::new()) };
        let state = self.state.read();
        Ok(state.tables[table as usize].range::<[u8], _>(range).take(limit).map(owned).collect())
    }

    fn scan_back(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let Some(range) = bounds(from, to) else { return Ok(Vec::new()) };
        let state = self.state.read();
        Ok(state.tables[table as usize].range::<[u8], _>(range).rev().take(limit).map(owned).collect())
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error> {
        match self.fault()? {
            Some(Fault::Write) => return self.poison(),
            Some(Fault::Sync) => {
                self.state.write().apply(batch);
                return self.poison();
            }
            None => {}
        }
        let mut state = self.state.write();
        state.apply(batch);
        match durability {
            Durability::Visible => {}
            Durability::Synced => state.undo.clear(),
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.state.read().bytes
    }
}

fn owned((key, value): (&Bytes, &Bytes)) -> (Bytes, Bytes) {
    (key.clone(), value.clone())
}

/// None for a range that holds nothing, which a map would refuse to be asked for.
fn bounds<'a>(from: &'a [u8], to: Option<&'a [u8]>) -> Option<KeyRange<'a>> {
    match to {
        Some(to) if to <= from => None,
        Some(to) => Some((Bound::Included(from), Bound::Excluded(to))),
        None => Some((Bound::Included(from), Bound::Unbounded)),
    }
}

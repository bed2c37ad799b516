//! The one thread that writes: takes what is there, writes it as one batch, syncs, and lets the clients know. A message
//! that comes and goes within a batch leaves no row.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Receiver;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use crate::run::{Ended, LOOK};

/// Effects in one batch at most.
const BATCH_MAX: usize = 4096;
/// A journal record of a small body has about so many bytes.
const RECORD: [u8; 240] = [2; 240];

/// What has to be written.
pub enum Effect {
    Start { place: u64, message: Vec<u8> },
    Step { record_key: Vec<u8>, consumed: u64, next: Option<(u64, Vec<u8>)>, ended: Option<Ended> },
}

pub struct Writer {
    database: Database,
    messages: Keyspace,
    journal: Keyspace,
    /// Messages of the open batch.
    born: HashMap<u64, Vec<u8>>,
    ended: Vec<Ended>,
}

impl Writer {
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let database = Database::builder(folder).open()?;
        let messages = database.keyspace("messages", KeyspaceCreateOptions::default)?;
        let journal = database.keyspace("journal", KeyspaceCreateOptions::default)?;
        Ok(Self { database, messages, journal, born: HashMap::new(), ended: Vec::new() })
    }

    /// Until `stop`; `tell` hears of each saga that is over, once that is on the disk.
    pub fn run(
        mut self,
        effects: &Receiver<Effect>,
        mut tell: impl FnMut(Ended),
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let Ok(first) = effects.recv_timeout(LOOK) else { continue };
            let mut batch = self.database.batch();
            self.put(&mut batch, first);
            for effect in effects.try_iter().take(BATCH_MAX) {
                self.put(&mut batch, effect);
            }
            for (place, message) in self.born.drain() {
                batch.insert(&self.messages, place.to_be_bytes(), message);
            }
            batch.commit()?;
            self.database.persist(PersistMode::SyncData)?;
            self.ended.drain(..).for_each(&mut tell);
        }
        Ok(())
    }

    fn put(&mut self, batch: &mut OwnedWriteBatch, effect: Effect) {
        match effect {
            Effect::Start { place, message } => _ = self.born.insert(place, message),
            Effect::Step { record_key, consumed, next, ended } => {
                batch.insert(&self.journal, record_key, RECORD);
                if self.born.remove(&consumed).is_none() {
                    batch.remove(&self.messages, consumed.to_be_bytes());
                }
                self.born.extend(next);
                self.ended.extend(ended);
            }
        }
    }
}

//! A reference joint committer, so that the broker's half of a commit can be tested without the engine: one lock, one
//! open batch, written when the case says so. The engine's own does the same with threads.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use host_core::id::Lsn;
use host_core::table::{Batch, Durability, Table, Tables};
use host_core::time::Timestamp;
use host_core::unit::Unit;
use parking_lot::Mutex;

use super::subject::{SHORT_LOG, SHORT_LOG_AGE_MAX, SHORT_LOG_BYTES_MAX, Subject, topic};
use crate::drivers::embedded::{EmbeddedBroker, EmbeddedOptions, Open};
use crate::drivers::memory::MemoryTables;
use crate::{Broker, JointBroker};

/// More rows than a case leaves.
const ROWS_MAX: usize = 1 << 20;

/// Units of delayed messages are moved in rounds of this size.
const DUE_LIMIT: usize = 256;

/// A database that can be opened again and again.
pub trait Disk: Send + Sync + 'static {
    /// The tables as they are.
    fn open(&self) -> Arc<dyn Tables>;

    /// What `open` finds next is what survives a crash. All tables that were opened before are dropped by then.
    fn crash(&self);
}

/// Tables in this process that lose what was not synced.
#[derive(Debug, Default)]
pub struct MemoryDisk(pub Arc<MemoryTables>);

impl Disk for MemoryDisk {
    fn open(&self) -> Arc<dyn Tables> {
        self.0.clone()
    }

    fn crash(&self) {
        self.0.crash();
    }
}

/// The embedded broker with a committer of its own.
pub struct JointSubject<D> {
    disk: D,
    options: EmbeddedOptions,
    now: Timestamp,
    running: Option<Running>,
    /// Units are numbered on across crashes, as the store does it.
    last: Lsn,
}

struct Running {
    tables: Arc<dyn Tables>,
    broker: EmbeddedBroker,
    /// Guards the open batch and the order of units.
    batch: Mutex<(Open, Lsn)>,
}

impl Running {
    fn open(tables: Arc<dyn Tables>, options: &EmbeddedOptions, last: Lsn) -> Self {
        let broker = EmbeddedBroker::open(tables.clone(), options.clone()).expect("the tables open");
        Self { tables, broker, batch: Mutex::new((Open::default(), last)) }
    }

    fn stage<T>(&self, stage: impl FnOnce(&EmbeddedBroker, &mut Open, Lsn) -> T) -> T {
        let mut batch = self.batch.lock();
        let (open, last) = &mut *batch;
        last.0 += 1;
        stage(&self.broker, open, *last)
    }

    /// Close the open batch: what is staged from now on belongs to the next.
    fn close(&self) -> (Open, Lsn) {
        let mut batch = self.batch.lock();
        (std::mem::take(&mut batch.0), batch.1)
    }

    fn seal(&self, (open, lsn): (Open, Lsn)) -> (Batch, Lsn) {
        let mut batch = Batch::default();
        self.broker.seal(open, lsn, &[], &mut batch).expect("the embedded broker seals in memory");
        (batch, lsn)
    }

    fn write(&self, (batch, lsn): (Batch, Lsn)) {
        self.tables.write(batch, Durability::Synced).expect("the batch is written");
        self.broker.written(lsn);
    }

    fn move_due(&self, now: Timestamp) {
        while self.broker.next_due().expect("the delayed messages are read").is_some_and(|due| due <= now) {
            self.stage(|broker, open, lsn| broker.take_due(open, lsn, now, DUE_LIMIT));
        }
    }
}

impl<D: Disk> JointSubject<D> {
    pub fn new(disk: D, options: EmbeddedOptions) -> Self {
        let now = Timestamp::from_ms(1_800_000_000_000);
        let mut options = options;
        options.kept.push((topic(SHORT_LOG), SHORT_LOG_AGE_MAX, SHORT_LOG_BYTES_MAX));
        let running = Running::open(disk.open(), &options, Lsn(0));
        Self { disk, options, now, running: Some(running), last: Lsn(0) }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the subject runs except within a crash")
    }

    pub fn embedded(&self) -> &EmbeddedBroker {
        &self.running().broker
    }

    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Close the open batch. Later units may be staged before it is sealed, as they are while a committer works.
    pub fn close(&self) -> (Open, Lsn) {
        self.running().close()
    }

    /// Seal a closed batch, in the order of closing. A crash before its `write` loses it.
    pub fn seal(&self, closed: (Open, Lsn)) -> (Batch, Lsn) {
        self.running().seal(closed)
    }

    pub fn write(&self, sealed: (Batch, Lsn)) {
        self.running().write(sealed);
    }

    pub fn tables(&self) -> &Arc<dyn Tables> {
        &self.running().tables
    }
}

#[async_trait]
impl<D: Disk> Subject for JointSubject<D> {
    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.running().broker.clone())
    }

    async fn commit(&self, mut unit: Unit) {
        let now = self.now;
        self.running().stage(|broker, open, lsn| broker.stage(open, lsn, now, &mut unit));
    }

    async fn sync(&self) {
        self.write(self.seal(self.close()));
    }

    async fn crash(&mut self) {
        let running = self.running.take().expect("the subject runs except within a crash");
        running.broker.stopped();
        self.last = running.batch.lock().1;
        drop(running);
        self.disk.crash();
        self.running = Some(Running::open(self.disk.open(), &self.options, self.last));
        self.running().move_due(self.now);
    }

    async fn advance(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.running().move_due(self.now);
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    fn message_row_count(&self) -> Option<usize> {
        let tables = &self.running().tables;
        let count = |table| tables.scan(table, &[], None, ROWS_MAX).expect("the rows are read").len();
        Some(count(Table::Messages) + count(Table::Delayed))
    }
}

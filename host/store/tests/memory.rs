//! The conformance suite over tables in memory, with their crashes and failures on demand.

use std::sync::Arc;

use async_trait::async_trait;
use host_core::id::Lsn;
use host_core::table::{Batch, Durability, Table, Tables};
use host_store::backends::memory::{Fault, MemoryTables};
use host_store::conformance::tables::nothing_is_written_after_a_failed_write;
use host_store::conformance::{Backend, Embedded, Medium, Memory, Subject, sample};
use host_store::embedded::EmbeddedStore;
use host_store::{Error, JointStore, Store};

fn fresh() -> Box<dyn Medium> {
    Box::new(Memory(Arc::new(MemoryTables::new())))
}

struct MemoryBackend;

#[async_trait]
impl Backend for MemoryBackend {
    async fn fresh(&self) -> Box<dyn Subject> {
        Box::new(Embedded::open(fresh()))
    }
}

host_store::store_conformance!(MemoryBackend);
host_store::tables_conformance!(fresh());

#[test]
fn every_write_after_a_failed_one_is_refused() {
    for fault in [Fault::Write, Fault::Sync] {
        let memory = Arc::new(MemoryTables::new());
        let tables: Arc<dyn Tables> = memory.clone();
        nothing_is_written_after_a_failed_write(&tables, |tables| {
            memory.fail_after(1, fault);
            tables.write(Batch::default(), Durability::Synced).expect("the next one fails, not this one");
            tables.write(Batch::default(), Durability::Synced).expect_err("a failure was asked for")
        });
    }
}

#[test]
fn a_batch_whose_sync_failed_does_not_survive() {
    let tables = MemoryTables::new();
    let mut batch = Batch::default();
    batch.put(Table::Messages, &b"key"[..], &b"value"[..]);
    tables.fail_after(0, Fault::Sync);
    tables.write(batch, Durability::Synced).expect_err("a failure was asked for");
    assert!(tables.get(Table::Messages, b"key").expect("memory answers").is_some());
    assert!(tables.snapshot_synced().get(Table::Messages, b"key").expect("memory answers").is_none());
}

#[tokio::test]
async fn reads_that_wait_for_a_failed_write_say_so() {
    let memory = Arc::new(MemoryTables::new());
    let store = EmbeddedStore::open(memory.clone()).expect("empty tables are ours");
    let id = sample::global_id("saga");
    let mut open = Default::default();
    store.stage(&mut open, Lsn(1), &mut sample::unit([sample::started(&id, 1, 0)])).expect("nothing conflicts");
    let mut batch = Batch::default();
    store.seal(open, Lsn(1), &mut batch);
    memory.fail_after(0, Fault::Sync);
    memory.write(batch, Durability::Synced).expect_err("a failure was asked for");
    let (journal, ()) = tokio::join!(store.journal(&id), async { store.stopped() });
    assert!(matches!(journal, Err(Error::ShuttingDown)));
}

#[tokio::test]
async fn a_fold_whose_write_failed_is_not_remembered() {
    let memory = Arc::new(MemoryTables::new());
    let subject = Embedded::open(Box::new(Memory(memory.clone())));
    let id = sample::global_id("saga");
    subject.submit(sample::unit(sample::completed(&id, 2, 0))).await.expect("nothing conflicts");
    subject.sync().await;
    let store = subject.store();
    let feed: Vec<_> = store.feed(Lsn(0), 10).await.expect("readable").into_iter().map(Arc::new).collect();
    memory.fail_after(0, Fault::Write);
    store.project(&feed).await.expect_err("a failure was asked for");
    assert_eq!(store.statistics().await.expect("readable").sagas, 0);
    assert_eq!(store.projected().await.expect("readable"), Lsn(0));
}

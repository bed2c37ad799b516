//! The comparison of projection and journal. Goal: it is silent where both agree, also while the projection is behind,
//! and names whatever a row says that the journal does not bear out. Method: sagas of each kind in memory, then one row
//! at a time removed, added or replaced.

use std::sync::Arc;

use host_core::id::GlobalId;
use host_core::record::{EndStatus, Event};
use host_core::table::{Batch, Durability, Table, Tables, prefix_end};
use host_store::backends::memory::MemoryTables;
use host_store::conformance::sample::{
    Handle, at, completed, dead_lettered, done, ended, global_id, record, retried, started, unit, wait_key,
};
use host_store::conformance::{Embedded, Memory, Subject, project_all, submit};
use host_store::embedded::EmbeddedStore;
use host_store::{Audit, Difference};

/// A store with a saga of each kind, all of it projected.
async fn store() -> (Arc<MemoryTables>, Embedded) {
    let tables = Arc::new(MemoryTables::new());
    let subject = Embedded::open(Box::new(Memory(tables.clone())));
    let [well, undone, waits, retries, fails] = ["well", "undone", "waits", "retries", "fails"].map(global_id);
    submit(&subject, unit(completed(&well, 3, 0))).await;
    submit(&subject, unit([started(&undone, 2, 1), ended(&undone, 0, 5, EndStatus::Compensated)])).await;
    let waiting = Event::Waiting { key: wait_key("k"), reason: "not yet".to_owned(), until: at(90) };
    submit(&subject, unit([started(&waits, 2, 2), record(&waits, 0, Handle, 6, waiting)])).await;
    submit(&subject, unit([started(&retries, 2, 3), retried(&retries, 0, 7, "busy")])).await;
    submit(&subject, unit([started(&fails, 2, 4), dead_lettered(&fails, 0, Handle, 8, "gone")])).await;
    subject.sync().await;
    project_all(&*subject.store()).await;
    (tables, subject)
}

fn audit(tables: &Arc<MemoryTables>) -> Audit {
    let store = EmbeddedStore::open(tables.clone()).expect("the tables are ours");
    store.audit().expect("the tables are readable")
}

fn write(tables: &MemoryTables, change: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::default();
    change(&mut batch);
    tables.write(batch, Durability::Synced).expect("memory takes every write");
}

/// Keys of a table that begin so.
fn keys(tables: &MemoryTables, table: Table, prefix: &[u8]) -> Vec<bytes::Bytes> {
    let rows = tables.scan(table, prefix, prefix_end(prefix).as_deref(), 100).expect("memory is readable");
    rows.into_iter().map(|(key, _)| key).collect()
}

fn names(audit: &Audit, id: Option<&GlobalId>, words: &str) -> bool {
    audit.differences.iter().any(|Difference { global_id, what }| global_id.as_ref() == id && what.contains(words))
}

#[tokio::test]
async fn a_projection_that_agrees_or_is_behind_is_no_difference() {
    let (tables, subject) = store().await;
    assert_eq!(audit(&tables), Audit { saga_count: 5, differences: Vec::new() });
    submit(&subject, unit([done(&global_id("retries"), 0, 50)])).await;
    submit(&subject, unit([started(&global_id("new"), 1, 51)])).await;
    subject.sync().await;
    assert_eq!(audit(&tables), Audit { saga_count: 5, differences: Vec::new() }, "it is behind, not wrong");
    project_all(&*subject.store()).await;
    assert_eq!(audit(&tables), Audit { saga_count: 6, differences: Vec::new() });
}

#[tokio::test]
async fn a_summary_that_is_missing_or_says_something_else_is_named() {
    let (tables, _) = store().await;
    let summaries = keys(&tables, Table::Summaries, &[]);
    let other = tables.get(Table::Summaries, &summaries[0]).expect("memory is readable").expect("it is there");
    let (key, well) = (summaries[4].clone(), global_id("well"));
    write(&tables, |batch| batch.put(Table::Summaries, key.clone(), other));
    assert!(names(&audit(&tables), Some(&well), "its journal says"), "{:?}", audit(&tables));
    write(&tables, |batch| batch.remove(Table::Summaries, key));
    let audit = audit(&tables);
    assert!(names(&audit, Some(&well), "in no list"), "{audit:?}");
    assert!(names(&audit, None, "the lists hold 4 sagas, the journal has 5"), "{audit:?}");
}

#[tokio::test]
async fn index_rows_that_are_missing_or_too_many_are_named() {
    let (tables, _) = store().await;
    let key = keys(&tables, Table::Index, b"e")[0].clone();
    write(&tables, |batch| batch.remove(Table::Index, key));
    assert_eq!(audit(&tables).differences.len(), 2, "the member and the sum: {:?}", audit(&tables));

    let (tables, _) = store().await;
    let key = [&keys(&tables, Table::Index, b"s")[0][..], b"x"].concat();
    write(&tables, |batch| batch.put(Table::Index, key, Vec::new()));
    assert!(names(&audit(&tables), None, "the index holds"), "{:?}", audit(&tables));

    let (tables, _) = store().await;
    let key = keys(&tables, Table::Index, b"g")[0].clone();
    write(&tables, |batch| batch.remove(Table::Index, key));
    assert!(names(&audit(&tables), None, "counts 0 sagas"), "{:?}", audit(&tables));
}

#[tokio::test]
async fn a_journal_without_its_rows_and_wrong_counts_are_named() {
    let (tables, _) = store().await;
    let key = keys(&tables, Table::Journal, b"undone")[0].clone();
    write(&tables, |batch| batch.remove(Table::Journal, key));
    assert!(names(&audit(&tables), None, "the lists hold 5 sagas, the journal has 4"), "{:?}", audit(&tables));

    let (tables, _) = store().await;
    write(&tables, |batch| batch.put(Table::Meta, &b"counts"[..], vec![0; 64]));
    assert!(names(&audit(&tables), None, "counted by status"), "{:?}", audit(&tables));
}

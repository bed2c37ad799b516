//! The store over a damaged row. Promised: opening and every read either answers or refuses in words, and a damaged
//! row of one saga's journal leaves the other sagas readable.

use std::sync::{Arc, OnceLock};

use host_core::id::{BucketName, GlobalId, Lsn, MessageId, Position, TopicName, WaitKey};
use host_core::record::Record;
use host_core::table::{Batch, Durability, Table, Tables};
use host_core::time::Timestamp;
use host_core::unit::{
    Headers, KeyValueTxn, Mark, Message, OnTimeout, Parked, ParkedId, Payload, RememberedSignal, Unit,
};
use host_store::backends::memory::MemoryTables;
use host_store::embedded::EmbeddedStore;
use host_store::{Committed, Error, ErrorQuery, JointStore, ListQuery, Store};

use super::now;
use crate::record;

const TABLES: [Table; 10] = [
    Table::Journal,
    Table::Feed,
    Table::KeyValue,
    Table::Parked,
    Table::ParkedDue,
    Table::Signals,
    Table::Marks,
    Table::Summaries,
    Table::Index,
    Table::Meta,
];
const ROWS_MAX: usize = 100;

fn other() -> GlobalId {
    GlobalId::try_new("other").expect("an id")
}

fn key() -> WaitKey {
    WaitKey::try_new("customer/42").expect("a key")
}

fn bucket() -> BucketName {
    BucketName::try_new("d.s.one").expect("a bucket")
}

fn parked(global_id: GlobalId) -> Parked {
    let id = MessageId { global_id, direction: host_core::id::Direction::Handle, position: Position(0) };
    let message = Message {
        topic: TopicName::try_new("d.s.one.in").expect("a topic"),
        key: "saga-1".into(),
        headers: Headers::default(),
        payload: Payload::Encoded(bytes::Bytes::from_static(b"{\"meta\":{},\"body\":1}")),
    };
    let at = Timestamp::from_ms;
    let id = ParkedId { key: key(), message_id: id };
    Parked { id, message, reason: "not yet".into(), since: at(5), until: at(50), on_timeout: OnTimeout::Reject }
}

/// A database with a row of every kind: two sagas, a parked message, a signal, a mark, a key-value, projected in part.
fn good() -> &'static MemoryTables {
    static GOOD: OnceLock<MemoryTables> = OnceLock::new();
    GOOD.get_or_init(|| {
        let tables = Arc::new(MemoryTables::new());
        let store = EmbeddedStore::open(tables.clone()).expect("empty tables are ours");
        let all = record::seeds().pop().expect("the last seed holds one of each");
        let mut lsn = Lsn(0);
        for global_id in [record::id(), other()] {
            let records = Record::decode_all(&global_id, &all).expect("golden records");
            for half in [&records[..6], &records[6..12]] {
                lsn = Lsn(lsn.0 + 1);
                commit(&store, &tables, lsn, unit(half, &global_id, lsn));
            }
        }
        now(store.project(&now(store.feed(Lsn(0), 3)).expect("a feed").into_iter().map(Arc::new).collect::<Vec<_>>()))
            .expect("a projection");
        drop(store);
        tables.snapshot_synced()
    })
}

fn unit(records: &[Record], global_id: &GlobalId, lsn: Lsn) -> Unit {
    let at = Timestamp::from_ms(7);
    let writes = vec![(bucket(), Arc::from("stock"), Some(bytes::Bytes::from_static(b"7")))];
    Unit {
        records: records.to_vec().into(),
        park: Some(parked(global_id.clone())).filter(|_| lsn.0 % 2 == 1),
        key_values: Some(KeyValueTxn { snapshot: Lsn(lsn.0 - 1), writes, ..KeyValueTxn::default() }),
        remember_signal: Some(RememberedSignal { key: key(), at, until: Timestamp::MAX }),
        mark: Some(Mark {
            global_id: global_id.clone(),
            verb: host_core::record::Verb::Retry,
            who: "ada".into(),
            reason: Some("mended".into()),
            at,
        }),
        ..Unit::default()
    }
}

fn commit(store: &EmbeddedStore, tables: &MemoryTables, lsn: Lsn, mut unit: Unit) {
    let mut open = <EmbeddedStore as JointStore>::Open::default();
    store.stage(&mut open, lsn, &mut unit).expect("nobody else writes");
    let mut batch = Batch::default();
    store.seal(open, lsn, &mut batch);
    tables.write(batch, Durability::Synced).expect("memory takes every write");
    store.written(lsn);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    super::seeds(good(), &TABLES)
}

fn told<T>(answer: Result<T, Error>) -> Option<T> {
    answer.map_err(|error| assert!(error.to_string().len() > 10, "refused without words: {error}")).ok()
}

pub(crate) fn run(input: &[u8]) {
    let Some((tables, table, key_bytes)) = super::damaged(good(), &TABLES, input) else { return };
    let Some(store) = told(EmbeddedStore::open(tables)) else { return };
    now(read_all(&store));
    if table == Table::Journal {
        let bystander = if key_bytes.starts_with(b"other") { record::id() } else { other() };
        let is_its_own = key_bytes.starts_with(bystander.as_str().as_bytes());
        let records = now(store.journal(&bystander));
        assert!(is_its_own || records.is_ok_and(|records| records.len() == 12), "another saga was hurt");
    }
}

async fn read_all(store: &EmbeddedStore) {
    for global_id in [record::id(), other()] {
        if let Some(records) = told(store.journal(&global_id).await) {
            host_core::saga::Saga::fold(&records);
        }
    }
    told(store.value(&bucket(), "stock").await);
    told(store.keys(&bucket(), None, ROWS_MAX).await);
    told(store.parked(&key(), ROWS_MAX).await);
    told(store.parked_message(&parked(record::id()).id).await);
    told(store.parked_due(Timestamp::MAX, ROWS_MAX).await);
    told(store.parked_next_due().await);
    told(store.signal(&key(), Timestamp::from_ms(8)).await);
    told(store.marks().await);
    told(store.statistics().await);
    told(store.projected().await);
    let query = ListQuery { use_case: None, status: None, step: None, since: None, cursor: None, limit: ROWS_MAX };
    told(store.list(&query).await);
    for status in host_core::saga::Status::ALL {
        told(store.list(&ListQuery { status: Some(status), ..query.clone() }).await);
    }
    let errors = told(store.error_groups(&ErrorQuery { use_case: None, cursor: None, limit: ROWS_MAX }).await);
    for group in errors.into_iter().flat_map(|page| page.items) {
        told(store.group_members(&group.group, ROWS_MAX).await);
    }
    if let Some(batches) = told(store.feed(Lsn(0), ROWS_MAX).await) {
        let batches: Vec<Arc<Committed>> = batches.into_iter().map(Arc::new).collect();
        told(store.project(&batches).await);
    }
    told(store.retain(Timestamp::MAX, Timestamp::MAX, ROWS_MAX).await);
}

//! What the store's tables hold, in the cluster: the journal on `saga.journal`, one record a transition; and the rows
//! of what has no other trace, key-values, parked messages, signals and marks, on `saga.state`, which is compacted.
//! Both are part of the transaction that caused them; the tables on this host are a copy, brought up to date at the
//! start.

use std::collections::BTreeMap;

use bytes::Bytes;
use host_core::id::{GlobalId, TopicName};
use host_core::limits::JOURNAL_TOPIC;
use host_core::record::Record;
use host_core::record::line::Line;
use host_core::table::{Batch, Durability, Table, Tables, prefix_end};

use super::partitioner;
use super::shared::Shared;
use crate::Error;

/// Rows of the store's tables by table and key.
pub(super) const STATE_TOPIC: &str = "saga.state";

/// On a journal record: the form in which it is stored.
pub(super) const STORED: &str = "saga-record";

/// The tables whose rows have no other trace.
const STATE: [Table; 5] = [Table::KeyValue, Table::Parked, Table::ParkedDue, Table::Signals, Table::Marks];

/// Begins the key of the row that says up to where a partition was copied.
const POSITION: &str = "kafka/";

/// The topics that the tables are a copy of.
pub(super) const COPIED: [&str; 2] = [JOURNAL_TOPIC, STATE_TOPIC];

/// Where what is behind the last record begins, by topic and partition.
pub(super) type Ends = BTreeMap<(&'static str, i32), u64>;

/// Records taken over at a time.
pub(super) const PAGE_RECORDS: usize = 1000;

/// A record of the driver's own.
pub(super) struct Extra {
    pub topic: &'static str,
    pub partition: i32,
    pub key: Bytes,
    pub value: Option<Bytes>,
    pub header: Option<(&'static str, Bytes)>,
}

/// What goes with a batch.
pub(super) struct Copies {
    extras: Vec<Extra>,
}

impl Copies {
    pub(super) fn of(shared: &Shared, journal: &[Record], batch: &Batch) -> Result<Self, Error> {
        let mut extras = Vec::with_capacity(journal.len());
        if !journal.is_empty() {
            let count = shared.cluster.partition_count(&topic(JOURNAL_TOPIC))?;
            extras.extend(journal.iter().map(|record| journal_record(record, count)));
        }
        let rows: Vec<_> = batch.writes.iter().filter(|write| STATE.contains(&write.table)).collect();
        if !rows.is_empty() {
            let count = shared.cluster.partition_count(&topic(STATE_TOPIC))?;
            for write in rows {
                let key = [write.table.as_str().as_bytes(), b"/", &write.key].concat();
                let partition = partitioner::of_bytes(&key, count);
                let (key, value) = (key.into(), write.value.clone());
                extras.push(Extra { topic: STATE_TOPIC, partition, key, value, header: None });
            }
        }
        Ok(Self { extras })
    }

    pub(super) fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// They lie there now, up to these ends.
    pub(super) fn ends(&self, offsets: &[u64]) -> Ends {
        let mut ends = Ends::new();
        for (extra, offset) in self.extras.iter().zip(offsets) {
            let end = ends.entry((extra.topic, extra.partition)).or_default();
            *end = (*end).max(offset + 1);
        }
        ends
    }
}

/// The tables say with this batch that they hold everything up to there.
pub(super) fn told(ends: &Ends, batch: &mut Batch) {
    for ((topic, partition), end) in ends {
        put_position(batch, topic, *partition, *end);
    }
}

fn journal_record(record: &Record, partition_count: i32) -> Extra {
    let mut line = Vec::with_capacity(256);
    Line::from(record).write_into(&mut line);
    let mut stored = Vec::with_capacity(256);
    record.encode_into(&mut stored);
    Extra {
        topic: JOURNAL_TOPIC,
        partition: partitioner::partition(record.global_id.as_str(), partition_count),
        key: Bytes::copy_from_slice(record.global_id.as_str().as_bytes()),
        value: Some(line.into()),
        header: Some((STORED, stored.into())),
    }
}

/// Copy rows that were written by a host before this one, or by this one and lost in a crash.
pub(super) fn recover_rows(shared: &Shared, tables: &dyn Tables) -> Result<usize, Error> {
    let name = topic(STATE_TOPIC);
    let mut count = 0;
    for partition in 0..shared.cluster.partition_count(&name)? {
        let mut batch = Batch::default();
        let mut end = position(tables, STATE_TOPIC, partition)?;
        shared.looker.scan_raw(&name, partition, end, |found| {
            end = found.offset + 1;
            count += usize::from(put_row(&mut batch, found.key, found.value));
            true
        })?;
        put_position(&mut batch, STATE_TOPIC, partition, end);
        tables.write(batch, Durability::Visible)?;
    }
    Ok(count)
}

/// Whether these tables are a copy of what a cluster holds.
pub(super) fn were_here(tables: &dyn Tables) -> Result<bool, Error> {
    let end = prefix_end(POSITION.as_bytes());
    Ok(!tables.scan(Table::Meta, POSITION.as_bytes(), end.as_deref(), 1)?.is_empty())
}

/// Add a row of state to a batch. False if it is none.
pub(super) fn put_row(batch: &mut Batch, key: &[u8], value: Option<&[u8]>) -> bool {
    let Some((table, key)) = split(key) else { return false };
    match value {
        Some(value) => batch.put(table, Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)),
        None => batch.remove(table, Bytes::copy_from_slice(key)),
    }
    true
}

fn split(key: &[u8]) -> Option<(Table, &[u8])> {
    let slash = key.iter().position(|&byte| byte == b'/')?;
    let table = Table::named(std::str::from_utf8(&key[..slash]).ok()?)?;
    STATE.contains(&table).then_some((table, &key[slash + 1..]))
}

/// A page of records that the tables do not hold; empty when they hold all.
pub(super) fn recover_records(shared: &Shared, tables: &dyn Tables, batch: &mut Batch) -> Result<Vec<Record>, Error> {
    let name = topic(JOURNAL_TOPIC);
    for partition in 0..shared.cluster.partition_count(&name)? {
        let from = position(tables, JOURNAL_TOPIC, partition)?;
        let mut end = from;
        let mut records = Vec::new();
        let mut wrong = None;
        shared.looker.scan_raw(&name, partition, from, |found| {
            end = found.offset + 1;
            match decode(found.key, found.header(STORED)) {
                Ok(found) => records.extend(found),
                Err(cause) => wrong = Some((found.offset, cause)),
            }
            records.len() < PAGE_RECORDS
        })?;
        if let Some((offset, cause)) = wrong {
            tracing::error!(partition, offset, cause, "a record of saga.journal cannot be read and is left out");
        }
        if end > from {
            put_position(batch, JOURNAL_TOPIC, partition, end);
        }
        if !records.is_empty() {
            return Ok(records);
        }
    }
    Ok(Vec::new())
}

/// The records that a message of the journal holds.
pub(super) fn decode(key: &[u8], stored: Option<&[u8]>) -> Result<Vec<Record>, String> {
    let id = std::str::from_utf8(key).map_err(|error| error.to_string())?;
    let global_id = GlobalId::try_new(id).map_err(|error| error.to_string())?;
    let stored = stored.ok_or_else(|| format!("it has no header {STORED}"))?;
    Record::decode_all(&global_id, stored).map_err(|error| error.to_string())
}

fn position_key(topic: &str, partition: i32) -> String {
    format!("{POSITION}{topic}/{partition}")
}

/// Up to where a partition was copied.
pub(super) fn position(tables: &dyn Tables, topic: &str, partition: i32) -> Result<u64, Error> {
    let row = tables.get(Table::Meta, position_key(topic, partition).as_bytes())?;
    Ok(row.and_then(|row| row.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes))
}

fn put_position(batch: &mut Batch, topic: &str, partition: i32, end: u64) {
    batch.put(Table::Meta, position_key(topic, partition), Bytes::copy_from_slice(&end.to_be_bytes()));
}

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::try_new(name).expect("the names of the driver's topics are topic names")
}

//! The journal's rows: one per saga and batch, all its records of that batch one after the other, and one feed row per
//! batch that names the sagas it touched. There is no other row for the processed mark or the outcome.

use bytes::Bytes;
use host_core::id::{GlobalId, Lsn};
use host_core::record::Record;
use host_core::table::{Batch, Table, Tables};

use super::keys;
use crate::{Committed, Error};

/// Rows read at once: a row holds up to a few bodies of a megabyte.
const ROWS_READ_MAX: usize = 64;

/// What a record of a small body takes with its key: the first guess at the room for a batch.
const ROW_BYTES_EXPECTED: usize = 320;

/// Ends a global-id in a feed row.
const END: u8 = 0;

/// Write the records of a batch, which are in the order of their commit.
pub(super) fn seal(records: &[Record], lsn: Lsn, batch: &mut Batch) {
    if records.is_empty() {
        return;
    }
    let mut order: Vec<usize> = (0..records.len()).collect();
    // Stable: a saga's records keep their order. Sorted rows are also what the memtable takes fastest.
    order.sort_by(|&left, &right| records[left].global_id.cmp(&records[right].global_id));
    let mut feed = Vec::with_capacity(records.len() * 37);
    // One buffer for all rows: they are written, kept in the memtable and dropped together.
    let mut rows = Vec::with_capacity(records.len() * ROW_BYTES_EXPECTED);
    let mut ends = Vec::with_capacity(records.len());
    for run in order.chunk_by(|&left, &right| records[left].global_id == records[right].global_id) {
        let global_id = &records[run[0]].global_id;
        keys::push_journal(&mut rows, global_id, lsn);
        let key_end = rows.len();
        run.iter().for_each(|&index| records[index].encode_into(&mut rows));
        ends.push((key_end, rows.len()));
        feed.extend_from_slice(global_id.as_str().as_bytes());
        feed.push(END);
    }
    let rows = Bytes::from(rows);
    let mut start = 0;
    for (key_end, end) in ends {
        batch.put(Table::Journal, rows.slice(start..key_end), rows.slice(key_end..end));
        start = end;
    }
    batch.put(Table::Feed, keys::lsn(lsn), feed);
}

/// All records of a saga in the order of their commit.
pub(crate) fn read(tables: &dyn Tables, global_id: &GlobalId) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    rows(tables, global_id, |key, value| {
        records.extend(decode(global_id, key, value)?);
        Ok(())
    })?;
    Ok(records)
}

/// Visit the rows of a saga in order.
pub(crate) fn rows(
    tables: &dyn Tables,
    global_id: &GlobalId,
    mut visit: impl FnMut(&Bytes, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut from, to) = keys::journal_range(global_id);
    loop {
        let rows = tables.scan(Table::Journal, &from, Some(&to), ROWS_READ_MAX)?;
        rows.iter().try_for_each(|(key, value)| visit(key, value))?;
        match rows.last() {
            Some((last, _)) if rows.len() == ROWS_READ_MAX => {
                from = last.to_vec();
                from.push(0);
            }
            Some(_) | None => return Ok(()),
        }
    }
}

/// Batches after `after` that the projection has not consumed, with their records saga by saga. A row that cannot be
/// read is named in the log and left out, so that one saga does not keep all others out of the lists; whoever asks for
/// that saga is told.
pub(super) fn feed(tables: &dyn Tables, after: Lsn, limit: usize) -> Result<Vec<Committed>, Error> {
    let from = keys::lsn(Lsn(after.0.saturating_add(1)));
    let rows = tables.scan(Table::Feed, &from, None, limit)?;
    rows.iter().map(|(key, value)| committed(tables, key, value)).collect()
}

fn committed(tables: &dyn Tables, key: &[u8], value: &[u8]) -> Result<Committed, Error> {
    let lsn = keys::parse_lsn(key).ok_or_else(|| Error::corrupt("a key of table feed", "it is no lsn"))?;
    let mut records = Vec::new();
    for text in value.split(|&byte| byte == END).filter(|text| !text.is_empty()) {
        let named = || format!("the feed at lsn {}", lsn.0);
        let text = std::str::from_utf8(text).map_err(|error| Error::corrupt(named(), error))?;
        let global_id = GlobalId::try_new(text).map_err(|error| Error::corrupt(named(), error))?;
        let key = keys::journal(&global_id, lsn);
        // A row that is gone was removed by retention with its saga.
        let Some(value) = tables.get(Table::Journal, &key)? else { continue };
        match decode(&global_id, &key, &value) {
            Ok(found) => records.extend(found),
            Err(error) => tracing::error!(error = %error, "records are missing in lists and errors"),
        }
    }
    Ok(Committed { lsn, records })
}

pub(crate) fn decode(global_id: &GlobalId, key: &[u8], value: &[u8]) -> Result<Vec<Record>, Error> {
    Record::decode_all(global_id, value).map_err(|error| {
        let lsn = keys::journal_lsn(key).unwrap_or_default();
        Error::corrupt(format!("the journal of saga {global_id} at lsn {}", lsn.0), error)
    })
}

//! What seldom changes: parked messages, remembered signals, operators' marks. Reads come from the tables only, after
//! whatever was staged for them is written; there is no second copy to keep right.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use host_core::id::{GlobalId, Lsn, TopicName, WaitKey};
use host_core::table::{Batch, Table, Tables};
use host_core::time::Timestamp;
use host_core::unit::{Headers, Mark, Message, OnTimeout, Parked, ParkedId, Payload, RememberedSignal, Unit};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::keys;
use super::progress::{Family, Progress};
use crate::Error;

/// Rows looked at per read when some may be left-overs.
const ROWS_READ_MAX: usize = 256;

/// First byte of a stored parked message and of a stored mark.
const FORMAT: u8 = 1;

/// One change, in the order of staging.
pub(super) enum Change {
    Park { parked: Box<Parked>, before: Before },
    Unpark { id: ParkedId, before: Before },
    Remember(RememberedSignal),
    Forget(WaitKey),
    Mark(Mark),
    Unmark(GlobalId),
}

/// Where a message stood before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// An unwritten change says so: there, or nowhere.
    Staged(Option<Place>),
    InTables,
}

/// The parts of a parked message that its index keys are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    since: Timestamp,
    until: Timestamp,
}

/// Who writes what is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    Here,
    /// It comes into the tables later, with what other hosts commit, and is counted then.
    Follower,
}

pub(super) struct Waiting {
    writer: Writer,
    /// Guards what unwritten changes say about parked messages. Small: it holds a batch or two of a rare kind.
    staged: Mutex<HashMap<ParkedId, (Lsn, Option<Place>)>>,
    count: AtomicU64,
    /// Guards the signals that unwritten changes remember anew, and those that retention found expired.
    signals: Mutex<SignalState>,
}

#[derive(Default)]
struct SignalState {
    staged: HashMap<WaitKey, Lsn>,
    /// Removed with the next batch: only there is it certain that no newer signal is overwritten.
    expired: Vec<(WaitKey, Bytes)>,
    /// Where the next search for expired ones begins.
    from: Vec<u8>,
}

impl Waiting {
    pub(super) fn open(tables: &dyn Tables, writer: Writer) -> Result<Self, Error> {
        let mut count = 0;
        let mut from = Vec::new();
        loop {
            let rows = tables.scan(Table::ParkedDue, &from, None, 4096)?;
            count += rows.len() as u64;
            let Some((last, _)) = rows.last() else { break };
            from = after(last);
        }
        let count = AtomicU64::new(count);
        Ok(Self { writer, staged: Mutex::default(), count, signals: Mutex::default() })
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Take these parts out of a unit.
    pub(super) fn stage(&self, changes: &mut Vec<Change>, progress: &Progress, lsn: Lsn, unit: &mut Unit) {
        for id in unit.unpark.drain(..) {
            let before = self.replace(&id, lsn, None);
            changes.push(Change::Unpark { id, before });
            progress.touch(Family::Parked, lsn);
        }
        if let Some(parked) = unit.park.take() {
            let place = Place { since: parked.since, until: parked.until };
            let before = self.replace(&parked.id, lsn, Some(place));
            changes.push(Change::Park { parked: Box::new(parked), before });
            progress.touch(Family::Parked, lsn);
        }
        if let Some(signal) = unit.remember_signal.take() {
            self.signals.lock().staged.insert(signal.key.clone(), lsn);
            changes.push(Change::Remember(signal));
            progress.touch(Family::Signals, lsn);
        }
        if let Some(key) = unit.forget_signal.take() {
            changes.push(Change::Forget(key));
            progress.touch(Family::Signals, lsn);
        }
        if let Some(global_id) = unit.unmark.take() {
            changes.push(Change::Unmark(global_id));
            progress.touch(Family::Marks, lsn);
        }
        if let Some(mark) = unit.mark.take() {
            changes.push(Change::Mark(mark));
            progress.touch(Family::Marks, lsn);
        }
    }

    /// Called for one batch after the other, in their order.
    pub(super) fn seal(&self, tables: &dyn Tables, changes: Vec<Change>, batch: &mut Batch) {
        self.remove_expired(tables, batch);
        for change in changes {
            match change {
                Change::Park { parked, before } => self.park(tables, &parked, before, batch),
                Change::Unpark { id, before } => self.unpark(tables, &id, before, batch),
                Change::Remember(signal) => {
                    let mut value = signal.at.as_ms().to_be_bytes().to_vec();
                    value.extend_from_slice(&signal.until.as_ms().to_be_bytes());
                    batch.put(Table::Signals, text_key(signal.key.as_str()), value);
                }
                Change::Forget(key) => batch.remove(Table::Signals, text_key(key.as_str())),
                Change::Mark(mark) => {
                    let value = encode(&mark);
                    batch.put(Table::Marks, text_key(mark.global_id.as_str()), value);
                }
                Change::Unmark(global_id) => batch.remove(Table::Marks, text_key(global_id.as_str())),
            }
        }
    }

    /// Unwritten changes up to `lsn` are in the tables now.
    pub(super) fn written(&self, lsn: Lsn) {
        let mut staged = self.staged.lock();
        if !staged.is_empty() {
            staged.retain(|_, (staged, _)| *staged > lsn);
        }
        drop(staged);
        let mut signals = self.signals.lock();
        if !signals.staged.is_empty() {
            signals.staged.retain(|_, staged| *staged > lsn);
        }
    }

    /// Look for expired signals, at most `limit` rows a call; they go with the next batch.
    pub(super) fn expire(&self, tables: &dyn Tables, now: Timestamp, limit: usize) -> Result<(), Error> {
        if self.writer == Writer::Follower || !self.signals.lock().expired.is_empty() {
            return Ok(());
        }
        let expired = self.find_expired(tables, now, limit)?;
        self.signals.lock().expired = expired;
        Ok(())
    }

    /// Keys of expired signals, for the host that owns each to forget it.
    pub(super) fn expired(&self, tables: &dyn Tables, now: Timestamp, limit: usize) -> Result<Vec<WaitKey>, Error> {
        Ok(self.find_expired(tables, now, limit)?.into_iter().map(|(key, _)| key).collect())
    }

    /// Take the changes that a followed page makes into the count.
    pub(super) fn recount(&self, tables: &dyn Tables, page: &Batch) -> Result<(), Error> {
        let mut is_there: HashMap<&Bytes, bool> = HashMap::new();
        for write in page.writes.iter().filter(|write| write.table == Table::ParkedDue) {
            let was_there = match is_there.get(&write.key) {
                Some(was_there) => *was_there,
                None => tables.get(Table::ParkedDue, &write.key)?.is_some(),
            };
            match (was_there, write.value.is_some()) {
                (false, true) => _ = self.count.fetch_add(1, Ordering::Relaxed),
                (true, false) => _ = self.count.fetch_sub(1, Ordering::Relaxed),
                (true, true) | (false, false) => {}
            }
            is_there.insert(&write.key, write.value.is_some());
        }
        Ok(())
    }

    fn find_expired(&self, tables: &dyn Tables, now: Timestamp, limit: usize) -> Result<Vec<(WaitKey, Bytes)>, Error> {
        let from = self.signals.lock().from.clone();
        let rows = tables.scan(Table::Signals, &from, None, limit)?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|(key, _)| after(key)).unwrap_or_default();
        let expired = rows
            .iter()
            .filter(|(_, value)| signal_times(value).is_some_and(|(_, until)| until <= now))
            .filter_map(|(key, value)| Some((WaitKey::try_new(std::str::from_utf8(key).ok()?).ok()?, value.clone())))
            .collect();
        self.signals.lock().from = next;
        Ok(expired)
    }

    /// A signal that no unwritten change remembers anew is in the tables as it will stay until the next batch.
    fn remove_expired(&self, tables: &dyn Tables, batch: &mut Batch) {
        let mut signals = self.signals.lock();
        let SignalState { staged, expired, from: _ } = &mut *signals;
        for (key, seen) in expired.drain(..).filter(|(key, _)| !staged.contains_key(key)) {
            let stored = tables.get(Table::Signals, key.as_str().as_bytes());
            if matches!(&stored, Ok(Some(stored)) if *stored == seen) {
                batch.remove(Table::Signals, text_key(key.as_str()));
            }
        }
    }

    fn replace(&self, id: &ParkedId, lsn: Lsn, place: Option<Place>) -> Before {
        match self.staged.lock().insert(id.clone(), (lsn, place)) {
            Some((_, before)) => Before::Staged(before),
            None => Before::InTables,
        }
    }

    fn park(&self, tables: &dyn Tables, parked: &Parked, before: Before, batch: &mut Batch) {
        let id = &parked.id;
        match self.place(tables, id, before) {
            Some(place) => remove_index(id, place, batch),
            None if self.writer == Writer::Here => _ = self.count.fetch_add(1, Ordering::Relaxed),
            None => {}
        }
        batch.put(Table::Parked, keys::parked(id), encode(&StoredParked::of(parked)));
        batch.put(Table::Parked, keys::parked_order(id, parked.since), Bytes::new());
        batch.put(Table::ParkedDue, keys::parked_due(id, parked.until), Bytes::new());
    }

    fn unpark(&self, tables: &dyn Tables, id: &ParkedId, before: Before, batch: &mut Batch) {
        let Some(place) = self.place(tables, id, before) else { return };
        if self.writer == Writer::Here {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        remove_index(id, place, batch);
        batch.remove(Table::Parked, keys::parked(id));
    }

    /// Where a message stands before a change. What cannot be read is as good as absent: its index rows stay behind,
    /// and whoever meets them finds no message and goes on.
    fn place(&self, tables: &dyn Tables, id: &ParkedId, before: Before) -> Option<Place> {
        match before {
            Before::Staged(place) => place,
            Before::InTables => match message(tables, id) {
                Ok(parked) => parked.map(|parked| Place { since: parked.since, until: parked.until }),
                Err(error) => {
                    tracing::error!(error = %error, "a parked message cannot be read");
                    None
                }
            },
        }
    }
}

fn remove_index(id: &ParkedId, place: Place, batch: &mut Batch) {
    batch.remove(Table::Parked, keys::parked_order(id, place.since));
    batch.remove(Table::ParkedDue, keys::parked_due(id, place.until));
}

/// One parked message.
pub(super) fn message(tables: &dyn Tables, id: &ParkedId) -> Result<Option<Parked>, Error> {
    let Some(value) = tables.get(Table::Parked, &keys::parked(id))? else { return Ok(None) };
    let what = || format!("the message {} that waits for {:?}", id.message_id, id.key);
    Ok(Some(decode::<StoredParked>(&value, what)?.into_parked(id)))
}

/// Messages that wait for a key, oldest first.
pub(super) fn messages(tables: &dyn Tables, key: &WaitKey, limit: usize) -> Result<Vec<Parked>, Error> {
    let (from, to) = keys::parked_order_range(key);
    let mut found = Vec::new();
    scan_all(tables, Table::Parked, from, Some(&to), |order, _| {
        let id = keys::parse_parked_order(key, order)?;
        found.extend(message(tables, &id)?);
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// Messages whose time is over, earliest first.
pub(super) fn due(tables: &dyn Tables, now: Timestamp, limit: usize) -> Result<Vec<Parked>, Error> {
    let to = now.as_ms().saturating_add(1).to_be_bytes();
    let mut found = Vec::new();
    scan_all(tables, Table::ParkedDue, Vec::new(), Some(&to), |key, _| {
        let (due, id) = keys::parse_parked_due(key)?;
        found.extend(message(tables, &id)?.filter(|parked| parked.until == due));
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// When the next message's time is over.
pub(super) fn next_due(tables: &dyn Tables) -> Result<Option<Timestamp>, Error> {
    let mut next = None;
    scan_all(tables, Table::ParkedDue, Vec::new(), None, |key, _| {
        let (due, id) = keys::parse_parked_due(key)?;
        next = message(tables, &id)?.filter(|parked| parked.until == due).map(|_| due);
        Ok(next.is_none())
    })?;
    Ok(next)
}

/// Rows of `ParkedDue` before `before` whose message is not there any more.
pub(super) fn left_over(tables: &dyn Tables, before: Timestamp, limit: usize) -> Result<Vec<Bytes>, Error> {
    let rows = tables.scan(Table::ParkedDue, &[], Some(&before.as_ms().to_be_bytes()), limit)?;
    let mut keys = Vec::new();
    for (key, _) in rows {
        let (due, id) = keys::parse_parked_due(&key)?;
        if message(tables, &id)?.is_none_or(|parked| parked.until != due) {
            keys.push(key);
        }
    }
    Ok(keys)
}

pub(super) fn signal(tables: &dyn Tables, key: &WaitKey, now: Timestamp) -> Result<Option<RememberedSignal>, Error> {
    let Some(value) = tables.get(Table::Signals, key.as_str().as_bytes())? else { return Ok(None) };
    let (at, until) =
        signal_times(&value).ok_or_else(|| Error::corrupt(format!("the signal {key:?}"), "it is not two times"))?;
    Ok((until > now).then(|| RememberedSignal { key: key.clone(), at, until }))
}

/// When a stored signal came, and until when it is remembered.
pub(super) fn signal_times(value: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (at, rest) = value.split_first_chunk::<8>()?;
    let until = rest.try_into().ok()?;
    Some((Timestamp::from_ms(u64::from_be_bytes(*at)), Timestamp::from_ms(u64::from_be_bytes(until))))
}

pub(super) fn marks(tables: &dyn Tables) -> Result<Vec<Mark>, Error> {
    let mut marks = Vec::new();
    scan_all(tables, Table::Marks, Vec::new(), None, |key, value| {
        marks.push(decode(value, || format!("the mark of saga {}", String::from_utf8_lossy(key)))?);
        Ok(true)
    })?;
    Ok(marks)
}

/// Visit rows in order until the visitor has enough.
fn scan_all(
    tables: &dyn Tables,
    table: Table,
    mut from: Vec<u8>,
    to: Option<&[u8]>,
    mut visit: impl FnMut(&Bytes, &Bytes) -> Result<bool, Error>,
) -> Result<(), Error> {
    loop {
        let rows = tables.scan(table, &from, to, ROWS_READ_MAX)?;
        for (key, value) in &rows {
            if !visit(key, value)? {
                return Ok(());
            }
        }
        match rows.last() {
            Some((last, _)) if rows.len() == ROWS_READ_MAX => from = after(last),
            Some(_) | None => return Ok(()),
        }
    }
}

/// The smallest key behind this one.
fn after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

fn text_key(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A parked message without its id, which is its key.
#[derive(Serialize, Deserialize)]
struct StoredParked {
    topic: TopicName,
    key: Arc<str>,
    headers: Headers,
    payload: Bytes,
    reason: String,
    since: Timestamp,
    until: Timestamp,
    on_timeout: OnTimeout,
}

impl StoredParked {
    fn of(parked: &Parked) -> Self {
        let Parked { id: _, message, reason, since, until, on_timeout } = parked;
        Self {
            topic: message.topic.clone(),
            key: message.key.clone(),
            headers: message.headers.clone(),
            payload: message.payload.encode(),
            reason: reason.clone(),
            since: *since,
            until: *until,
            on_timeout: *on_timeout,
        }
    }

    fn into_parked(self, id: &ParkedId) -> Parked {
        let payload = Payload::Encoded(self.payload);
        Parked {
            id: id.clone(),
            message: Message { topic: self.topic, key: self.key, headers: self.headers, payload },
            reason: self.reason,
            since: self.since,
            until: self.until,
            on_timeout: self.on_timeout,
        }
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT]).expect("a stored shape holds nothing that postcard refuses")
}

fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8], what: impl Fn() -> String) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|error| Error::corrupt(what(), error)),
        Some((other, _)) => Err(Error::corrupt(what(), format!("it has format {other}, this host reads {FORMAT}"))),
        None => Err(Error::corrupt(what(), "it is empty")),
    }
}

#[cfg(test)]
mod tests {
    use host_core::table::Durability;

    use super::*;
    use crate::backends::memory::MemoryTables;
    use crate::conformance::sample::{at, park, parked, parked_id};

    fn write(tables: &MemoryTables, batch: Batch) {
        tables.write(batch, Durability::Synced).expect("memory takes every write");
    }

    /// A time-out whose message is gone, as a message leaves that could not be read when it was taken out.
    fn tables_with_a_left_over() -> MemoryTables {
        let tables = MemoryTables::new();
        let waiting = Waiting::open(&tables, Writer::Here).expect("empty tables are readable");
        let (mut changes, mut batch) = (Vec::new(), Batch::default());
        let mut unit = park(parked(&parked_id("k", "there"), 1, 20));
        waiting.stage(&mut changes, &Progress::new(Lsn(0)), Lsn(1), &mut unit);
        waiting.seal(&tables, changes, &mut batch);
        batch.put(Table::ParkedDue, keys::parked_due(&parked_id("k", "gone"), at(10)), Bytes::new());
        // One of an earlier wait of a message that waits again.
        batch.put(Table::ParkedDue, keys::parked_due(&parked_id("k", "there"), at(15)), Bytes::new());
        write(&tables, batch);
        tables
    }

    #[test]
    fn a_time_out_without_its_message_is_stepped_over_and_found_for_removal() {
        let tables = tables_with_a_left_over();
        assert_eq!(next_due(&tables).expect("it is readable"), Some(at(20)));
        assert_eq!(due(&tables, at(100), 10).expect("it is readable").len(), 1);
        assert_eq!(left_over(&tables, at(11), 10).expect("it is readable").len(), 1);
        let keys = left_over(&tables, at(100), 10).expect("it is readable");
        assert_eq!(keys.len(), 2);
        let mut batch = Batch::default();
        keys.into_iter().for_each(|key| batch.remove(Table::ParkedDue, key));
        write(&tables, batch);
        assert_eq!(left_over(&tables, at(100), 10).expect("it is readable").len(), 0);
        assert_eq!(due(&tables, at(100), 10).expect("it is readable").len(), 1, "what is there stays");
    }

    #[test]
    fn what_is_stored_in_another_format_is_named() {
        let tables = tables_with_a_left_over();
        let id = parked_id("k", "there");
        for (stored, cause) in [(&[9u8, 1][..], "format 9"), (&[], "empty"), (&[FORMAT, 0xff], "there/handle/1")] {
            let mut batch = Batch::default();
            batch.put(Table::Parked, keys::parked(&id), stored.to_vec());
            write(&tables, batch);
            let error = message(&tables, &id).expect_err("it is not readable");
            assert!(error.to_string().contains(cause), "{error}");
        }
    }
}

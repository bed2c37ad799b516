//! The one writer of the projection: folds batches of the journal into summaries, many batches at once, and keeps the
//! counts. A saga that begins and ends within one fold costs one write and no read.
//! Invariant: the counts, the index and the watermark change in one batch with the summaries they are derived from.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use host_core::id::{GlobalId, Lsn};
use host_core::json::Json;
use host_core::record::{Event, Record};
use host_core::saga::Saga;
use host_core::table::{Batch, Durability, Table, Tables};

use super::group::{self, Group};
use super::summary::{Summary, Trouble};
use super::{index, stored};
use crate::embedded::{journal, keys};
use crate::{Committed, Error};

/// Sagas by status, in the order of `Status::ALL`.
pub(super) type Counts = [u64; 8];

/// Sagas in flight that are kept in memory, in two generations and without their bodies: some two megabytes. One that
/// is not here is folded from its journal.
const GENERATION_MAX: usize = 1024;

pub(crate) struct Projector {
    projected: Lsn,
    pub(super) counts: Counts,
    pub(super) recent: Recent,
    /// Sagas of the last fold: the next one has about as many.
    folded_count: usize,
    /// Where retention goes on in the summaries; none: from the oldest.
    pub(super) retained: Option<Vec<u8>>,
}

/// Sagas that have not ended, as the last fold left them.
#[derive(Default)]
pub(super) struct Recent {
    young: HashMap<GlobalId, Saga>,
    old: HashMap<GlobalId, Saga>,
}

/// A saga within one fold.
#[derive(Default)]
pub(super) struct Folding {
    before: Option<Summary>,
    /// None as long as late messages were dropped and nothing else happened: there is no saga to show, its journal was
    /// removed long ago.
    pub(super) saga: Option<Saga>,
    /// Its journal cannot be read: what is listed of it stays as it is, and its neighbours go on.
    aside: bool,
}

/// The writes of one fold or one retention.
pub(super) struct Changes<'a> {
    tables: &'a dyn Tables,
    pub(super) batch: Batch,
    pub(super) counts: Counts,
    groups: HashMap<u64, Option<Group>>,
}

impl Projector {
    pub(crate) fn open(tables: &dyn Tables) -> Result<Self, Error> {
        let projected = match tables.get(Table::Meta, keys::META_PROJECTED)? {
            Some(bytes) => {
                keys::parse_lsn(&bytes).ok_or_else(|| Error::corrupt("the mark projected", "it is no lsn"))?
            }
            None => Lsn::default(),
        };
        let counts = match tables.get(Table::Meta, keys::META_COUNTS)? {
            Some(bytes) => {
                decode_counts(&bytes).ok_or_else(|| Error::corrupt("the counts of sagas", "they are not 8"))?
            }
            None => Counts::default(),
        };
        Ok(Self { projected, counts, recent: Recent::default(), folded_count: 0, retained: None })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Fold these batches. Those that are already folded change nothing.
    pub(crate) fn project(&mut self, tables: &dyn Tables, batches: &[Arc<Committed>]) -> Result<(), Error> {
        let projected = self.projected;
        let new = || batches.iter().filter(|batch| batch.lsn > projected);
        let Some(last) = new().map(|batch| batch.lsn).max() else { return Ok(()) };
        // In order of appearance; the map holds places, so that it grows without moving sagas about.
        let mut foldings: Vec<Folding> = Vec::with_capacity(self.folded_count);
        let mut places: HashMap<&GlobalId, usize> = HashMap::with_capacity(self.folded_count);
        let mut changes = Changes::new(tables, self.counts);
        let folded = (|| {
            for record in new().flat_map(|batch| &batch.records) {
                match places.entry(&record.global_id) {
                    Entry::Occupied(entry) => foldings[*entry.get()].apply(record),
                    Entry::Vacant(entry) => {
                        foldings.push(self.begin(tables, record)?);
                        entry.insert(foldings.len() - 1);
                    }
                }
            }
            for Folding { before, saga, .. } in foldings.iter().filter(|folding| !folding.aside) {
                changes.replace(before.as_ref(), saga.as_ref().map(Summary::from).as_ref())?;
            }
            new().for_each(|batch| changes.batch.remove(Table::Feed, keys::lsn(batch.lsn)));
            changes.batch.put(Table::Meta, keys::META_PROJECTED, keys::lsn(last));
            changes.write()
        })();
        // What was taken out of memory is folded from its journal if it did not come to be written.
        self.counts = folded.inspect_err(|_| self.recent = Recent::default())?;
        self.projected = last;
        self.folded_count = foldings.len();
        foldings.into_iter().filter_map(|folding| folding.saga).for_each(|saga| self.recent.keep(saga));
        Ok(())
    }

    /// The saga of a record that is the first of this fold. `Started` is the first record that tells of a saga, so with
    /// it nothing needs to be read.
    fn begin(&mut self, tables: &dyn Tables, record: &Record) -> Result<Folding, Error> {
        let mut folding = Folding::default();
        if !matches!(record.event, Event::Started { .. }) {
            folding.saga = match self.recent.take(&record.global_id) {
                Some(saga) => Some(saga),
                None => match self.fold_journal(tables, &record.global_id) {
                    Ok(saga) => saga,
                    Err(error @ Error::Corrupt { .. }) => {
                        tracing::error!(error = %error, "a saga is not up to date in lists and errors");
                        return Ok(Folding { aside: true, ..folding });
                    }
                    Err(error) => return Err(error),
                },
            };
            folding.before = folding.saga.as_ref().map(Summary::from);
        }
        folding.apply(record);
        Ok(folding)
    }

    /// A saga as it was folded up to now.
    fn fold_journal(&self, tables: &dyn Tables, global_id: &GlobalId) -> Result<Option<Saga>, Error> {
        let mut folding = Folding::default();
        journal::rows(tables, global_id, |key, value| {
            // Rows behind the watermark belong to this fold, or to one that is to come.
            if keys::journal_lsn(key).is_some_and(|lsn| lsn <= self.projected) {
                journal::decode(global_id, key, value)?.iter().for_each(|record| folding.apply(record));
            }
            Ok(())
        })?;
        Ok(folding.saga)
    }
}

impl Folding {
    pub(super) fn apply(&mut self, record: &Record) {
        match &mut self.saga {
            Some(saga) => saga.apply(record),
            None if matches!(record.event, Event::LateDropped { .. }) => {}
            None => self.saga = Some(Saga::begin(record)),
        }
    }
}

impl Recent {
    fn take(&mut self, global_id: &GlobalId) -> Option<Saga> {
        self.young.remove(global_id).or_else(|| self.old.remove(global_id))
    }

    /// Keep what no list needs out of memory, and an ended saga altogether.
    fn keep(&mut self, mut saga: Saga) {
        if saga.ended {
            return;
        }
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        saga.body = Json::null();
        saga.letter = None;
        saga.actions = Vec::new();
        saga.given_up.iter_mut().for_each(|given_up| given_up.letter = Bytes::new());
        self.young.insert(saga.global_id.clone(), saga);
    }

    pub(super) fn forget(&mut self, global_id: &GlobalId) {
        self.take(global_id);
    }
}

impl<'a> Changes<'a> {
    pub(super) fn new(tables: &'a dyn Tables, counts: Counts) -> Self {
        Self { tables, batch: Batch::default(), counts, groups: HashMap::new() }
    }

    /// Put a saga's rows from what they were to what they are; none: there is no such saga.
    pub(super) fn replace(&mut self, before: Option<&Summary>, now: Option<&Summary>) -> Result<(), Error> {
        if let Some(before) = before {
            let count = &mut self.counts[usize::from(index::status_code(before.status))];
            *count = count.saturating_sub(1);
        }
        if let Some(now) = now {
            self.counts[usize::from(index::status_code(now.status))] += 1;
        }
        self.replace_summary(before, now);
        self.replace_status(before, now);
        self.replace_member(before, now)
    }

    fn replace_summary(&mut self, before: Option<&Summary>, now: Option<&Summary>) {
        let place = |summary: &Summary| index::place(summary.started_at, &summary.global_id);
        let (was, is) = (before.map(place), now.map(place));
        if let Some(was) = was.filter(|was| Some(was) != is.as_ref()) {
            self.batch.remove(Table::Summaries, was);
        }
        if let (Some(is), Some(now)) = (is, now) {
            self.batch.put(Table::Summaries, is, stored::encode(now));
        }
    }

    fn replace_status(&mut self, before: Option<&Summary>, now: Option<&Summary>) {
        let (was, is) = (before.and_then(index::by_status), now.and_then(index::by_status));
        if was == is {
            return;
        }
        if let Some(was) = was {
            self.batch.remove(Table::Index, was);
        }
        if let Some(is) = is {
            self.batch.put(Table::Index, is, Vec::new());
        }
    }

    fn replace_member(&mut self, before: Option<&Summary>, now: Option<&Summary>) -> Result<(), Error> {
        let (was, is) = (before.and_then(Member::of), now.and_then(Member::of));
        match (was, is) {
            (None, None) => {}
            (Some(was), Some(is)) if was.key == is.key => {
                let group = self.group(&is)?;
                group.last_at = group.last_at.max(is.trouble.at);
            }
            (was, is) => {
                if let Some(was) = was {
                    let group = self.group(&was)?;
                    group.count = group.count.saturating_sub(1);
                    self.batch.remove(Table::Index, was.key);
                }
                if let Some(is) = is {
                    let group = self.group(&is)?;
                    group.count += 1;
                    group.last_at = group.last_at.max(is.trouble.at);
                    self.batch.put(Table::Index, is.key, Vec::new());
                }
            }
        }
        Ok(())
    }

    /// The group of a member, read once.
    fn group(&mut self, member: &Member<'_>) -> Result<&mut Group, Error> {
        let group = match self.groups.entry(member.number) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let value = self.tables.get(Table::Index, &index::group(member.number))?;
                let group = value.map(|value| stored::decode_group(member.number, &value)).transpose()?;
                entry.insert(group)
            }
        };
        Ok(group.get_or_insert_with(|| Group::new(member.summary.use_case.as_ref(), member.trouble)))
    }

    /// Write everything and answer the counts that hold from now on.
    pub(super) fn write(mut self) -> Result<Counts, Error> {
        for (number, group) in self.groups {
            let Some(group) = group else { continue };
            let key = index::group(number);
            if group.count == 0 {
                self.batch.remove(Table::Index, key);
            } else {
                self.batch.put(Table::Index, key, stored::encode_group(&group));
            }
        }
        self.batch.put(Table::Meta, keys::META_COUNTS, encode_counts(&self.counts));
        self.tables.write(self.batch, Durability::Visible)?;
        Ok(self.counts)
    }
}

/// A saga's row in its error group.
pub(super) struct Member<'a> {
    summary: &'a Summary,
    trouble: &'a Trouble,
    pub(super) number: u64,
    pub(super) key: Vec<u8>,
}

impl<'a> Member<'a> {
    pub(super) fn of(summary: &'a Summary) -> Option<Self> {
        let trouble = summary.error()?;
        let number = group::number(summary.use_case.as_ref(), trouble);
        let key = index::member(number, trouble, &summary.global_id);
        Some(Self { summary, trouble, number, key })
    }
}

fn encode_counts(counts: &Counts) -> Vec<u8> {
    counts.iter().flat_map(|count| count.to_be_bytes()).collect()
}

pub(super) fn decode_counts(bytes: &[u8]) -> Option<Counts> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let counts: Vec<u64> = chunks.iter().map(|chunk| u64::from_be_bytes(*chunk)).collect();
    counts.try_into().ok().filter(|_| rest.is_empty())
}

//! Holds the projection against the journal: every row that lists and error groups are read from, against a fresh fold
//! of what was committed. Reads only; for a store that nobody writes to meanwhile.

use std::collections::HashMap;

use host_core::id::{GlobalId, Lsn};
use host_core::table::{Table, Tables};

use super::fold::{Counts, Folding, Member, decode_counts};
use super::summary::Summary;
use super::{index, stored};
use crate::Error;
use crate::embedded::{journal, keys};

/// Rows read at once: a row of the journal holds up to a few bodies of a megabyte.
const ROWS_READ_MAX: usize = 64;
/// Differences that are told: more of them say nothing new.
const DIFFERENCES_MAX: usize = 100;

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Sagas whose journal was folded.
    pub saga_count: u64,
    /// Where the projection says something else than the journal. At most a hundred.
    pub differences: Vec<Difference>,
}

/// One thing that the journal does not bear out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// None where it is about sums.
    pub global_id: Option<GlobalId>,
    pub what: String,
}

/// Compare everything that was projected up to `projected`.
pub(crate) fn audit(tables: &dyn Tables, projected: Lsn) -> Result<Audit, Error> {
    let mut auditor = Auditor { tables, audit: Audit::default(), expected: Expected::default() };
    auditor.walk_journal(projected)?;
    auditor.compare_sums()?;
    Ok(auditor.audit)
}

/// What the tables of the projection hold if they hold what the journal says.
#[derive(Default)]
struct Expected {
    counts: Counts,
    summary_rows: u64,
    /// Rows by status and members of groups.
    index_rows: u64,
    /// Members of each group.
    groups: HashMap<u64, u64>,
}

struct Auditor<'a> {
    tables: &'a dyn Tables,
    audit: Audit,
    expected: Expected,
}

impl Auditor<'_> {
    /// Fold saga after saga, in the order of their ids.
    fn walk_journal(&mut self, projected: Lsn) -> Result<(), Error> {
        let mut saga: Option<(GlobalId, Folding)> = None;
        let mut from = Vec::new();
        loop {
            let rows = self.tables.scan(Table::Journal, &from, None, ROWS_READ_MAX)?;
            for (key, value) in &rows {
                let global_id = keys::journal_global_id(key)?;
                if saga.as_ref().is_none_or(|(current, _)| *current != global_id) {
                    self.compare(saga.replace((global_id.clone(), Folding::default())))?;
                }
                let records = journal::decode(&global_id, key, value)?;
                // What was committed behind the watermark is not projected yet, which is no difference.
                if let Some((_, folding)) = &mut saga
                    && keys::journal_lsn(key).is_some_and(|lsn| lsn <= projected)
                {
                    records.iter().for_each(|record| folding.apply(record));
                }
            }
            match rows.last() {
                Some((last, _)) if rows.len() == ROWS_READ_MAX => from = [last, &[0][..]].concat(),
                Some(_) | None => return self.compare(saga),
            }
        }
    }

    /// The rows of one saga.
    fn compare(&mut self, folded: Option<(GlobalId, Folding)>) -> Result<(), Error> {
        let Some((global_id, folding)) = folded else { return Ok(()) };
        let Some(saga) = folding.saga else { return Ok(()) };
        let summary = Summary::from(&saga);
        self.audit.saga_count += 1;
        self.expected.summary_rows += 1;
        self.expected.counts[usize::from(index::status_code(summary.status))] += 1;
        let place = index::place(summary.started_at, &global_id);
        match self.tables.get(Table::Summaries, &place)? {
            Some(value) => {
                let listed = stored::decode(&place, &value)?;
                if listed != summary {
                    let what = format!("the list says {listed:?}, its journal says {summary:?}");
                    self.differ(Some(&global_id), what);
                }
            }
            None => self.differ(Some(&global_id), "it has a journal and is in no list"),
        }
        if let Some(key) = index::by_status(&summary) {
            self.expect_index(&global_id, &key, "the list of its status")?;
        }
        if let Some(Member { number, key, .. }) = Member::of(&summary) {
            *self.expected.groups.entry(number).or_default() += 1;
            self.expect_index(&global_id, &key, "its error group")?;
        }
        Ok(())
    }

    fn expect_index(&mut self, global_id: &GlobalId, key: &[u8], place: &str) -> Result<(), Error> {
        self.expected.index_rows += 1;
        if self.tables.get(Table::Index, key)?.is_none() {
            self.differ(Some(global_id), format!("it is missing in {place}"));
        }
        Ok(())
    }

    /// Every row that is expected was looked up; were there more, the sums would tell.
    fn compare_sums(&mut self) -> Result<(), Error> {
        let listed = self.count(Table::Summaries, &[])?;
        let wanted = self.expected.summary_rows;
        if listed != wanted {
            self.differ(None, format!("the lists hold {listed} sagas, the journal has {wanted}"));
        }
        let groups = self.count(Table::Index, &index::groups())?;
        let (rows, wanted) = (self.count(Table::Index, &[])?.saturating_sub(groups), self.expected.index_rows);
        if rows != wanted {
            self.differ(None, format!("the index holds {rows} rows, the journal asks for {wanted}"));
        }
        self.compare_groups(groups)?;
        let counts = self.tables.get(Table::Meta, keys::META_COUNTS)?.and_then(|bytes| decode_counts(&bytes));
        let (counts, wanted) = (counts.unwrap_or_default(), self.expected.counts);
        if counts != wanted {
            self.differ(None, format!("sagas are counted by status as {counts:?}, the journal has {wanted:?}"));
        }
        Ok(())
    }

    fn compare_groups(&mut self, group_count: u64) -> Result<(), Error> {
        for (number, wanted) in self.expected.groups.clone() {
            let value = self.tables.get(Table::Index, &index::group(number))?;
            let group = value.map(|value| stored::decode_group(number, &value)).transpose()?;
            let counted = group.map_or(0, |group| group.count);
            if counted != wanted {
                self.differ(
                    None,
                    format!("error group {number:016x} counts {counted} sagas, the journal has {wanted}"),
                );
            }
        }
        let wanted = self.expected.groups.len() as u64;
        if group_count != wanted {
            self.differ(None, format!("there are {group_count} error groups, the journal asks for {wanted}"));
        }
        Ok(())
    }

    /// Rows whose key begins so.
    fn count(&self, table: Table, prefix: &[u8]) -> Result<u64, Error> {
        let to = host_core::table::prefix_end(prefix);
        let mut from = prefix.to_vec();
        let mut count = 0;
        loop {
            let rows = self.tables.scan(table, &from, to.as_deref(), ROWS_READ_MAX)?;
            count += rows.len() as u64;
            match rows.last() {
                Some((last, _)) if rows.len() == ROWS_READ_MAX => from = [last, &[0][..]].concat(),
                Some(_) | None => return Ok(count),
            }
        }
    }

    fn differ(&mut self, global_id: Option<&GlobalId>, what: impl Into<String>) {
        if self.audit.differences.len() < DIFFERENCES_MAX {
            self.audit.differences.push(Difference { global_id: global_id.cloned(), what: what.into() });
        }
    }
}

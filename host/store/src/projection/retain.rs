//! Retention: what is old enough goes, a bounded piece at a time, oldest first. A saga goes whole: journal, summary and
//! index rows in one batch. A saga that has not ended never goes.

use bytes::Bytes;
use host_core::table::{Table, Tables};
use host_core::time::Timestamp;

use super::fold::{Changes, Projector};
use super::summary::Summary;
use super::{index, stored};
use crate::Error;
use crate::embedded::journal;

/// Summaries looked at per saga that may go: old sagas that still stand are stepped over, some at each call.
const LOOKED_AT_FACTOR: usize = 4;

impl Projector {
    /// Remove sagas that ended before `before`, and these rows of `ParkedDue`. Answers how many sagas went.
    pub(crate) fn retain(
        &mut self,
        tables: &dyn Tables,
        left_over: Vec<Bytes>,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let gone = self.ended_before(tables, before, limit)?;
        if gone.is_empty() && left_over.is_empty() {
            return Ok(0);
        }
        let mut changes = Changes::new(tables, self.counts);
        left_over.into_iter().for_each(|key| changes.batch.remove(Table::ParkedDue, key));
        for summary in &gone {
            changes.replace(Some(summary), None)?;
            journal::rows(tables, &summary.global_id, |key, _| {
                changes.batch.remove(Table::Journal, key.clone());
                Ok(())
            })?;
        }
        self.counts = changes.write()?;
        gone.iter().for_each(|summary| self.recent.forget(&summary.global_id));
        Ok(gone.len())
    }

    /// The next sagas that may go. Goes on where it stopped, and from the oldest again when it has come to `before`.
    fn ended_before(&mut self, tables: &dyn Tables, before: Timestamp, limit: usize) -> Result<Vec<Summary>, Error> {
        let looked_at_max = limit.saturating_mul(LOOKED_AT_FACTOR);
        // A saga that started at `before` or later cannot have ended before it.
        let from = index::behind(before);
        let rows = tables.scan_back(Table::Summaries, &from, self.retained.as_deref(), looked_at_max)?;
        let came_to_the_end = rows.len() < looked_at_max;
        let mut gone = Vec::new();
        let mut stopped_at = None;
        for (key, value) in &rows {
            if gone.len() == limit {
                break;
            }
            let summary = stored::decode(key, value)?;
            if summary.ended && summary.updated_at < before {
                gone.push(summary);
            }
            stopped_at = Some(key.to_vec());
        }
        let all_seen = came_to_the_end && stopped_at.as_deref() == rows.last().map(|(key, _)| &key[..]);
        self.retained = if all_seen { None } else { stopped_at };
        Ok(gone)
    }
}

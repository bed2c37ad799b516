//! Forgetting what logs need not keep any more, by age and by size.
//! It writes beside the commits: nothing else writes to the rows it removes, nor to those it keeps its count in.

use host_core::table::{Batch, Durability, Table};
use host_core::time::Timestamp;

use super::row::{self, Kind};
use super::shared::{LOAD_ROWS, Shared};
use super::topic::Topic;
use crate::{Error, Retention};

impl Shared {
    /// One bounded round over all logs. Answers how many messages went.
    pub(super) fn retain(&self, now: Timestamp) -> Result<usize, Error> {
        let _alone = self.retaining.lock();
        let mut count = 0;
        for topic in self.registry.all() {
            match (topic.kind, self.options.retention(&topic.name)) {
                (Kind::Log, Retention::Kept { age_max, bytes_max }) => {
                    let is_old = |published_at: Timestamp| published_at.plus(age_max) <= now;
                    while count < self.options.retain_count_max {
                        let limit = LOAD_ROWS.min(self.options.retain_count_max - count);
                        let removed = self.trim(&topic, is_old, bytes_max, limit)?;
                        count += removed;
                        if removed < limit {
                            break;
                        }
                    }
                }
                (Kind::Log, Retention::UntilAcknowledged) | (Kind::Queue, _) => {}
            }
        }
        Ok(count)
    }

    /// Remove from the beginning of a log while the first message is old or the log too large; at most `limit`.
    fn trim(
        &self,
        topic: &Topic,
        is_old: impl Fn(Timestamp) -> bool,
        bytes_max: u64,
        limit: usize,
    ) -> Result<usize, Error> {
        let (mut trimmed, mut bytes) = {
            let sealed = topic.sealed.lock();
            (sealed.trimmed, sealed.tally.bytes.saturating_sub(sealed.trimmed.bytes))
        };
        let (start, end) = (row::message_key(topic.id, trimmed.first), row::message_key(topic.id, u64::MAX));
        let mut batch = Batch::default();
        for (key, value) in self.tables.scan(Table::Messages, &start, Some(&end), limit)? {
            // One that cannot be read goes with its neighbours when its turn comes by size.
            let goes_by_age = row::decode_head(&value).is_ok_and(|(head, _)| is_old(head.published_at));
            let Some(offset) = row::message_offset(&key).filter(|_| goes_by_age || bytes > bytes_max) else { break };
            let row_bytes = (key.len() + value.len()) as u64;
            bytes = bytes.saturating_sub(row_bytes);
            trimmed.count += 1;
            trimmed.bytes += row_bytes;
            trimmed.first = offset + 1;
            batch.remove(Table::Messages, key);
        }
        let removed = batch.writes.len();
        if removed > 0 {
            batch.put(Table::Topics, row::trimmed_key(topic.id), row::encode_value(&trimmed));
            self.tables.write(batch, Durability::Visible)?;
            topic.trim(trimmed, removed as u64);
        }
        Ok(removed)
    }
}

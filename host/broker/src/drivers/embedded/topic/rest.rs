//! Finding messages of a topic where they rest, for claims and for those who look on.

use std::collections::HashSet;
use std::sync::Arc;

use host_core::id::Lsn;

use super::{Kind, Place, Row, Scan, State, Stored, Topic};
use crate::drivers::embedded::row::Trimmed;
use crate::drivers::window::{Claimed, Slot};

/// What a claim of a key finds in memory.
#[derive(Debug)]
pub(in crate::drivers::embedded) enum ClaimSearch {
    Taken {
        offset: u64,
        slot: Slot<Stored>,
    },
    /// A message of this key is out.
    Out,
    /// Read `from..to` for the key, then end the scan. `fallback` is the one to take if there is none.
    Scan {
        from: u64,
        to: u64,
        fallback: Option<Row>,
        scan: Scan,
    },
    Absent,
}

/// Everything that is needed to list a topic.
#[derive(Debug)]
pub(in crate::drivers::embedded) struct View {
    pub in_memory: Vec<Row>,
    /// The tables hold the rest of it, in this range.
    pub from: u64,
    pub to: u64,
    /// Rows that are not to be seen any more.
    pub gone: HashSet<u64>,
}

impl Topic {
    /// Retention removed the beginning of a log.
    pub(in crate::drivers::embedded) fn trim(&self, trimmed: Trimmed, removed_count: u64) {
        let mut state = self.state.lock();
        state.first = trimmed.first;
        state.count = state.count.saturating_sub(removed_count);
        for group in &mut state.groups {
            group.acked.insert(0, trimmed.first);
            group.window.end = group.window.end.max(trimmed.first);
        }
        let mut sealed = self.sealed.lock();
        sealed.trimmed = trimmed;
        sealed.acked.iter_mut().for_each(|acked| acked.insert(0, trimmed.first));
    }
}

impl State {
    /// Look for the first message of a key in a queue.
    pub(in crate::drivers::embedded) fn search(&mut self, key: &str, written: Lsn) -> ClaimSearch {
        let group = &mut self.groups[0];
        match group.window.claim(key) {
            Claimed::Taken { offset, slot } => return ClaimSearch::Taken { offset, slot },
            Claimed::Out => return ClaimSearch::Out,
            Claimed::Absent => {}
        }
        let from = group.window.end;
        if from == self.next {
            return ClaimSearch::Absent;
        }
        let mut unwritten = self.unwritten.range(from..);
        let fallback = unwritten.find(|(_, stored)| &*stored.message.key == key);
        let fallback = fallback.map(|(&offset, stored)| (offset, stored.clone()));
        ClaimSearch::Scan { from, to: self.tables_end, fallback, scan: self.scans.begin(written) }
    }

    /// Whether a message that was found in the tables or in `unwritten` is still at rest there.
    pub(in crate::drivers::embedded) fn is_at_rest(&self, offset: u64) -> bool {
        let window = &self.groups[0].window;
        offset >= window.end && !window.is_out(offset) && !self.gone.iter().any(|&(gone, _)| gone == offset)
    }

    /// Claim what a search found. None if it moved meanwhile; otherwise whether it may have been delivered before.
    pub(in crate::drivers::embedded) fn claim(&mut self, offset: u64, stored: &Arc<Stored>) -> Option<bool> {
        if !self.is_at_rest(offset) || !self.groups[0].window.claim_from_outside(offset, stored) {
            return None;
        }
        self.unwritten.remove(&offset);
        Some(offset < self.redelivered_below)
    }

    /// A reading of the tables is over.
    pub(in crate::drivers::embedded) fn end_scan(&mut self, scan: Scan, written: Lsn) {
        self.scans.end(scan);
        self.forget_written(written);
    }

    /// A delayed message goes out to a claim, under an offset of its own. None if its key has a message here.
    pub(in crate::drivers::embedded) fn hold(&mut self, stored: &Arc<Stored>) -> Option<u64> {
        let offset = self.next;
        let window = &mut self.groups[0].window;
        if !window.claim_from_outside(offset, stored) {
            return None;
        }
        self.next += 1;
        if window.end == offset {
            window.end = self.next;
        }
        Some(offset)
    }

    /// What there is from an offset on.
    pub(in crate::drivers::embedded) fn view(&self, kind: Kind, from: u64) -> View {
        let unwritten = self.unwritten.range(from..).map(|(&offset, stored)| (offset, stored.clone()));
        let mut in_memory: Vec<Row> = unwritten.collect();
        let start = match kind {
            Kind::Log => self.first,
            Kind::Queue => {
                let window = &self.groups[0].window;
                let messages = window
                    .messages()
                    .filter(|&(offset, stored)| offset >= from && matches!(stored.place, Place::Ready { .. }));
                in_memory.extend(messages.map(|(offset, stored)| (offset, stored.clone())));
                window.end
            }
        };
        View { in_memory, from: from.max(start), to: self.next, gone: self.gone_offsets() }
    }

    /// Messages in memory, whatever for.
    #[cfg(test)]
    pub(in crate::drivers::embedded) fn in_memory_count(&self) -> usize {
        let windows = self.groups.iter().map(|group| group.window.messages().count());
        self.unwritten.len() + windows.sum::<usize>()
    }
}

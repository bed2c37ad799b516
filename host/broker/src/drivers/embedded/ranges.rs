//! A set of offsets as ranges: what a group of a log has acknowledged. Knows nothing of topics or tables.
//! Invariant: ranges are not empty, do not touch and do not overlap.

use std::collections::BTreeMap;

/// Offsets, as few ranges as possible. A log is acknowledged nearly in order, so there are about as many ranges as
/// messages that are out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// Start to end (exclusive).
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// From (start, end) pairs as they were stored; an empty or twisted pair is passed over.
    pub(super) fn from_pairs(pairs: &[(u64, u64)]) -> Self {
        let mut ranges = Self::default();
        pairs.iter().filter(|(start, end)| start < end).for_each(|&(start, end)| ranges.insert(start, end));
        ranges
    }

    pub(super) fn pairs(&self) -> Vec<(u64, u64)> {
        self.ends.iter().map(|(&start, &end)| (start, end)).collect()
    }

    /// Add every offset of `start..end`.
    pub(super) fn insert(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let (mut start, mut end) = (start, end);
        if let Some((&before, &before_end)) = self.ends.range(..=start).next_back()
            && before_end >= start
        {
            start = before;
            end = end.max(before_end);
        }
        while let Some((&next, &next_end)) = self.ends.range(start..).next()
            && next <= end
        {
            end = end.max(next_end);
            self.ends.remove(&next);
        }
        self.ends.insert(start, end);
    }

    pub(super) fn contains(&self, offset: u64) -> bool {
        self.ends.range(..=offset).next_back().is_some_and(|(_, &end)| offset < end)
    }

    /// The lowest offset that is not in the set.
    pub(super) fn first_missing(&self) -> u64 {
        self.ends.get(&0).copied().unwrap_or(0)
    }

    /// How many offsets of `start..end` are in the set.
    pub(super) fn count_within(&self, start: u64, end: u64) -> u64 {
        self.ends
            .iter()
            .map(|(&range_start, &range_end)| range_end.min(end).saturating_sub(range_start.max(start)))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ranges_hold_what_was_put_in_and_never_touch() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for _ in 0..60 {
                let start = random.u64(0..80);
                let end = start + random.u64(0..6);
                ranges.insert(start, end);
                model.extend(start..end);
                assert!((0..100).all(|offset| ranges.contains(offset) == model.contains(&offset)));
                let pairs = ranges.pairs();
                assert!(pairs.windows(2).all(|two| two[0].1 < two[1].0), "{pairs:?} touch");
                assert_eq!(ranges.first_missing(), (0..).find(|offset| !model.contains(offset)).expect("is finite"));
                assert_eq!(ranges.count_within(10, 50), model.range(10..50).count() as u64);
                assert_eq!(Ranges::from_pairs(&pairs), ranges);
            }
        }
    }
}

//! What of one partition was read and what of it is done, and how that is written beside the group's position.
//!
//! A group's position in Kafka is one number: everything before it is done. Steps of one partition end in another order
//! than they began, and each is committed when it ends, so what is done is the position and some offsets beyond it.
//! Those beyond would run again after a restart, although their outputs were committed. So what is done beyond the
//! position is written into the text that Kafka keeps with a position, in the same transaction (the idea is that of
//! Confluent's parallel consumer).
//!
//! Messages that this host published itself may be done before they were read back; they are `own` until then.

use std::collections::BTreeSet;

use super::done_text;

/// How far beyond the position a partition is read. Whatever the pattern, the text then fits into what a broker takes
/// (`offset.metadata.max.bytes`, 4096): six offsets a character, and room for what is published meanwhile.
pub(super) const AHEAD_MAX: u64 = 16_384;

/// How far messages of our own may be ahead of what was read.
const OWN_AHEAD_MAX: u64 = 4096;

/// One partition as its group sees it. Offsets that never held a message (Kafka's own marks of transactions) count as
/// done once something behind them was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ledger {
    /// Everything before this was read, or was done when the partition was assigned.
    read_end: u64,
    /// Messages that are here and not done.
    undone: BTreeSet<u64>,
    /// Not done when the partition was assigned, and not yet read again. Some of them may hold no message.
    expected: BTreeSet<u64>,
    /// Done though nothing from `read_end` on was read: in a host before this one, or because the message is our own.
    done_ahead: BTreeSet<u64>,
    /// Published by this host and at hand already: what is read there is no news.
    own: BTreeSet<u64>,
}

/// What a message that was just read is to its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// To be delivered.
    New,
    /// To be delivered; a host before this one may have read it.
    Again,
    /// A unit that was committed has it.
    Done,
    /// It is at hand since it was published.
    Own,
}

/// The text beside a position is not ours. Somebody else's group, or a host of a later version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text beside the position cannot be read: {text:?}")]
pub(super) struct Unreadable {
    pub(super) text: String,
}

impl Ledger {
    /// A partition as a position and its text say.
    pub(super) fn resume(position: u64, text: &str) -> Result<Self, Unreadable> {
        let done_ahead = done_text::read(position, text).ok_or_else(|| Unreadable { text: text.to_owned() })?;
        let expected = match done_ahead.last() {
            Some(&last) => (position..last).filter(|offset| !done_ahead.contains(offset)).collect(),
            None => BTreeSet::new(),
        };
        Ok(Self { read_end: position, undone: BTreeSet::new(), expected, done_ahead, own: BTreeSet::new() })
    }

    /// A message was read at this offset. Offsets come in order, and may leave some out.
    pub(super) fn read(&mut self, offset: u64) -> Read {
        let end = offset.saturating_add(1);
        if offset < self.read_end {
            return Read::Done;
        }
        self.read_end = end;
        let is_done = self.done_ahead.contains(&offset);
        self.done_ahead = self.done_ahead.split_off(&end);
        let is_expected = self.expected.contains(&offset);
        self.expected = self.expected.split_off(&end);
        let is_own = self.own.remove(&offset);
        if !is_own && !is_done {
            self.undone.insert(offset);
        }
        self.pass_done();
        if is_own {
            return Read::Own;
        }
        if is_done {
            return Read::Done;
        }
        if is_expected { Read::Again } else { Read::New }
    }

    /// A message of ours has got its place here, and is at hand. What is read there is no news.
    pub(super) fn own(&mut self, offset: u64) {
        self.own.insert(offset);
        self.undone.insert(offset);
    }

    /// The place that a message of ours had got is none after all: its transaction was aborted.
    pub(super) fn disown(&mut self, offset: u64) {
        self.own.remove(&offset);
        self.undone.remove(&offset);
        self.done_ahead.remove(&offset);
    }

    /// The unit of this message is part of the transaction that is being made.
    pub(super) fn done(&mut self, offset: u64) {
        self.undone.remove(&offset);
        if offset >= self.read_end {
            self.done_ahead.insert(offset);
            self.pass_done();
        }
    }

    /// What is done right behind `read_end` need not be read.
    fn pass_done(&mut self) {
        while self.done_ahead.remove(&self.read_end) {
            self.own.remove(&self.read_end);
            self.read_end += 1;
        }
    }

    /// The transaction was aborted: the message is not done after all.
    pub(super) fn not_done(&mut self, offset: u64) {
        self.done_ahead.remove(&offset);
        self.undone.insert(offset);
    }

    /// Whether more may be read: the text has room for it.
    pub(super) fn has_room(&self) -> bool {
        self.read_end.saturating_sub(self.position()) < AHEAD_MAX
    }

    /// Whether what was published by this host is far ahead of what was read back.
    pub(super) fn is_far_ahead(&self) -> bool {
        self.end().saturating_sub(self.read_end) > OWN_AHEAD_MAX
    }

    /// Messages that lie behind what was read and are at hand, or done, all the same.
    pub(super) fn known_ahead(&self) -> u64 {
        let others = self.done_ahead.iter().filter(|offset| !self.own.contains(offset)).count();
        (self.own.len() + others) as u64
    }

    /// Everything before this was read.
    pub(super) fn read_end(&self) -> u64 {
        self.read_end
    }

    /// The first offset that may not be done: the group's position.
    pub(super) fn position(&self) -> u64 {
        self.undone.first().map_or(self.read_end, |&first| first.min(self.read_end))
    }

    /// Whether a message is done that was not read since the partition was assigned.
    pub(super) fn is_done(&self, offset: u64) -> bool {
        offset < self.position() || self.done_ahead.contains(&offset)
    }

    /// What is written beside the position: nothing where nothing beyond it is done.
    pub(super) fn text(&self) -> String {
        let position = self.position();
        // Between the position and `read_end`, what is not here is done; from there on, what is known to be.
        let known_end = self.done_ahead.last().map_or(self.read_end, |&last| last + 1);
        let is_done = |offset: u64| {
            if offset < self.read_end { !self.undone.contains(&offset) } else { self.done_ahead.contains(&offset) }
        };
        done_text::write((position..known_end).map(is_done))
    }

    fn end(&self) -> u64 {
        let ahead = self.done_ahead.last().map_or(0, |&last| last + 1);
        let undone = self.undone.last().map_or(0, |&last| last + 1);
        self.read_end.max(ahead).max(undone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(position: u64) -> Ledger {
        Ledger::resume(position, "").expect("no text is readable")
    }

    fn is_undone(ledger: &Ledger, offset: u64) -> bool {
        ledger.undone.contains(&offset)
    }

    #[test]
    fn whoever_looks_sees_what_is_done_without_reading() {
        let mut ledger = fresh(0);
        (0..6).for_each(|offset| assert_eq!(ledger.read(offset), Read::New));
        [0, 2, 3].into_iter().for_each(|offset| ledger.done(offset));
        let seen = resumed(&ledger);
        let done: Vec<_> = (0..8).map(|offset| seen.is_done(offset)).collect();
        assert_eq!(done, [true, false, true, true, false, false, false, false]);
    }

    fn resumed(ledger: &Ledger) -> Ledger {
        Ledger::resume(ledger.position(), &ledger.text()).expect("it is ours")
    }

    #[test]
    fn in_order_there_is_a_position_and_no_text() {
        let mut ledger = fresh(100);
        for offset in 100..110 {
            assert_eq!(ledger.read(offset), Read::New);
            assert_eq!((ledger.position(), &*ledger.text()), (offset, ""));
            ledger.done(offset);
            assert_eq!((ledger.position(), &*ledger.text()), (offset + 1, ""));
        }
    }

    #[test]
    fn what_is_done_beyond_the_position_is_done_after_a_restart_as_well() {
        let mut ledger = fresh(0);
        (0..10).for_each(|offset| assert_eq!(ledger.read(offset), Read::New));
        [0, 1, 3, 4, 7].into_iter().for_each(|offset| ledger.done(offset));
        assert_eq!(ledger.position(), 2);
        let mut after = resumed(&ledger);
        let read: Vec<_> = (2..11).map(|offset| after.read(offset)).collect();
        let (again, done, new) = (Read::Again, Read::Done, Read::New);
        assert_eq!(read, [again, done, done, again, again, done, new, new, new]);
    }

    #[test]
    fn marks_of_transactions_between_messages_hold_nothing_up() {
        let mut ledger = fresh(5);
        [5, 7, 9].into_iter().for_each(|offset| assert_eq!(ledger.read(offset), Read::New));
        ledger.done(5);
        assert_eq!(ledger.position(), 7);
        ledger.done(9);
        ledger.done(7);
        assert_eq!((ledger.position(), &*ledger.text()), (10, ""));
    }

    #[test]
    fn a_message_of_our_own_is_done_before_it_is_read_back() {
        let mut ledger = fresh(10);
        ledger.own(12);
        ledger.own(13);
        ledger.done(12);
        // What lies at 10 and 11 is somebody else's, or nothing.
        assert_eq!(ledger.position(), 10);
        let mut after = resumed(&ledger);
        let read: Vec<_> = [11, 12, 13].into_iter().map(|offset| after.read(offset)).collect();
        assert_eq!(read, [Read::Again, Read::Done, Read::New]);
        assert_eq!(ledger.known_ahead(), 2, "one is at hand, and one done");
        let read: Vec<_> = [11, 12, 13, 14].into_iter().map(|offset| ledger.read(offset)).collect();
        assert_eq!(ledger.known_ahead(), 0);
        assert_eq!(read, [Read::New, Read::Done, Read::Own, Read::New]);
        [11, 13, 14].into_iter().for_each(|offset| ledger.done(offset));
        assert_eq!((ledger.position(), &*ledger.text()), (15, ""));
    }

    #[test]
    fn an_aborted_transaction_leaves_nothing_done() {
        let mut ledger = fresh(10);
        assert_eq!(ledger.read(10), Read::New);
        ledger.own(11);
        ledger.done(10);
        ledger.done(11);
        ledger.disown(11);
        ledger.not_done(10);
        assert_eq!(ledger.position(), 10);
        assert_eq!([10, 11].map(|offset| is_undone(&ledger, offset)), [true, false]);
        // What holds the aborted record's place is nobody's message; what comes behind it is news.
        assert_eq!(ledger.read(12), Read::New);
        let mut after = resumed(&ledger);
        assert_eq!([10, 12].map(|offset| after.read(offset)), [Read::Again, Read::New]);
    }

    #[test]
    fn what_retention_took_is_not_waited_for() {
        let mut ledger = fresh(0);
        (0..10).for_each(|offset| assert_eq!(ledger.read(offset), Read::New));
        [0, 1, 3, 4, 7].into_iter().for_each(|offset| ledger.done(offset));
        let mut after = resumed(&ledger);
        assert_eq!(after.read(6), Read::Again);
        assert_eq!(after.position(), 6);
        after.done(6);
        assert_eq!((after.position(), &*after.text()), (8, ""));
    }

    #[test]
    fn the_text_fits_whatever_the_pattern() {
        let mut random = fastrand::Rng::with_seed(7);
        for density in [1, 2, 3, 10, 1000] {
            let mut ledger = fresh(0);
            let mut offset = 0;
            ledger.read(offset);
            while ledger.has_room() {
                offset += 1 + u64::from(random.u8(0..3) == 0);
                ledger.read(offset);
                if random.u16(0..density) == 0 {
                    ledger.done(offset);
                }
            }
            assert!(ledger.text().len() < 4096, "{density}: {}", ledger.text().len());
            let mut after = resumed(&ledger);
            (0..=offset).filter(|offset| is_undone(&ledger, *offset)).for_each(|offset| {
                assert_ne!(after.read(offset), Read::Done, "{offset} is lost");
            });
        }
    }

    /// Whatever ends in whatever order, and wherever the host dies: each message is delivered until it is done, and
    /// never after.
    #[test]
    fn nothing_done_comes_again_and_nothing_undone_is_lost() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..200 {
            let messages: Vec<u64> = (0..300).filter(|_| random.u8(0..4) > 0).collect();
            let mut done = BTreeSet::new();
            let mut committed = (0, String::new());
            while done.len() < messages.len() {
                let mut ledger = Ledger::resume(committed.0, &committed.1).expect("it is ours");
                let mut out = Vec::new();
                for &offset in messages.iter().filter(|&&offset| offset >= committed.0) {
                    match ledger.read(offset) {
                        Read::Done => assert!(done.contains(&offset), "{offset} is lost"),
                        Read::New | Read::Again => {
                            assert!(!done.contains(&offset), "{offset} comes again");
                            out.push(offset);
                        }
                        Read::Own => panic!("{offset} is nobody's own"),
                    }
                    if random.u8(0..3) == 0 && !out.is_empty() {
                        let ends = out.swap_remove(random.usize(0..out.len()));
                        ledger.done(ends);
                        done.insert(ends);
                    }
                    if random.u8(0..100) == 0 {
                        break;
                    }
                }
                committed = (ledger.position(), ledger.text());
            }
        }
    }
}

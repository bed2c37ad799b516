//! The live hub: every durable record to those who follow `/v1/events` or listen inside the process, as it happens.
//! Bounded: a follower that is too slow loses records, is told how many, and goes on.

use std::sync::Arc;

use host_core::id::{GlobalId, Lsn, StepAddress, UseCaseName};
use host_core::record::Record;
use host_store::Committed;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::limits::LIVE_QUEUE_BATCHES;

/// What a follower wants to see; what is absent matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub use_case: Option<UseCaseName>,
    pub global_id: Option<GlobalId>,
    pub step: Option<StepAddress>,
}

impl Filter {
    pub fn matches(&self, record: &Record) -> bool {
        let use_case = record.use_case.as_ref().map(|reference| &reference.name);
        self.use_case.as_ref().is_none_or(|wanted| use_case == Some(wanted))
            && self.global_id.as_ref().is_none_or(|wanted| *wanted == record.global_id)
            && self.step.as_ref().is_none_or(|wanted| *wanted == record.address)
    }
}

/// What a follower gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    Batch(Arc<Committed>),
    /// So many records, of all sagas, went by while the follower was behind.
    Lagged {
        record_count: u64,
    },
}

/// The one who sends.
pub(crate) struct Hub {
    sender: broadcast::Sender<Numbered>,
    /// Records sent so far. The lock is held while sending, so that numbers and batches go out in one order.
    record_count: Mutex<u64>,
}

/// A batch and how many records went before it.
#[derive(Debug, Clone)]
struct Numbered {
    before: u64,
    batch: Arc<Committed>,
}

/// One who follows.
pub struct Subscription {
    receiver: broadcast::Receiver<Numbered>,
    /// How many records went before the next batch if none is lost.
    expected: u64,
    /// A batch that came after a hole, kept back until the hole was told.
    held: Option<Arc<Committed>>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(LIVE_QUEUE_BATCHES), record_count: Mutex::new(0) }
    }

    /// Never waits.
    pub(crate) fn send(&self, batch: &Arc<Committed>) {
        let mut before = self.record_count.lock();
        if self.sender.receiver_count() > 0 {
            // An error means that the last follower has just gone.
            let _gone = self.sender.send(Numbered { before: *before, batch: Arc::clone(batch) });
        }
        *before += u64::try_from(batch.records.len()).unwrap_or(u64::MAX);
    }

    /// Everything that is sent from now on.
    pub(crate) fn subscribe(&self) -> Subscription {
        let before = self.record_count.lock();
        Subscription { receiver: self.sender.subscribe(), expected: *before, held: None }
    }

    pub(crate) fn follower_count(&self) -> usize {
        self.sender.receiver_count()
    }
}

impl Subscription {
    /// The next batch or gap; none when the host ends. Cancel-safe.
    pub async fn next(&mut self) -> Option<Live> {
        if let Some(batch) = self.held.take() {
            return Some(Live::Batch(batch));
        }
        loop {
            match self.receiver.recv().await {
                Ok(numbered) => return Some(self.accept(numbered)),
                // The next batch that is still there tells by its number how many records are gone.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// A batch that is there already, without waiting.
    pub(crate) fn try_next(&mut self) -> Option<Live> {
        if let Some(batch) = self.held.take() {
            return Some(Live::Batch(batch));
        }
        loop {
            match self.receiver.try_recv() {
                Ok(numbered) => return Some(self.accept(numbered)),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    fn accept(&mut self, numbered: Numbered) -> Live {
        let missed = numbered.before.saturating_sub(self.expected);
        let records = u64::try_from(numbered.batch.records.len()).unwrap_or(u64::MAX);
        self.expected = numbered.before.saturating_add(records);
        if missed == 0 {
            return Live::Batch(numbered.batch);
        }
        self.held = Some(numbered.batch);
        Live::Lagged { record_count: missed }
    }
}

impl Live {
    /// Place of a batch, for those who print it.
    pub fn lsn(&self) -> Option<Lsn> {
        match self {
            Live::Batch(batch) => Some(batch.lsn),
            Live::Lagged { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[tokio::test]
    async fn a_follower_that_is_too_slow_is_told_how_many_records_it_missed_and_goes_on() {
        let hub = Hub::new();
        let mut follower = hub.subscribe();
        let sent = u64::try_from(LIVE_QUEUE_BATCHES).expect("a small number") + 10;
        for lsn in 1..=sent {
            hub.send(&samples::batch(lsn, 3));
        }
        assert_eq!(follower.next().await, Some(Live::Lagged { record_count: 30 }));
        let next = follower.next().await.expect("the oldest batch that is kept");
        assert_eq!(next.lsn(), Some(Lsn(11)));
        hub.send(&samples::batch(sent + 1, 1));
        let mut last = None;
        while let Some(live) = follower.try_next() {
            assert!(matches!(live, Live::Batch(_)) || last.is_none(), "one gap is told, at most, after the last send");
            last = live.lsn().or(last);
        }
        assert_eq!(last, Some(Lsn(sent + 1)));
    }

    #[tokio::test]
    async fn what_was_sent_before_one_follows_is_no_gap() {
        let hub = Hub::new();
        hub.send(&samples::batch(1, 5));
        let mut follower = hub.subscribe();
        hub.send(&samples::batch(2, 1));
        assert_eq!(follower.next().await.and_then(|live| live.lsn()), Some(Lsn(2)));
    }

    #[test]
    fn a_filter_asks_for_all_that_it_names() {
        let record = samples::started("order-1");
        let named = Filter {
            use_case: record.use_case.as_ref().map(|reference| reference.name.clone()),
            global_id: Some(record.global_id.clone()),
            step: Some(record.address.clone()),
        };
        assert!(Filter::default().matches(&record));
        assert!(named.matches(&record));
        let other_step = StepAddress::try_new("x.y.z").expect("an address");
        assert!(!Filter { step: Some(other_step), ..named.clone() }.matches(&record));
        let other_id = GlobalId::try_new("order-2").expect("an id");
        assert!(!Filter { global_id: Some(other_id), ..named.clone() }.matches(&record));
        let other_use_case = UseCaseName::try_new("other").expect("a name");
        assert!(!Filter { use_case: Some(other_use_case), ..named }.matches(&record));
    }
}

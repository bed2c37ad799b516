//! How a host knows that its tables hold everything that any host had committed at a moment. Rounds, one after the
//! other: who asks while one is under way is served by the next, with everybody else who asked meanwhile.
//!
//! A round asks where the logs end, whatever of them is committed; waits until nothing before that is undecided; looks
//! which committed record is the last before it, as what follows may be marks of transactions only; and waits until the
//! follower has written that.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use host_core::time::Timestamp;
use parking_lot::{Condvar, Mutex};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use tokio::sync::watch;

use super::asking;
use super::cluster::ANSWER_MAX;
use super::copies::{COPIED, Ends};
use super::follow::{self, Follow};
use super::options::KafkaOptions;
use super::shared::Shared;
use super::voice::Voice;
use crate::Error;

/// The group that those who ask name. They never join it, nor commit.
const ASKERS: &str = "saga.askers";

/// What is done when the cluster does not answer.
const DOING: &str = "asking how far the journal is";

/// A round is made so often when nobody asks: it tells how fresh the tables are.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// Pause between two looks whether transactions have ended.
const UNDECIDED_PAUSE: Duration = Duration::from_millis(2);

/// What is waited for while a log is read.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// Rounds, as those who wait see them.
#[derive(Debug, Clone, Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    /// Why the last one failed, if it did.
    failure: Option<Error>,
    /// When the last one that did not fail began: the tables hold everything that was committed then.
    as_of: Option<Timestamp>,
}

/// The service.
pub(super) struct CatchUp {
    is_asked: Mutex<bool>,
    asked: Condvar,
    rounds: watch::Sender<Rounds>,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self { is_asked: Mutex::default(), asked: Condvar::new(), rounds: watch::Sender::new(Rounds::default()) }
    }
}

impl CatchUp {
    /// Wait until the tables hold everything that is committed by now. Cancel-safe.
    pub(super) async fn now(&self) -> Result<(), Error> {
        let mut rounds = self.rounds.subscribe();
        let wanted = rounds.borrow().begun + 1;
        self.ask();
        match rounds.wait_for(|rounds| rounds.ended >= wanted).await {
            Ok(rounds) => rounds.failure.clone().map_or(Ok(()), Err),
            Err(_) => Err(Error::ShuttingDown),
        }
    }

    /// The tables hold everything that was committed then.
    pub(super) fn as_of(&self) -> Option<Timestamp> {
        self.rounds.borrow().as_of
    }

    fn ask(&self) {
        *self.is_asked.lock() = true;
        self.asked.notify_one();
    }

    /// The host ends: nobody waits any longer.
    pub(super) fn stop(&self) {
        self.ask();
    }

    /// Make rounds until the host ends, or cannot begin to; then nobody waits.
    pub(super) fn run(&self, shared: &Shared, follow: &Follow) -> Result<(), Error> {
        let ran = self.make_rounds(shared, follow);
        self.rounds.send_modify(|rounds| {
            rounds.ended = u64::MAX;
            rounds.failure = Some(ran.as_ref().err().cloned().unwrap_or(Error::ShuttingDown));
        });
        ran
    }

    fn make_rounds(&self, shared: &Shared, follow: &Follow) -> Result<(), Error> {
        let mut look = Look::open(&shared.options, follow, shared)?;
        loop {
            {
                let mut is_asked = self.is_asked.lock();
                if !*is_asked {
                    self.asked.wait_for(&mut is_asked, IDLE_INTERVAL);
                }
                *is_asked = false;
            }
            let began_at = now();
            self.rounds.send_modify(|rounds| rounds.begun += 1);
            let made = look.insist(shared, follow);
            self.rounds.send_modify(|rounds| {
                rounds.ended = rounds.begun;
                if made.is_ok() {
                    rounds.as_of = Some(began_at);
                }
                rounds.failure = made.err();
            });
            if shared.is_stopped() {
                return Ok(());
            }
        }
    }
}

/// The clients of the rounds, and what they know.
struct Look {
    /// Sees what is not committed yet.
    all: Arc<BaseConsumer<Voice>>,
    committed: Arc<BaseConsumer<Voice>>,
    names: [String; COPIED.len()],
    places: Vec<(&'static str, i32)>,
    /// Up to these ends the tables are known to hold everything.
    cleared: Ends,
}

impl Look {
    fn open(options: &KafkaOptions, follow: &Follow, shared: &Shared) -> Result<Self, Error> {
        let mut places = Vec::new();
        for topic in COPIED {
            let count = shared.cluster.partition_count(&super::copies::topic(topic))?;
            places.extend((0..count).map(|partition| (topic, partition)));
        }
        let cleared = places.iter().map(|&(topic, partition)| ((topic, partition), follow.end(topic, partition)));
        Ok(Self {
            all: super::reading::uncommitted(options)?,
            committed: options.make_consumer(&options.looker(ASKERS), Voice)?,
            names: COPIED.map(|name| options.prefixed(name)),
            cleared: cleared.collect(),
            places,
        })
    }

    /// A round, again while the cluster only looks for leaders.
    fn insist(&mut self, shared: &Shared, follow: &Follow) -> Result<(), Error> {
        let since = Instant::now();
        loop {
            if shared.is_stopped() {
                return Err(Error::ShuttingDown);
            }
            match self.round(shared, follow) {
                Err(error) if since.elapsed() < ANSWER_MAX => {
                    tracing::debug!(%error, "how far the journal is will be asked again");
                    thread::sleep(READ_PAUSE);
                    asking::learn_leaders(self.all.client());
                    asking::learn_leaders(self.committed.client());
                }
                made => return made,
            }
        }
    }

    fn round(&mut self, shared: &Shared, follow: &Follow) -> Result<(), Error> {
        let mut wanted = self.ends(&self.all, &self.places)?;
        wanted.retain(|place, end| self.cleared.get(place).is_none_or(|cleared| cleared < end));
        let since = Instant::now();
        let places: Vec<_> = wanted.keys().copied().collect();
        while !places.is_empty() {
            let decided = self.ends(&self.committed, &places)?;
            if wanted.iter().all(|(place, end)| decided.get(place).is_some_and(|decided| decided >= end)) {
                break;
            }
            if since.elapsed() > shared.options.transaction_timeout + ANSWER_MAX {
                return Err(Error::cluster(DOING, &"a transaction of some host has not ended in time"));
            }
            if shared.is_stopped() {
                return Err(Error::ShuttingDown);
            }
            thread::sleep(UNDECIDED_PAUSE);
        }
        for (topic, name) in COPIED.into_iter().zip(&self.names) {
            let ends: Ends = wanted.range((topic, 0)..=(topic, i32::MAX)).map(|(&place, &end)| (place, end)).collect();
            let last = self.last_records(topic, name, &ends, follow)?;
            if !follow.wait_for(&last, shared) {
                return Err(Error::ShuttingDown);
            }
        }
        self.cleared.extend(wanted);
        Ok(())
    }

    /// Where partitions end, as this client sees it.
    fn ends(&self, client: &BaseConsumer<Voice>, places: &[(&'static str, i32)]) -> Result<Ends, Error> {
        let named = places.iter().map(|&(topic, partition)| (self.name(topic), partition));
        let ends = asking::ends(client, named).map_err(|error| Error::cluster(DOING, &error))?;
        Ok(places.iter().copied().zip(ends).collect())
    }

    /// Behind the last committed record before each of these ends that the tables do not hold; of partitions of one
    /// topic.
    fn last_records(&self, topic: &'static str, name: &str, ends: &Ends, follow: &Follow) -> Result<Ends, Error> {
        let mut list = TopicPartitionList::new();
        let (mut open, mut last) = (Ends::new(), Ends::new());
        for (&(_, partition), &end) in ends {
            let from = follow.end(topic, partition);
            if from < end {
                open.insert((topic, partition), end);
                let added = list.add_partition_offset(name, partition, follow::from(from));
                added.map_err(|error| Error::cluster(DOING, &error))?;
            }
        }
        if open.is_empty() {
            return Ok(last);
        }
        self.committed.assign(&list).map_err(|error| Error::cluster(DOING, &error))?;
        let mut since = Instant::now();
        while !open.is_empty() {
            match self.committed.poll(READ_PAUSE) {
                Some(Ok(record)) => {
                    since = Instant::now();
                    let place = (topic, record.partition());
                    let behind = u64::try_from(record.offset()).unwrap_or_default() + 1;
                    let Some(&end) = open.get(&place) else { continue };
                    if behind <= end {
                        last.insert(place, behind);
                    }
                    if behind >= end {
                        open.remove(&place);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => _ = open.remove(&(topic, partition)),
                Some(Err(error)) if since.elapsed() > ANSWER_MAX => return Err(Error::cluster(DOING, &error)),
                None if since.elapsed() > ANSWER_MAX => {
                    return Err(Error::cluster(DOING, &"it did not answer in time"));
                }
                Some(Err(_)) | None => {}
            }
        }
        self.committed.unassign().map_err(|error| Error::cluster(DOING, &error))?;
        Ok(last)
    }

    fn name(&self, topic: &str) -> &str {
        let index = COPIED.iter().position(|known| *known == topic);
        &self.names[index.expect("only these topics are copied")]
    }
}

fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or_default())
}

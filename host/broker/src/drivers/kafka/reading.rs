//! Reading records beside the groups, for those who look: one client that is assigned a partition at a time and reads
//! to its end, and what was counted so far, so that a log is not counted anew with every look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::id::TopicName;
use host_core::time::Timestamp;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::asking;
use super::cluster::ANSWER_MAX;
use super::ledger::Ledger;
use super::options::KafkaOptions;
use super::record::{self, Arrived};
use super::voice::Voice;
use crate::Error;

/// The group that lookers name. They never join it, nor commit.
const LOOKERS: &str = "saga.lookers";

/// Pause between two looks for what came.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Offsets of a partition that are read to count messages since the last look; of more it is told how many offsets
/// there are, marks of transactions included.
pub(super) const COUNT_MAX: u64 = 20_000;

/// A record that was read.
pub(super) struct Found {
    pub offset: u64,
    pub arrived: Arrived,
}

impl Found {
    /// What it takes in the log, about.
    pub(super) fn bytes(&self) -> u64 {
        let message = &self.arrived.message;
        (message.payload.encode().len() + message.key.len()) as u64
    }
}

/// A record as it lies there.
pub(super) struct Raw<'a> {
    pub offset: u64,
    pub key: &'a [u8],
    /// None for one that removes what was there under its key.
    pub value: Option<&'a [u8]>,
    record: &'a BorrowedMessage<'a>,
}

impl<'a> Raw<'a> {
    pub(super) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.record.headers()?.iter().find(|header| header.key == name)?.value
    }
}

/// The one who looks.
pub(super) struct Looker {
    options: KafkaOptions,
    /// One look at a time.
    client: Mutex<Arc<BaseConsumer<Voice>>>,
    /// Sees what is not committed yet.
    uncommitted: Arc<BaseConsumer<Voice>>,
    /// Clients that ask for positions, by group.
    askers: Mutex<HashMap<String, Arc<BaseConsumer<Voice>>>>,
    counted: Mutex<HashMap<(TopicName, i32), Tally>>,
    /// The same of what is not done, with the text beside the position that it was counted by.
    undone: Mutex<HashMap<(TopicName, i32), (String, Tally)>>,
}

/// What was counted of a partition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    from: u64,
    pub end: u64,
    pub count: u64,
    pub bytes: u64,
    pub oldest_at: Option<Timestamp>,
}

impl Looker {
    pub(super) fn open(options: &KafkaOptions) -> Result<Self, Error> {
        Ok(Self {
            client: Mutex::new(client(options, LOOKERS)?),
            uncommitted: uncommitted(options)?,
            askers: Mutex::default(),
            counted: Mutex::default(),
            undone: Mutex::default(),
            options: options.clone(),
        })
    }

    /// Where a partition ends, whatever of it is committed.
    pub(super) fn uncommitted_end(&self, topic: &TopicName, partition: i32) -> Result<u64, Error> {
        let name = self.options.prefixed(topic.as_str());
        let doing = format_args!("asking where partition {partition} of topic {name} ends");
        let place = std::iter::once((name.as_str(), partition));
        let ends = asking::insist(self.uncommitted.client(), doing, || self.ends_of_all(place.clone()))?;
        Ok(ends[0])
    }

    /// The same of several, by their names in the cluster. Asked once.
    pub(super) fn ends_of_all<'a>(
        &self,
        places: impl Iterator<Item = (&'a str, i32)> + Clone,
    ) -> Result<Vec<u64>, KafkaError> {
        asking::ends(&self.uncommitted, places)
    }

    /// The committed messages of a partition from an offset on, as long as `more` wants them.
    pub(super) fn scan(
        &self,
        topic: &TopicName,
        partition: i32,
        from: u64,
        mut more: impl FnMut(Found) -> bool,
    ) -> Result<(), Error> {
        self.scan_raw(topic, partition, from, |raw| {
            more(Found { offset: raw.offset, arrived: record::read(topic, raw.record) })
        })
    }

    /// The committed records of a partition from an offset on, as long as `more` wants them.
    pub(super) fn scan_raw(
        &self,
        topic: &TopicName,
        partition: i32,
        from: u64,
        more: impl FnMut(Raw<'_>) -> bool,
    ) -> Result<(), Error> {
        let client = self.client.lock();
        let mut list = TopicPartitionList::new();
        let start = i64::try_from(from).map_or(Offset::End, Offset::Offset);
        let start = if from == 0 { Offset::Beginning } else { start };
        let name = self.options.prefixed(topic.as_str());
        let doing = format!("looking at partition {partition} of topic {name}");
        list.add_partition_offset(&name, partition, start).map_err(|error| Error::cluster(&doing, &error))?;
        client.assign(&list).map_err(|error| Error::cluster(&doing, &error))?;
        let read = read_to_end(&client, more).map_err(|cause| Error::cluster(&doing, &cause));
        if let Err(error) = client.unassign() {
            tracing::debug!(%error, "a look ended");
        }
        read
    }

    /// First offset that is there, and the one behind the last.
    pub(super) fn ends(&self, topic: &TopicName, partition: i32) -> Result<(u64, u64), Error> {
        let name = self.options.prefixed(topic.as_str());
        let client = self.client.lock().clone();
        let (low, high) = asking::insist(client.client(), format_args!("asking for the ends of topic {name}"), || {
            client.fetch_watermarks(&name, partition, ANSWER_MAX)
        })?;
        Ok((u64::try_from(low).unwrap_or_default(), u64::try_from(high).unwrap_or_default()))
    }

    /// Messages of a partition from where a reader of it is; of more than `exact_max` how many offsets there are. Each
    /// look begins elsewhere, so all of it is read anew.
    pub(super) fn count_behind(
        &self,
        topic: &TopicName,
        partition: i32,
        from: u64,
        exact_max: u64,
    ) -> Result<u64, Error> {
        let (low, high) = self.ends(topic, partition)?;
        let from = from.max(low);
        if high.saturating_sub(from) > exact_max {
            return Ok(high - from);
        }
        Ok(self.tally_on(None, topic, partition, from, |_| true)?.count)
    }

    /// Messages of a partition from an offset on, and when the first was published.
    pub(super) fn tally(&self, topic: &TopicName, partition: i32, from: u64) -> Result<Tally, Error> {
        let place = (topic.clone(), partition);
        let known = self.counted.lock().get(&place).copied();
        let tally = self.tally_on(known, topic, partition, from, |_| true)?;
        self.counted.lock().insert(place, tally);
        Ok(tally)
    }

    /// Messages of a partition that its group has not done.
    pub(super) fn tally_undone(&self, topic: &TopicName, partition: i32, ledger: &Ledger) -> Result<Tally, Error> {
        let place = (topic.clone(), partition);
        let text = ledger.text();
        let known = self.undone.lock().get(&place).filter(|(known, _)| *known == text).map(|(_, tally)| *tally);
        let is_undone = |offset| !ledger.is_done(offset);
        let tally = self.tally_on(known, topic, partition, ledger.position(), is_undone)?;
        self.undone.lock().insert(place, (text, tally));
        Ok(tally)
    }

    /// Go on counting where it ended the last time, if it is the same that is counted.
    fn tally_on(
        &self,
        known: Option<Tally>,
        topic: &TopicName,
        partition: i32,
        from: u64,
        counts: impl Fn(u64) -> bool,
    ) -> Result<Tally, Error> {
        let (low, high) = self.ends(topic, partition)?;
        let from = from.max(low);
        let known = known.filter(|known| known.from == from && known.end <= high);
        let mut tally = known.unwrap_or(Tally { from, end: from, ..Tally::default() });
        if high > tally.end && high - tally.end > COUNT_MAX {
            tally.count += high - tally.end;
        } else if high > tally.end {
            self.scan(topic, partition, tally.end, |found| {
                // What came after the end was asked for is counted the next time.
                let is_before_end = found.offset < high;
                if is_before_end && counts(found.offset) {
                    tally.count += 1;
                    tally.bytes += found.bytes();
                    tally.oldest_at.get_or_insert(found.arrived.published_at);
                }
                is_before_end
            })?;
        }
        tally.end = high;
        Ok(tally)
    }

    /// What a group has done of a topic, partition by partition, as it was committed.
    pub(super) fn ledgers(&self, topic: &TopicName, group: &str, partition_count: i32) -> Result<Vec<Ledger>, Error> {
        let doing = || format!("asking for the position of group {group} at topic {topic}");
        let asker = self.asker(group)?;
        let mut list = TopicPartitionList::new();
        let name = self.options.prefixed(topic.as_str());
        for partition in 0..partition_count {
            list.add_partition(&name, partition);
        }
        let committed = asking::insist(asker.client(), doing(), || asker.committed_offsets(list.clone(), ANSWER_MAX))?;
        let ledgers = committed.elements().into_iter().map(|element| {
            let position = element.offset().to_raw().and_then(|offset| u64::try_from(offset).ok()).unwrap_or_default();
            Ledger::resume(position, element.metadata()).map_err(|error| Error::cluster(&doing(), &error))
        });
        ledgers.collect()
    }

    fn asker(&self, group: &str) -> Result<Arc<BaseConsumer<Voice>>, Error> {
        let mut askers = self.askers.lock();
        if let Some(asker) = askers.get(group) {
            return Ok(asker.clone());
        }
        let asker = client(&self.options, group)?;
        askers.insert(group.to_owned(), asker.clone());
        Ok(asker)
    }
}

/// A client that sees what is not committed yet.
pub(super) fn uncommitted(options: &KafkaOptions) -> Result<Arc<BaseConsumer<Voice>>, Error> {
    let mut config = options.looker(LOOKERS);
    config.set("isolation.level", "read_uncommitted");
    options.make_consumer(&config, Voice)
}

fn client(options: &KafkaOptions, group: &str) -> Result<Arc<BaseConsumer<Voice>>, Error> {
    options.make_consumer(&options.looker(group), Voice)
}

fn read_to_end(client: &BaseConsumer<Voice>, mut more: impl FnMut(Raw<'_>) -> bool) -> Result<(), String> {
    let mut since = Instant::now();
    loop {
        match client.poll(LOOK_PAUSE) {
            Some(Ok(record)) => {
                since = Instant::now();
                let offset = u64::try_from(record.offset()).unwrap_or_default();
                let key = record.key().unwrap_or_default();
                if !more(Raw { offset, key, value: record.payload(), record: &record }) {
                    return Ok(());
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) if since.elapsed() > ANSWER_MAX => return Err(error.to_string()),
            None if since.elapsed() > ANSWER_MAX => return Err("it did not answer in time".to_owned()),
            Some(Err(_)) | None => {}
        }
    }
}

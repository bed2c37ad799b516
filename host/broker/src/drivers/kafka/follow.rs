//! Follows what all hosts commit to the journal and to the state, page by page, so that the tables of each host come to
//! hold the same. What this host commits comes back the same way: the records of a saga then lie in the order in which
//! they were committed, whoever wrote them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use host_core::id::Lsn;
use host_core::table::{Batch, Tables};
use parking_lot::{Condvar, Mutex};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::copies::{self, COPIED, Ends, PAGE_RECORDS, STORED};
use super::shared::Shared;
use super::voice::{self, Voice};
use crate::{Error, Page};

/// The group that the follower names. It never joins it, nor commits.
const FOLLOWERS: &str = "saga.followers";

/// Pause between two looks whether the host ends.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a page, about: a record may hold a body of a megabyte.
const PAGE_BYTES: usize = 4 << 20;

/// The follower.
pub(super) struct Follow {
    client: Arc<BaseConsumer<Voice>>,
    /// The names of `COPIED` in the cluster.
    names: [String; COPIED.len()],
    progress: Mutex<Progress>,
    /// More is in the tables.
    moved: Condvar,
}

#[derive(Default)]
struct Progress {
    /// Up to where the tables hold everything.
    ends: Ends,
    /// The same with the page that is being written.
    in_hand: Ends,
    /// Batches of this host that are not in the tables yet, in their order, and where they end.
    expected: VecDeque<(Lsn, Ends)>,
    /// The last batch of this host that is.
    reached: Option<Lsn>,
}

impl Follow {
    /// Follow from where the tables end.
    pub(super) fn open(shared: &Shared, tables: &dyn Tables) -> Result<Self, Error> {
        let options = &shared.options;
        let client = options.make_consumer(&options.follower(FOLLOWERS), Voice)?;
        let names = COPIED.map(|name| options.prefixed(name));
        let doing = "beginning to follow the journal";
        let (mut ends, mut list) = (Ends::new(), TopicPartitionList::new());
        for (topic, name) in COPIED.into_iter().zip(&names) {
            for partition in 0..shared.cluster.partition_count(&copies::topic(topic))? {
                let end = copies::position(tables, topic, partition)?;
                let added = list.add_partition_offset(name, partition, from(end));
                added.map_err(|error| Error::cluster(doing, &error))?;
                ends.insert((topic, partition), end);
            }
        }
        client.assign(&list).map_err(|error| Error::cluster(doing, &error))?;
        let progress = Progress { ends, ..Progress::default() };
        Ok(Self { client, names, progress: Mutex::new(progress), moved: Condvar::new() })
    }

    /// The next page. Blocks until there is one; none when the host ends.
    pub(super) fn next(&self, shared: &Shared) -> Option<Page> {
        while !shared.is_stopped() {
            let mut page = Gathered::default();
            let mut pause = LOOK_PAUSE;
            while page.records.len() < PAGE_RECORDS && page.bytes < PAGE_BYTES {
                match self.client.poll(pause) {
                    Some(Ok(record)) => page.take(self.topic(record.topic()), &record),
                    Some(Err(KafkaError::PartitionEOF(_))) => {}
                    Some(Err(error)) => voice::complain(&error, "following the journal"),
                    None => break,
                }
                pause = Duration::ZERO;
            }
            if !page.ends.is_empty() {
                return Some(self.hand_out(page));
            }
        }
        None
    }

    /// A batch of this host was committed and ends there.
    pub(super) fn expect(&self, lsn: Lsn, ends: Ends) {
        let mut progress = self.progress.lock();
        progress.expected.push_back((lsn, ends));
        progress.settle();
    }

    /// The last batch of this host up to which the tables hold all of them.
    pub(super) fn reached(&self) -> Option<Lsn> {
        self.progress.lock().reached
    }

    /// Up to where the tables hold a partition.
    pub(super) fn end(&self, topic: &'static str, partition: i32) -> u64 {
        self.progress.lock().ends.get(&(topic, partition)).copied().unwrap_or_default()
    }

    /// Wait until the tables hold everything up to these ends. False if the host ends before.
    pub(super) fn wait_for(&self, ends: &Ends, shared: &Shared) -> bool {
        let mut progress = self.progress.lock();
        while !progress.has(ends) {
            if shared.is_stopped() {
                return false;
            }
            self.moved.wait_for(&mut progress, LOOK_PAUSE);
        }
        true
    }

    fn hand_out(&self, page: Gathered) -> Page {
        let Gathered { records, mut rows, ends, bytes: _ } = page;
        copies::told(&ends, &mut rows);
        self.progress.lock().in_hand = ends;
        Page { records, rows }
    }

    /// The page that was handed out is in the tables.
    pub(super) fn page_written(&self) {
        let mut progress = self.progress.lock();
        let ends = std::mem::take(&mut progress.in_hand);
        progress.ends.extend(ends);
        progress.settle();
        drop(progress);
        self.moved.notify_all();
    }

    fn topic(&self, name: &str) -> &'static str {
        let index = self.names.iter().position(|known| known == name);
        COPIED[index.expect("only these topics are assigned")]
    }
}

impl Progress {
    fn has(&self, wanted: &Ends) -> bool {
        wanted.iter().all(|(place, end)| self.ends.get(place).is_some_and(|known| known >= end))
    }

    fn settle(&mut self) {
        while let Some((lsn, ends)) = self.expected.pop_front() {
            if !self.has(&ends) {
                self.expected.push_front((lsn, ends));
                return;
            }
            self.reached = Some(lsn);
        }
    }
}

/// A page that is being read.
#[derive(Default)]
struct Gathered {
    records: Vec<host_core::record::Record>,
    rows: Batch,
    ends: Ends,
    bytes: usize,
}

impl Gathered {
    fn take(&mut self, topic: &'static str, message: &BorrowedMessage<'_>) {
        let Ok(offset) = u64::try_from(message.offset()) else { return };
        let key = message.key().unwrap_or_default();
        self.ends.insert((topic, message.partition()), offset + 1);
        self.bytes += key.len() + message.payload().map_or(0, <[u8]>::len);
        if topic == copies::STATE_TOPIC {
            copies::put_row(&mut self.rows, key, message.payload());
            return;
        }
        let stored = message.headers().and_then(|headers| headers.iter().find(|header| header.key == STORED)?.value);
        self.bytes += stored.map_or(0, <[u8]>::len);
        match copies::decode(key, stored) {
            Ok(records) => self.records.extend(records),
            Err(cause) => {
                let partition = message.partition();
                tracing::error!(partition, offset, cause, "a record of saga.journal cannot be read and is left out");
            }
        }
    }
}

/// Where reading goes on.
pub(super) fn from(end: u64) -> Offset {
    match i64::try_from(end) {
        Ok(0) => Offset::Beginning,
        Ok(end) => Offset::Offset(end),
        Err(_) => Offset::End,
    }
}

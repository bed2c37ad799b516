//! Carries out a batch as one Kafka transaction: its messages, its journal records, and the positions of every group
//! that it takes deliveries from.
//!
//! Order: all messages first, so that each has its offset; then the positions, which name offsets of our own messages
//! as well; then the commit. What was changed in memory for it is taken back if it is aborted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use host_core::id::TopicName;
use host_core::time::Timestamp;
use host_core::unit::Message;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::copies::Extra;
use super::open::{Batch, Done, Send, What};
use super::partitioner::partition;
use super::producers::Client;
use super::record;
use super::shared::Shared;
use super::topic::Topic;
use crate::Error;

/// Pause between two looks for what was acknowledged: rdkafka's own wait is a hundred milliseconds long.
const LOOK_PAUSE: Duration = Duration::from_micros(50);

/// For how long a transaction that was certainly aborted is made again: as long as an outage may take that nobody has
/// to act on.
const OUTAGE_MAX: Duration = Duration::from_secs(300);

/// Pause before it is made again, times the number of the try.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why a transaction was not made.
#[derive(Debug)]
enum Failed {
    /// Nothing of it happened: the cluster refused it, because a rebalance is under way.
    Rebalanced(String),
    /// Nothing of it happens, once requests that may still be on their way are fenced.
    Aborted(String),
    /// It may have happened.
    Uncertain(String),
    /// What it takes deliveries from is not this host's any more.
    Lost(String),
}

/// Where a message got its place, by its number in the batch.
type Offsets = Vec<Option<u64>>;

/// Make the batch a transaction, again if it was aborted. Answers where the extras lie.
pub(super) fn carry_out(shared: &Shared, batch: &Batch, extras: &[Extra], now: Timestamp) -> Result<Vec<u64>, Error> {
    if batch.has_lost {
        return Err(Error::Lost { cause: "a partition went while a unit of it was being taken".to_owned() });
    }
    if batch.sends.is_empty() && batch.dones.is_empty() && extras.is_empty() {
        return Ok(Vec::new());
    }
    let since = Instant::now();
    for attempt in 1u32.. {
        let cause = match attempt_once(shared, batch, extras, now) {
            Ok(offsets) => return Ok(offsets),
            Err(Failed::Rebalanced(cause) | Failed::Aborted(cause)) if since.elapsed() <= OUTAGE_MAX => cause,
            Err(Failed::Rebalanced(cause) | Failed::Aborted(cause)) => {
                return Err(Error::cluster("making a transaction", &cause));
            }
            Err(Failed::Uncertain(cause)) => return Err(Error::Uncertain { cause }),
            Err(Failed::Lost(cause)) => return Err(Error::Lost { cause }),
        };
        tracing::warn!(cause, attempt, "a transaction was aborted and is made again");
        thread::sleep((RETRY_PAUSE * attempt).min(RETRY_PAUSE_MAX));
    }
    unreachable!("an outage ends long before attempts cannot be counted")
}

fn attempt_once(shared: &Shared, batch: &Batch, extras: &[Extra], now: Timestamp) -> Result<Vec<u64>, Failed> {
    let mut producer = shared.producers.take().map_err(|error| Failed::Aborted(error.to_string()))?;
    let made = make(shared, &producer, batch, extras, now);
    match made {
        Ok(offsets) => {
            shared.producers.give_back(producer);
            Ok(offsets)
        }
        Err((failed, is_begun)) => {
            let is_clean = is_begun
                && !producer.positions.is_stuck()
                && producer.client.abort_transaction(shared.options.transaction_timeout).is_ok();
            // A producer goes on only after answers that leave nothing open. Requests that timed out may still arrive
            // and be applied to its next transaction; those of a producer that was replaced are fenced by the epoch of
            // the one in its place.
            producer.is_spent = match &failed {
                Failed::Rebalanced(_) | Failed::Lost(_) => !is_clean,
                Failed::Aborted(_) | Failed::Uncertain(_) => true,
            };
            shared.producers.give_back(producer);
            Err(failed)
        }
    }
}

/// The transaction up to its commit. With an error comes whether it was begun.
fn make(
    shared: &Shared,
    producer: &Client,
    batch: &Batch,
    extras: &[Extra],
    now: Timestamp,
) -> Result<Vec<u64>, (Failed, bool)> {
    let client = &producer.client;
    client.begin_transaction().map_err(|error| (aborted("beginning a transaction", &error), false))?;
    let deadline = Instant::now() + shared.options.transaction_timeout;
    let offsets = send_all(shared, producer, batch, extras, now, deadline).map_err(|failed| (failed, true))?;
    // Asked for before it is looked whether the partitions are still this host's, never after: the cluster looks at the
    // generation only, and would take positions under a later one, in which they are another's.
    let members = Members::of(shared, batch).map_err(|failed| (failed, true))?;
    let applied = Applied::apply(batch, &offsets).map_err(|failed| (failed, true))?;
    let result = send_positions(shared, producer, members, &applied).and_then(|()| commit(producer, deadline));
    match result {
        Ok(()) => {
            applied.keep(shared);
            Ok(offsets[batch.sends.len()..].iter().copied().flatten().collect())
        }
        Err(failed) => {
            applied.take_back();
            Err((failed, true))
        }
    }
}

fn aborted(doing: &str, error: &KafkaError) -> Failed {
    Failed::Aborted(format!("{doing}: {error}"))
}

fn send_all(
    shared: &Shared,
    producer: &Client,
    batch: &Batch,
    extras: &[Extra],
    now: Timestamp,
    deadline: Instant,
) -> Result<Offsets, Failed> {
    let mut offsets = vec![None; batch.sends.len() + extras.len()];
    producer.clear_reports();
    for (number, send) in batch.sends.iter().enumerate() {
        let message = send.message();
        let headers = record::headers_of(message, send.due);
        let (topic, partition) = match (&send.topic, &send.what) {
            (Some(topic), What::Held(held)) => (topic.name.clone(), held.partition),
            (_, What::Held(_) | What::Away(_)) => away(shared, send.due.map(|due| (now, due)), message)?,
        };
        let payload = message.payload.encode();
        let row = Row {
            topic: topic.as_str(),
            partition,
            key: message.key.as_bytes(),
            value: Some(&payload),
            at: send.published_at,
        };
        send_one(shared, producer, number, &row, headers, deadline)?;
    }
    for (index, extra) in extras.iter().enumerate() {
        let mut headers = OwnedHeaders::new_with_capacity(1);
        if let Some((name, value)) = &extra.header {
            headers = headers.insert(Header { key: name, value: Some(&value[..]) });
        }
        let row = Row {
            topic: extra.topic,
            partition: extra.partition,
            key: &extra.key,
            value: extra.value.as_deref(),
            at: now,
        };
        send_one(shared, producer, batch.sends.len() + index, &row, headers, deadline)?;
    }
    collect(producer, &mut offsets, deadline)?;
    Ok(offsets)
}

/// Where a message goes whose topic is none that this host consumes.
fn away(
    shared: &Shared,
    delayed: Option<(Timestamp, Timestamp)>,
    message: &Message,
) -> Result<(TopicName, i32), Failed> {
    let topic = match delayed {
        Some((now, due)) => super::delays::topic_for(now, due),
        None => message.topic.clone(),
    };
    let count = shared.cluster.partition_count(&topic).map_err(|error| Failed::Aborted(error.to_string()))?;
    Ok((topic, partition(&message.key, count)))
}

/// A record on its way out.
struct Row<'a> {
    topic: &'a str,
    partition: i32,
    key: &'a [u8],
    /// None removes what the topic holds under the key.
    value: Option<&'a [u8]>,
    at: Timestamp,
}

fn send_one(
    shared: &Shared,
    producer: &Client,
    number: usize,
    row: &Row<'_>,
    headers: OwnedHeaders,
    deadline: Instant,
) -> Result<(), Failed> {
    let name = shared.options.prefixed(row.topic);
    let mut record = BaseRecord::with_opaque_to(&name, number)
        .partition(row.partition)
        .key(row.key)
        .timestamp(i64::try_from(row.at.as_ms()).unwrap_or(i64::MAX))
        .headers(headers);
    record.payload = row.value;
    loop {
        match producer.client.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if Instant::now() < deadline => {
                producer.client.poll(Duration::ZERO);
                thread::sleep(LOOK_PAUSE);
                record = back;
            }
            Err((error, _)) => return Err(aborted(&format!("publishing to {name}"), &error)),
        }
    }
}

/// Wait until every message has its place.
fn collect(producer: &Client, offsets: &mut Offsets, deadline: Instant) -> Result<(), Failed> {
    while producer.client.in_flight_count() > 0 {
        producer.client.poll(Duration::ZERO);
        if Instant::now() > deadline {
            return Err(Failed::Aborted("messages were not acknowledged in time".to_owned()));
        }
        if producer.client.in_flight_count() > 0 {
            thread::sleep(LOOK_PAUSE);
        }
    }
    producer.client.poll(Duration::ZERO);
    for (number, result) in producer.take_reports() {
        match result {
            Ok(offset) => offsets[number] = Some(offset),
            Err(error) => return Err(aborted("publishing", &error)),
        }
    }
    match offsets.iter().all(Option::is_some) {
        true => Ok(()),
        false => Err(Failed::Aborted("a message was neither acknowledged nor refused".to_owned())),
    }
}

/// As which member of each group this host settles a batch, by the group's name.
struct Members(BTreeMap<String, ConsumerGroupMetadata>);

impl Members {
    fn of(shared: &Shared, batch: &Batch) -> Result<Self, Failed> {
        let seats: BTreeMap<_, _> =
            batch.dones.iter().map(|done| ((Arc::as_ptr(&done.topic), done.tenure.seat), done)).collect();
        let mut members = BTreeMap::new();
        for done in seats.into_values() {
            let group = group_of(done);
            let outside = || Failed::Rebalanced(format!("this host is no member of group {group} at the moment"));
            let member = shared.group(&group).and_then(|group| group.membership()).ok_or_else(outside)?;
            members.insert(group, member);
        }
        Ok(Self(members))
    }
}

/// A partition as a seat has it.
fn place_of(done: &Done) -> (*const Topic, usize, i32) {
    (Arc::as_ptr(&done.topic), done.tenure.seat, done.held.partition)
}

fn group_of(done: &Done) -> String {
    done.topic.state.lock().seats[done.tenure.seat].group.clone()
}

/// Up to where a partition is done with a transaction.
struct Position<'a> {
    /// One of its messages.
    done: &'a Done,
    offset: u64,
    text: String,
}

/// What a transaction changed in memory before it was committed.
struct Applied<'a> {
    batch: &'a Batch,
    offsets: &'a Offsets,
    positions: Vec<Position<'a>>,
}

impl<'a> Applied<'a> {
    fn apply(batch: &'a Batch, offsets: &'a Offsets) -> Result<Self, Failed> {
        for (send, offset) in batch.sends.iter().zip(offsets) {
            let (Some(topic), What::Held(held), Some(offset)) = (&send.topic, &send.what, *offset) else { continue };
            held.place(Some(offset));
            let mut state = topic.state.lock();
            for &tenure in &send.seats {
                if let Some(part) = state.part_of(tenure, held.partition) {
                    part.ledger.own(offset);
                }
            }
        }
        let mut applied = Self { batch, offsets, positions: Vec::new() };
        match applied.settle() {
            Ok(()) => Ok(applied),
            Err(failed) => {
                applied.take_back();
                Err(failed)
            }
        }
    }

    fn settle(&mut self) -> Result<(), Failed> {
        // One tenure of each partition: a batch with two has lost the first.
        let mut tenures = BTreeMap::new();
        for done in &self.batch.dones {
            let mut state = done.topic.state.lock();
            let part = state.part_of(done.tenure, done.held.partition).ok_or_else(|| went(done))?;
            part.ledger.done(done.held.offset().ok_or_else(|| went(done))?);
            tenures.insert(place_of(done), done);
        }
        for done in tenures.into_values() {
            let mut state = done.topic.state.lock();
            let part = state.part_of(done.tenure, done.held.partition).ok_or_else(|| went(done))?;
            self.positions.push(Position { done, offset: part.ledger.position(), text: part.ledger.text() });
        }
        Ok(())
    }

    /// It is committed: what is not at hand has to be read.
    fn keep(self, shared: &Shared) {
        for (send, offset) in self.batch.sends.iter().zip(self.offsets) {
            if let Some(offset) = *offset {
                read_back(shared, send, offset);
            }
        }
        self.settled();
    }

    /// It is aborted.
    fn take_back(self) {
        for done in &self.batch.dones {
            let offset = done.held.offset();
            if let (Some(part), Some(offset)) = (
                done.topic.state.lock().part_of(done.tenure, done.held.partition),
                offset.filter(|_| !done.held.is_own || is_older(self.batch, done)),
            ) {
                part.ledger.not_done(offset);
            }
        }
        for (send, offset) in self.batch.sends.iter().zip(self.offsets) {
            let (Some(topic), What::Held(held), Some(offset)) = (&send.topic, &send.what, *offset) else { continue };
            held.place(None);
            let mut state = topic.state.lock();
            for &tenure in &send.seats {
                if let Some(part) = state.part_of(tenure, held.partition) {
                    part.ledger.disown(offset);
                }
            }
        }
    }

    fn settled(&self) {
        for done in &self.batch.dones {
            if let Some(part) = done.topic.state.lock().part_of(done.tenure, done.held.partition) {
                part.settling = part.settling.saturating_sub(1);
            }
        }
    }
}

/// The seats that do not have a message at hand will read it.
fn read_back(shared: &Shared, send: &Send, offset: u64) {
    let message = send.message();
    // A topic may have become this host's meanwhile.
    let Some(topic) = send.topic.clone().or_else(|| shared.topic(&message.topic).filter(|_| send.due.is_none())) else {
        return;
    };
    let mut state = topic.state.lock();
    let place = match &send.what {
        What::Held(held) => held.partition,
        What::Away(message) => partition(&message.key, state.partition_count),
    };
    for seat in 0..state.seats.len() {
        let tenure = state.tenure(seat, place);
        if tenure.is_some_and(|tenure| !send.seats.contains(&tenure))
            && let Some(part) = state.part(seat, place)
        {
            part.under_way = part.under_way.saturating_sub(1);
            part.read_first = part.read_first.max(offset + 1);
        }
    }
}

/// Whether the message of this delivery was published by an earlier batch: its place then stands.
fn is_older(batch: &Batch, done: &Done) -> bool {
    !batch.sends.iter().any(|send| matches!(&send.what, What::Held(held) if Arc::ptr_eq(held, &done.held)))
}

fn went(done: &Done) -> Failed {
    Failed::Lost(format!("partition {} of {} went", done.held.partition, done.topic.name))
}

fn send_positions(
    shared: &Shared,
    producer: &Client,
    Members(mut members): Members,
    applied: &Applied<'_>,
) -> Result<(), Failed> {
    let mut by_group: BTreeMap<String, TopicPartitionList> = BTreeMap::new();
    for Position { done, offset, text } in &applied.positions {
        let list = by_group.entry(group_of(done)).or_default();
        let name = shared.options.prefixed(done.topic.name.as_str());
        let mut element = list.add_partition(&name, done.held.partition);
        let offset = i64::try_from(*offset).unwrap_or(i64::MAX);
        let set = element.set_offset(Offset::Offset(offset));
        set.map_err(|error| aborted("naming a position", &error))?;
        element.set_metadata(text.as_str());
    }
    for (group, list) in by_group {
        let member = members.remove(&group).expect("each group of the batch was looked at");
        let sent = producer.positions.send(list, member, shared.options.transaction_timeout);
        let late =
            || Failed::Aborted(format!("committing positions of group {group}: the client did not return in time"));
        sent.ok_or_else(late)?.map_err(|error| position_failed(&group, &error))?;
    }
    Ok(())
}

/// Mostly a rebalance is under way: the coordinator has begun a generation of which this member has not heard yet. The
/// transaction is made again under the new one, by then with what is still this host's; a member that was put out finds
/// that nothing is.
fn position_failed(group: &str, error: &KafkaError) -> Failed {
    let cause = format!("committing positions of group {group}: {error}");
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::FencedInstanceId) => {
            Failed::Lost(format!("{cause}; does another host have this host-name?"))
        }
        Some(
            RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress,
        ) => Failed::Rebalanced(cause),
        Some(_) | None => Failed::Aborted(cause),
    }
}

fn commit(producer: &Client, deadline: Instant) -> Result<(), Failed> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let Err(error) = producer.client.commit_transaction(left) else { return Ok(()) };
        let KafkaError::Transaction(reason) = &error else {
            return Err(Failed::Uncertain(format!("committing a transaction: {error}")));
        };
        // Whatever else the client says, it may have asked for the end already.
        if !reason.is_retriable() || Instant::now() >= deadline {
            return Err(Failed::Uncertain(format!("committing a transaction: {error}")));
        }
    }
}

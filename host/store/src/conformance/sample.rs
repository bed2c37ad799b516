//! Records, units and ids for tests, short to write.

use std::sync::Arc;

use bytes::Bytes;
use host_core::envelope::UseCaseRef;
use host_core::failure::{Failure, FailureKind};
use host_core::id::{
    BucketName, Direction, GlobalId, Lsn, MessageId, Position, StepAddress, TopicName, UseCaseName, WaitKey,
};
use host_core::json::Json;
use host_core::record::{EndStatus, Event, Record, Standing};
use host_core::time::Timestamp;
use host_core::unit::{Headers, KeyValueTxn, Message, OnTimeout, Parked, ParkedId, Payload, RememberedSignal, Unit};

pub use host_core::id::Direction::{Compensate, Handle};

pub fn global_id(text: &str) -> GlobalId {
    GlobalId::try_new(text).expect("a sample global-id is valid")
}

pub fn address(index: u16) -> StepAddress {
    StepAddress::try_new(&format!("test.step.s{index}")).expect("a sample address is valid")
}

pub fn wait_key(text: &str) -> WaitKey {
    WaitKey::try_new(text).expect("a sample wait key is valid")
}

pub fn bucket(text: &str) -> BucketName {
    BucketName::try_new(text).expect("a sample bucket is valid")
}

pub fn use_case(name: &str) -> UseCaseRef {
    UseCaseRef { name: UseCaseName::try_new(name).expect("a sample use case is valid"), version: 3 }
}

pub fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(1_795_000_000_000 + ms)
}

pub fn json(text: &str) -> Json {
    Json::try_from_text(text).expect("a sample body is JSON")
}

/// A record of a call that took a millisecond.
pub fn record(id: &GlobalId, position: u16, direction: Direction, ms: u64, event: Event) -> Record {
    Record {
        global_id: id.clone(),
        position: Position(position),
        address: address(position),
        direction,
        at: at(ms),
        began_at: at(ms.saturating_sub(1)),
        attempt: 1,
        digest: None,
        use_case: Some(use_case("sample")),
        event,
    }
}

/// The start of a saga of `step_count` steps.
pub fn started(id: &GlobalId, step_count: u16, ms: u64) -> Record {
    let steps: Arc<[StepAddress]> = (0..step_count).map(address).collect();
    let event = Event::Started { steps, body: json(r#"{"order-id":"o-1"}"#), deadline: None };
    Record { began_at: at(ms), attempt: 0, ..record(id, 0, Handle, ms, event) }
}

pub fn done(id: &GlobalId, position: u16, ms: u64) -> Record {
    record(id, position, Handle, ms, Event::Done { body: json("{}"), compensation: None })
}

pub fn ended(id: &GlobalId, position: u16, ms: u64, status: EndStatus) -> Record {
    record(id, position, Handle, ms, Event::Ended { status })
}

pub fn retried(id: &GlobalId, position: u16, ms: u64, reason: &str) -> Record {
    record(id, position, Handle, ms, Event::Retried { reason: reason.to_owned(), fault: None, due: at(ms + 100) })
}

pub fn failure(position: u16, direction: Direction, ms: u64, code: &str, reason: &str) -> Failure {
    Failure {
        position: Position(position),
        address: address(position),
        direction,
        kind: FailureKind::RetryExhausted,
        code: code.to_owned(),
        reason: reason.to_owned(),
        at: at(ms),
    }
}

pub fn dead_lettered(id: &GlobalId, position: u16, direction: Direction, ms: u64, reason: &str) -> Record {
    let failure = failure(position, direction, ms, "no-luck", reason);
    let letter = Bytes::from_static(b"letter");
    record(id, position, direction, ms, Event::DeadLettered { failure, letter, standing: Standing::InTheWay })
}

/// All records of a saga that completes in `step_count` steps, from `ms` on.
pub fn completed(id: &GlobalId, step_count: u16, ms: u64) -> Vec<Record> {
    let mut records = vec![started(id, step_count, ms)];
    records.extend((0..step_count).map(|position| done(id, position, ms + 1 + u64::from(position))));
    records.push(ended(id, step_count - 1, ms + u64::from(step_count), EndStatus::Completed));
    records
}

pub fn unit(records: impl IntoIterator<Item = Record>) -> Unit {
    Unit { records: records.into_iter().collect(), ..Unit::default() }
}

/// A unit of key-value writes that read nothing.
pub fn writes(writes: &[(&BucketName, &str, Option<&str>)]) -> Unit {
    transaction(Lsn::default(), &[], writes)
}

/// A unit of key-value reads and writes since a snapshot.
pub fn transaction(snapshot: Lsn, reads: &[(&BucketName, &str)], writes: &[(&BucketName, &str, Option<&str>)]) -> Unit {
    let reads = reads.iter().map(|(bucket, key)| ((*bucket).clone(), Arc::from(*key))).collect();
    let value = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let writes = writes.iter().map(|(bucket, key, text)| ((*bucket).clone(), Arc::from(*key), text.map(value)));
    let txn = KeyValueTxn { snapshot, reads, listed: Vec::new(), writes: writes.collect() };
    Unit { key_values: Some(txn), ..Unit::default() }
}

pub fn parked_id(key: &str, saga: &str) -> ParkedId {
    let message_id = MessageId { global_id: global_id(saga), direction: Handle, position: Position(1) };
    ParkedId { key: wait_key(key), message_id }
}

pub fn parked(id: &ParkedId, since_ms: u64, until_ms: u64) -> Parked {
    Parked {
        id: id.clone(),
        message: Message {
            topic: TopicName::try_new("test.step.s1.in").expect("a sample topic is valid"),
            key: Arc::from(id.message_id.global_id.as_str()),
            headers: Headers::default(),
            payload: Payload::Encoded(Bytes::from_static(br#"{"meta":{},"body":{}}"#)),
        },
        reason: "it is not there yet".to_owned(),
        since: at(since_ms),
        until: at(until_ms),
        on_timeout: OnTimeout::Reject,
    }
}

pub fn park(parked: Parked) -> Unit {
    Unit { park: Some(parked), ..Unit::default() }
}

pub fn unpark(id: &ParkedId) -> Unit {
    Unit { unpark: [id.clone()].into(), ..Unit::default() }
}

pub fn remember(key: &str, at_ms: u64, until_ms: u64) -> Unit {
    let signal = RememberedSignal { key: wait_key(key), at: at(at_ms), until: at(until_ms) };
    Unit { remember_signal: Some(signal), ..Unit::default() }
}

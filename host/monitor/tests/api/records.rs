//! Records of a saga of three steps.

use std::sync::Arc;

use bytes::Bytes;
use host_core::envelope::UseCaseRef;
use host_core::failure::{Failure, FailureKind};
use host_core::id::{Digest, Direction, GlobalId, Position, StepAddress, UseCaseName};
use host_core::json::Json;
use host_core::record::{EndStatus, Event, Record, Standing};
use host_core::time::Timestamp;

/// When the first record of every saga was made.
pub(crate) const BEGAN_MS: u64 = 1_795_000_000_000;

pub(crate) fn id(text: &str) -> GlobalId {
    GlobalId::try_new(text).unwrap()
}

pub(crate) fn json(text: &str) -> Json {
    Json::try_from_text(text).unwrap()
}

pub(crate) fn step(position: u16) -> StepAddress {
    StepAddress::try_new(["shop.order.create", "shop.stock.reserve", "shop.payment.take"][usize::from(position)])
        .unwrap()
}

pub(crate) fn record(global_id: &str, position: u16, event: Event) -> Record {
    let at = Timestamp::from_ms(BEGAN_MS + u64::from(position) * 10);
    Record {
        global_id: id(global_id),
        position: Position(position),
        address: step(position),
        direction: Direction::Handle,
        at,
        began_at: at,
        attempt: 1,
        digest: Some(Digest([5; 32])),
        use_case: Some(UseCaseRef { name: UseCaseName::try_new("shop").unwrap(), version: 2 }),
        event,
    }
}

pub(crate) fn started(global_id: &str, body: &str) -> Record {
    let steps = Arc::from([step(0), step(1), step(2)]);
    let event = Event::Started { steps, body: json(body), deadline: None };
    Record { attempt: 0, digest: None, ..record(global_id, 0, event) }
}

pub(crate) fn started_by(use_case: &str, global_id: &str) -> Record {
    let use_case = UseCaseRef { name: UseCaseName::try_new(use_case).unwrap(), version: 1 };
    Record { use_case: Some(use_case), ..started(global_id, "{}") }
}

pub(crate) fn done(global_id: &str, position: u16, body: &str) -> Record {
    record(global_id, position, Event::Done { body: json(body), compensation: None })
}

pub(crate) fn ended(global_id: &str, position: u16, status: EndStatus) -> Record {
    Record { attempt: 0, digest: None, ..record(global_id, position, Event::Ended { status }) }
}

pub(crate) fn failure(position: u16, kind: FailureKind, reason: &str) -> Failure {
    Failure {
        position: Position(position),
        address: step(position),
        direction: Direction::Handle,
        kind,
        code: kind.as_str().to_owned(),
        reason: reason.to_owned(),
        at: Timestamp::from_ms(BEGAN_MS),
    }
}

pub(crate) fn rejected(global_id: &str, position: u16, reason: &str) -> Record {
    let failure = failure(position, FailureKind::Rejected, reason);
    record(global_id, position, Event::Rejected { failure, details: None })
}

pub(crate) fn dead_lettered(global_id: &str, position: u16, reason: &str) -> Record {
    let failure = failure(position, FailureKind::RetryExhausted, reason);
    let letter = Bytes::from_static(b"letter");
    record(global_id, position, Event::DeadLettered { failure, letter, standing: Standing::InTheWay })
}

/// The whole life of a saga that completes with this body.
pub(crate) fn completed(global_id: &str, body: &str) -> Vec<Record> {
    vec![
        started(global_id, "{\"order-id\":\"o-1\"}"),
        done(global_id, 0, "1"),
        done(global_id, 1, "2"),
        done(global_id, 2, body),
        ended(global_id, 2, EndStatus::Completed),
    ]
}

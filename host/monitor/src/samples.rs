//! Records for this room's own tests.

use std::sync::Arc;

use host_core::envelope::UseCaseRef;
use host_core::id::{Direction, GlobalId, Lsn, Position, StepAddress, UseCaseName};
use host_core::json::Json;
use host_core::record::{EndStatus, Event, Record};
use host_core::time::Timestamp;
use host_store::Committed;

pub(crate) fn step(name: &str) -> StepAddress {
    StepAddress::try_new(&format!("shop.test.{name}")).expect("a literal")
}

pub(crate) fn json(text: &str) -> Json {
    Json::try_from_text(text).expect("a literal")
}

pub(crate) fn record(global_id: &str, position: u16, event: Event) -> Record {
    let at = Timestamp::from_ms(1_795_000_000_000);
    Record {
        global_id: GlobalId::try_new(global_id).expect("a literal"),
        position: Position(position),
        address: step(["one", "two", "three"][usize::from(position)]),
        direction: Direction::Handle,
        at,
        began_at: at,
        attempt: 1,
        digest: None,
        use_case: Some(UseCaseRef { name: UseCaseName::try_new("shop").expect("a literal"), version: 1 }),
        event,
    }
}

pub(crate) fn started(global_id: &str) -> Record {
    let steps = ["one", "two", "three"].map(step);
    let event = Event::Started { steps: Arc::from(steps), body: json("{\"order\":1}"), deadline: None };
    Record { attempt: 0, ..record(global_id, 0, event) }
}

pub(crate) fn done(global_id: &str, position: u16, body: &str) -> Record {
    record(global_id, position, Event::Done { body: json(body), compensation: None })
}

pub(crate) fn completed(global_id: &str) -> Record {
    Record { attempt: 0, ..record(global_id, 2, Event::Ended { status: EndStatus::Completed }) }
}

/// A batch with this many records of one saga.
pub(crate) fn batch(lsn: u64, record_count: usize) -> Arc<Committed> {
    let records = (0..record_count).map(|_| done("order-1", 0, "1")).collect();
    Arc::new(Committed { lsn: Lsn(lsn), records })
}

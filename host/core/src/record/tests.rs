//! Tests of the stored form. The golden bytes are a promise: what was stored by an older host is read by every newer
//! one, so they are never changed, only added to.

use super::*;
use crate::failure::FailureKind;

fn address() -> StepAddress {
    StepAddress::try_new("d.s.one").expect("three words")
}

fn json(text: &str) -> Json {
    Json::try_from_text(text).expect("JSON")
}

fn id() -> GlobalId {
    GlobalId::try_new("saga-1").expect("an id")
}

fn failure() -> Failure {
    Failure {
        position: Position(1),
        address: address(),
        direction: Direction::Compensate,
        kind: FailureKind::RetryExhausted,
        code: "retry-exhausted".to_owned(),
        reason: "büsy".to_owned(),
        at: Timestamp::from_ms(1_795_000_000_001),
    }
}

fn record(event: Event) -> Record {
    Record {
        global_id: id(),
        position: Position(1),
        address: address(),
        direction: Direction::Handle,
        at: Timestamp::from_ms(1_795_000_000_250),
        began_at: Timestamp::from_ms(1_795_000_000_000),
        attempt: 3,
        digest: Some(Digest([0xa7; 32])),
        use_case: Some(UseCaseRef { name: crate::id::UseCaseName::try_new("shop").expect("a name"), version: 2 }),
        event,
    }
}

/// One of each event, with every optional part at least once.
fn every_event() -> Vec<Record> {
    let key = || WaitKey::try_new("customer/42").expect("a key");
    let at = Timestamp::from_ms(1_795_000_001_000);
    let letter = Bytes::from_static(b"{\"meta\":{}}");
    let plain = |event| Record { digest: None, use_case: None, attempt: 0, ..record(event) };
    vec![
        record(Event::Started { steps: [address(), address()].into(), body: json("{\"a\":1.0}"), deadline: Some(at) }),
        plain(Event::Started { steps: [address(), address()].into(), body: json("null"), deadline: None }),
        record(Event::Done { body: json("1"), compensation: Some(json("null")) }),
        record(Event::Done { body: json("1"), compensation: None }),
        record(Event::Rejected { failure: failure(), details: Some(json("[]")) }),
        record(Event::Retried { reason: "busy".into(), fault: Some(FailureKind::Trap), due: at }),
        record(Event::Retried { reason: "busy".into(), fault: None, due: at }),
        record(Event::Waiting { key: key(), reason: "not yet".into(), until: at }),
        plain(Event::Signalled { key: key() }),
        record(Event::DeadLettered { failure: failure(), letter: letter.clone(), standing: Standing::InTheWay }),
        record(Event::DeadLettered { failure: failure(), letter, standing: Standing::Beside }),
        Record { direction: Direction::Compensate, ..record(Event::Compensated { body: json("2") }) },
        plain(Event::LateDropped { reason: "it ended".into() }),
        plain(Event::NotRun),
        plain(Event::Acted { verb: Verb::Retry, who: "ada".into(), reason: Some("mended".into()) }),
        plain(Event::Acted { verb: Verb::Compensate, who: "ada".into(), reason: None }),
        plain(Event::Acted { verb: Verb::Skip, who: "ada".into(), reason: None }),
        plain(Event::Acted { verb: Verb::Close, who: "ada".into(), reason: None }),
        plain(Event::Ended { status: EndStatus::Completed }),
        plain(Event::Ended { status: EndStatus::Compensated }),
        plain(Event::Ended { status: EndStatus::CompensationFailed }),
        plain(Event::Ended { status: EndStatus::Closed }),
    ]
}

fn encoded(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.iter().for_each(|record| record.encode_into(&mut bytes));
    bytes
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn records_stand_one_after_the_other_and_are_read_back() {
    let records = every_event();
    assert_eq!(Record::decode_all(&id(), &encoded(&records)), Ok(records));
    assert_eq!(Record::decode_all(&id(), &[]), Ok(Vec::new()));
}

#[test]
fn the_stored_form_of_today_is_written_and_read_to_the_byte() {
    let golden = include_str!("../../../../tests/fixtures/record/format-1.txt");
    let golden: Vec<_> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    let written: Vec<_> =
        every_event().iter().map(|record| hexadecimal(&encoded(std::slice::from_ref(record)))).collect();
    assert_eq!(
        written, golden,
        "a stored record must be readable tomorrow: raise FORMAT and keep the reader of this one"
    );
}

#[test]
fn a_format_of_tomorrow_is_refused_with_the_cure() {
    let mut bytes = encoded(&every_event()[..1]);
    bytes[0] = FORMAT + 1;
    let error = Record::decode_all(&id(), &bytes).expect_err("another format");
    assert_eq!(error, StoredError::Format { found: FORMAT + 1 });
    assert!(error.to_string().contains("run the version of saga that wrote it"));
}

#[test]
fn damaged_bytes_are_refused_and_never_panic() {
    let bytes = encoded(&every_event());
    let borders: Vec<_> = (0..every_event().len()).map(|count| encoded(&every_event()[..count]).len()).collect();
    for end in 0..bytes.len() {
        let whole = borders.contains(&end);
        assert_eq!(Record::decode_all(&id(), &bytes[..end]).is_ok(), whole, "cut at {end}");
    }
    for at in 0..bytes.len() {
        for bit in [0x01, 0x10, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            // Some damage yields another valid record; none may panic, nor harm who folds what was read.
            if let Ok(records) = Record::decode_all(&id(), &damaged) {
                let _ = crate::saga::Saga::fold(&records);
            }
        }
    }
}

#[test]
fn positions_outside_the_itinerary_are_corrupt() {
    let far = Record { position: Position(1024), ..record(Event::NotRun) };
    assert!(matches!(Record::decode_all(&id(), &encoded(&[far])), Err(StoredError::Corrupt(_))));
    let started = |count: usize, position| Record {
        position: Position(position),
        ..record(Event::Started { steps: vec![address(); count].into(), body: json("1"), deadline: None })
    };
    assert!(Record::decode_all(&id(), &encoded(&[started(2, 1)])).is_ok());
    for bad in [started(2, 2), started(0, 0), started(1025, 0)] {
        assert!(matches!(Record::decode_all(&id(), &encoded(&[bad])), Err(StoredError::Corrupt(_))));
    }
}

#[test]
fn a_clock_that_went_back_during_a_call_stores_no_negative_span() {
    let early = Record { began_at: Timestamp::from_ms(u64::MAX), ..record(Event::NotRun) };
    let read = Record::decode_all(&id(), &encoded(&[early])).expect("readable");
    assert_eq!(read[0].began_at, read[0].at);
}

//! The judge itself is on trial: every kind of violation is put before it, and it must name it, and no other.

use std::sync::Arc;

use host_core::envelope::UseCaseRef;
use host_core::failure::{Failure, FailureKind};
use host_core::id::{Digest, Direction, GlobalId, Position, StepAddress, UseCaseName, WaitKey};
use host_core::json::Json;
use host_core::record::{EndStatus, Event, Record, Standing, Verb};
use host_core::time::Timestamp;

use super::*;

const NEW: Digest = Digest([1; 32]);
const OLD: Digest = Digest([0; 32]);

fn address(position: u16) -> StepAddress {
    StepAddress::try_new(&format!("a.b.s{position}")).expect("an address")
}

fn record(position: u16, direction: Direction, event: Event) -> Record {
    Record {
        global_id: GlobalId::try_new("saga-1").expect("an id"),
        position: Position(position),
        address: address(position),
        direction,
        at: Timestamp::from_ms(1_795_000_000_000),
        began_at: Timestamp::from_ms(1_795_000_000_000),
        attempt: 1,
        digest: Some(OLD),
        use_case: Some(UseCaseRef { name: UseCaseName::try_new("x").expect("a name"), version: 1 }),
        event,
    }
}

fn started() -> Record {
    let steps: Arc<[StepAddress]> = (0..3).map(address).collect();
    record(0, Direction::Handle, Event::Started { steps, body: Json::null(), deadline: None })
}

fn done(position: u16) -> Record {
    record(position, Direction::Handle, Event::Done { body: Json::null(), compensation: None })
}

fn undone(position: u16) -> Record {
    record(position, Direction::Compensate, Event::Compensated { body: Json::null() })
}

fn failure(position: u16) -> Failure {
    Failure {
        position: Position(position),
        address: address(position),
        direction: Direction::Handle,
        kind: FailureKind::Rejected,
        code: "no".to_owned(),
        reason: "no paper".to_owned(),
        at: Timestamp::from_ms(1_795_000_000_000),
    }
}

fn rejected(position: u16) -> Record {
    record(position, Direction::Handle, Event::Rejected { failure: failure(position), details: None })
}

fn ended(position: u16, status: EndStatus) -> Record {
    let direction = if status == EndStatus::Completed { Direction::Handle } else { Direction::Compensate };
    record(position, direction, Event::Ended { status })
}

fn completed() -> Vec<Record> {
    vec![started(), done(0), done(1), done(2), ended(2, EndStatus::Completed)]
}

fn compensated() -> Vec<Record> {
    vec![started(), done(0), done(1), rejected(2), undone(1), undone(0), ended(0, EndStatus::Compensated)]
}

fn wish(expected: End) -> Wish {
    let told = vec![expected.as_str().to_owned()];
    Wish {
        use_case: "x".to_owned(),
        body: serde_json::Value::Null,
        expected,
        is_accepted: true,
        told,
        heard: Vec::new(),
    }
}

/// The one violation, which says this.
#[track_caller]
fn assert_names(found: &[String], words: &str) {
    assert!(found.len() == 1 && found[0].contains(words), "not exactly {words:?}: {found:?}");
}

#[track_caller]
fn assert_found(found: &[String], words: &str) {
    assert!(found.iter().any(|found| found.contains(words)), "{words:?} is missing: {found:?}");
}

#[test]
fn what_went_well_is_no_violation() {
    assert_eq!(judge(&wish(End::Completed), Some("completed"), &completed()), Vec::<String>::new());
    assert_eq!(judge(&wish(End::Compensated), Some("compensated"), &compensated()), Vec::<String>::new());
    let given_up = Wish { is_accepted: false, told: Vec::new(), ..wish(End::Completed) };
    assert_eq!(judge(&given_up, None, &[]), Vec::<String>::new(), "nobody was promised anything");
    assert_eq!(judge(&given_up, Some("completed"), &completed()), Vec::<String>::new());
}

#[test]
fn waits_retries_and_late_copies_are_part_of_a_good_saga() {
    let key = WaitKey::try_new("k").expect("a key");
    let at = Timestamp::from_ms(1_795_000_000_000);
    let mut records = completed();
    let more = [
        Event::Retried { reason: "busy".to_owned(), fault: None, due: at },
        Event::Waiting { key: key.clone(), reason: "not yet".to_owned(), until: at },
        Event::Signalled { key },
    ];
    records.splice(2..2, more.map(|event| record(1, Direction::Handle, event)));
    records.push(record(1, Direction::Handle, Event::LateDropped { reason: "late".to_owned() }));
    assert_eq!(judge(&wish(End::Completed), Some("completed"), &records), Vec::<String>::new());
}

#[test]
fn a_lost_saga_is_named() {
    assert_names(&judge(&wish(End::Completed), None, &[]), "acknowledged and is lost");
    let unsure = Wish { is_accepted: false, told: Vec::new(), ..wish(End::Completed) };
    assert_names(&judge(&unsure, None, &completed()), "has a journal and the host knows no such saga");
    assert_found(&judge(&wish(End::Completed), Some("completed"), &[]), "its journal is empty");
}

#[test]
fn a_saga_that_does_not_end_is_named_with_where_it_stands() {
    let at = Timestamp::from_ms(1_795_000_000_000);
    let key = WaitKey::try_new("customer/7").expect("a key");
    let waiting = Event::Waiting { key, reason: "customer 7 is not registered".to_owned(), until: at };
    let records = [started(), record(0, Direction::Handle, waiting)];
    let found = judge(&wish(End::Completed), Some("waiting"), &records);
    assert_names(&found, "it is waiting; the last record is waiting at a.b.s0 handle");
    assert_names(&found, "customer 7 is not registered");
    assert_names(&judge(&wish(End::Completed), Some("failed"), &completed()), "it has not ended");
}

#[test]
fn a_client_that_was_told_otherwise_is_named() {
    let told = Wish { told: vec!["completed".to_owned()], ..wish(End::Compensated) };
    assert_names(&judge(&told, Some("compensated"), &compensated()), "was told completed, and it is compensated");
}

#[test]
fn a_live_event_about_an_end_that_was_taken_back_is_named() {
    let at = |ms: u64| vec![Timestamp::from_ms(1_795_000_000_000 + ms).to_string()];
    let heard = Wish { heard: at(0), ..wish(End::Completed) };
    assert_eq!(judge(&heard, Some("completed"), &completed()), Vec::<String>::new());
    let heard = Wish { heard: at(1), ..wish(End::Completed) };
    assert_names(&judge(&heard, Some("completed"), &completed()), "a live event told that it ended at");
    let heard = Wish { is_accepted: false, told: Vec::new(), ..heard };
    assert_names(&judge(&heard, None, &[]), "acknowledged and is lost");
}

#[test]
fn an_end_that_nothing_leads_to_is_named_with_its_reason() {
    let surprised = Wish { told: Vec::new(), ..wish(End::Completed) };
    assert_names(&judge(&surprised, Some("compensated"), &compensated()), "leads to completed: no paper");
}

#[test]
fn an_answer_that_differs_from_the_journal_is_named() {
    let found = judge(&wish(End::Compensated), Some("compensated"), &completed());
    assert_found(&found, "the host answers compensated, and its journal says completed");
}

#[test]
fn an_effect_that_is_there_twice_is_named() {
    let mut records = completed();
    records.insert(2, done(0));
    assert_names(&judge(&wish(End::Completed), Some("completed"), &records), "a.b.s0 did its work twice");
    let mut records = compensated();
    records.insert(5, undone(1));
    assert_names(&judge(&wish(End::Compensated), Some("compensated"), &records), "a.b.s1 was undone twice");
}

#[test]
fn a_wrong_order_is_named_in_both_directions() {
    let mut records = completed();
    records.swap(1, 2);
    assert_found(&judge(&wish(End::Completed), Some("completed"), &records), "out of turn");
    let mut records = compensated();
    records.swap(4, 5);
    assert_names(&judge(&wish(End::Compensated), Some("compensated"), &records), "undone in the order");
    let mut records = compensated();
    records.remove(5);
    assert_names(&judge(&wish(End::Compensated), Some("compensated"), &records), "undone in the order");
    let mut records = compensated();
    records.insert(5, done(2));
    assert_found(&judge(&wish(End::Compensated), Some("compensated"), &records), "a.b.s2 did its work out of turn");
}

#[test]
fn a_completed_saga_with_a_gap_or_an_undo_is_named() {
    let mut records = completed();
    records.remove(3);
    assert_names(&judge(&wish(End::Completed), Some("completed"), &records), "with 2 of 3 steps done");
    let mut records = completed();
    records.insert(4, undone(1));
    assert_found(&judge(&wish(End::Completed), Some("completed"), &records), "and 1 undone");
}

#[test]
fn an_undo_by_another_version_is_named() {
    let mut records = compensated();
    records[4].digest = Some(NEW);
    assert_names(&judge(&wish(End::Compensated), Some("compensated"), &records), "a.b.s1 was done by");
}

#[test]
fn a_journal_that_begins_or_ends_twice_or_not_at_all_is_named() {
    let mut records = completed();
    records.insert(1, started());
    assert_found(&judge(&wish(End::Completed), Some("completed"), &records), "2 records started");
    let mut records = completed();
    records.push(ended(2, EndStatus::Completed));
    assert_names(&judge(&wish(End::Completed), Some("completed"), &records), "2 records ended");
    let mut records = completed();
    records.pop();
    assert_found(&judge(&wish(End::Completed), Some("completed"), &records), "0 records ended");
    let mut records = completed();
    records.swap(3, 4);
    assert_found(&judge(&wish(End::Completed), Some("completed"), &records), "ended in the midst");
}

#[test]
fn a_dead_letter_and_an_act_without_cause_are_named() {
    let letter = Event::DeadLettered {
        failure: failure(1),
        letter: bytes::Bytes::from_static(b"letter"),
        standing: Standing::InTheWay,
    };
    let act = Event::Acted { verb: Verb::Retry, who: "nobody".to_owned(), reason: None };
    let mut records = completed();
    records.splice(2..2, [letter, act].map(|event| record(1, Direction::Handle, event)));
    let found = judge(&wish(End::Completed), Some("completed"), &records);
    assert_found(&found, "a record dead-lettered");
    assert_found(&found, "a record acted");
}

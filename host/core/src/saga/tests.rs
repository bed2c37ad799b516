//! Tests of the fold where its records have gaps: foreign services, a head beyond retention, people. What a host that
//! sees everything writes is tested by the simulation.

use Direction::{Compensate, Handle};

use super::*;
use crate::failure::FailureKind;

fn address(position: u16) -> StepAddress {
    StepAddress::try_new(&format!("d.s.step-{position}")).expect("three words")
}

fn json(text: &str) -> Json {
    Json::try_from_text(text).expect("JSON")
}

fn record(position: u16, direction: Direction, event: Event) -> Record {
    Record {
        global_id: GlobalId::try_new("saga").expect("an id"),
        position: Position(position),
        address: address(position),
        direction,
        at: Timestamp::from_ms(1_000),
        began_at: Timestamp::from_ms(900),
        attempt: 1,
        digest: None,
        use_case: None,
        event,
    }
}

fn started(position: u16, direction: Direction, count: u16) -> Record {
    let event = Event::Started { steps: (0..count).map(address).collect(), body: json("0"), deadline: None };
    Record { attempt: 0, ..record(position, direction, event) }
}

fn done(position: u16) -> Record {
    record(position, Handle, Event::Done { body: json("1"), compensation: None })
}

fn undone(position: u16) -> Record {
    record(position, Compensate, Event::Compensated { body: json("1") })
}

fn failure(position: u16, direction: Direction) -> Failure {
    Failure {
        position: Position(position),
        address: address(position),
        direction,
        kind: FailureKind::Rejected,
        code: "no".to_owned(),
        reason: "it refused".to_owned(),
        at: Timestamp::from_ms(1_000),
    }
}

fn dead_lettered(position: u16, direction: Direction, standing: Standing) -> Record {
    let letter = Bytes::from_static(b"letter");
    record(position, direction, Event::DeadLettered { failure: failure(position, direction), letter, standing })
}

fn acted(position: u16, direction: Direction, verb: Verb) -> Record {
    let event = Event::Acted { verb, who: "ada".to_owned(), reason: None };
    Record { attempt: 0, ..record(position, direction, event) }
}

fn ended(position: u16, direction: Direction, status: EndStatus) -> Record {
    record(position, direction, Event::Ended { status })
}

fn fold(records: &[Record]) -> Saga {
    Saga::fold(records).expect("records")
}

/// `handle` and `compensate` of each step, in a word each.
fn states(saga: &Saga) -> Vec<String> {
    let of = |step: &StepState| match &step.compensate {
        None => step.handle.state.as_str().to_owned(),
        Some(call) => format!("{} {}", step.handle.state.as_str(), call.state.as_str()),
    };
    saga.steps.iter().map(of).collect()
}

#[test]
fn a_foreign_step_is_done_when_the_message_comes_to_one_behind_it() {
    let mut records = vec![started(0, Handle, 3), done(0)];
    let saga = fold(&records);
    assert_eq!((states(&saga).join(", "), saga.at), ("done, pending, not-reached".to_owned(), (Position(1), Handle)));
    records.push(done(2));
    assert_eq!(states(&fold(&records)), ["done", "done", "done"]);
}

#[test]
fn a_saga_that_a_foreign_service_began_is_met_in_its_middle() {
    let saga = fold(&[started(1, Handle, 3)]);
    assert_eq!(
        (states(&saga).join(", "), saga.status),
        ("not-reached, pending, not-reached".to_owned(), Status::Running)
    );
    assert_eq!(states(&fold(&[started(1, Handle, 3), done(1)])), ["done", "done", "pending"]);
}

#[test]
fn a_saga_that_a_foreign_service_began_and_turned_round_is_met_on_its_way_back() {
    let saga = fold(&[started(1, Compensate, 3)]);
    assert_eq!((saga.status, saga.at), (Status::Compensating, (Position(1), Compensate)));
    let not_run = record(1, Compensate, Event::NotRun);
    let saga = fold(&[started(1, Compensate, 3), not_run]);
    assert_eq!(states(&saga), ["not-reached pending", "not-reached skipped", "not-reached"]);
    assert_eq!(saga.at, (Position(0), Compensate));
}

#[test]
fn a_foreign_refusal_shows_where_it_was_and_a_foreign_undoing_too() {
    let saga = fold(&[started(0, Handle, 3), done(0), undone(0), ended(0, Compensate, EndStatus::Compensated)]);
    assert_eq!(states(&saga), ["done done", "rejected", "not-reached"]);
    assert_eq!((saga.status, saga.failure), (Status::Compensated, None));
    let refused = record(2, Handle, Event::Rejected { failure: failure(2, Handle), details: None });
    let saga = fold(&[started(0, Handle, 3), done(0), refused, undone(0)]);
    assert_eq!(states(&saga), ["done done", "done done", "rejected"]);
}

#[test]
fn a_journal_without_its_head_still_tells_the_rest() {
    let saga = fold(&[done(2), record(3, Handle, Event::Rejected { failure: failure(3, Handle), details: None })]);
    assert_eq!(states(&saga), ["done", "done", "done pending", "rejected"]);
    let addresses: Vec<_> = saga.steps.iter().map(|step| step.address.as_str()).collect();
    assert_eq!(addresses, ["unknown.unknown.unknown", "unknown.unknown.unknown", "d.s.step-2", "d.s.step-3"]);
}

#[test]
fn attempts_count_on_over_a_fresh_budget() {
    let mut dead = dead_lettered(0, Handle, Standing::InTheWay);
    dead.attempt = 8;
    let records = [started(0, Handle, 1), dead, acted(0, Handle, Verb::Retry), done(0)];
    let saga = fold(&records[..3]);
    let call = &saga.steps[0].handle;
    assert_eq!((call.state, call.attempts, call.ended_at, &call.reason), (CallState::Pending, 8, None, &None));
    assert_eq!((saga.status, saga.failure, saga.letter), (Status::Running, None, None));
    assert_eq!(fold(&records).steps[0].handle.attempts, 9);
}

#[test]
fn what_turned_the_saga_round_is_told_again_once_a_failed_undoing_is_mended() {
    let refused = record(2, Handle, Event::Rejected { failure: failure(2, Handle), details: None });
    let stands = dead_lettered(1, Compensate, Standing::InTheWay);
    let records =
        [started(0, Handle, 3), done(0), done(1), refused, stands, acted(1, Compensate, Verb::Retry), undone(1)];
    let stands = fold(&records[..5]);
    assert_eq!((stands.status, stands.ended), (Status::CompensationFailed, false));
    assert_eq!(stands.failure.map(|failure| failure.direction), Some(Compensate));
    let mended = fold(&records);
    assert_eq!(mended.failure, Some(failure(2, Handle)));
    assert_eq!((mended.status, mended.at), (Status::Compensating, (Position(0), Compensate)));
}

#[test]
fn what_was_given_up_is_offered_the_last_one_first_until_nothing_is_left() {
    let refused = record(3, Handle, Event::Rejected { failure: failure(3, Handle), details: None });
    let beside = |position| dead_lettered(position, Compensate, Standing::Beside);
    let failed = |position| ended(position, Compensate, EndStatus::CompensationFailed);
    let mut records = vec![started(0, Handle, 4), done(0), done(1), done(2), refused, beside(2)];
    let saga = fold(&records);
    assert_eq!((saga.status, saga.at, &saga.letter), (Status::Compensating, (Position(1), Compensate), &None));
    records.extend([undone(1), beside(0), failed(0)]);
    let saga = fold(&records);
    assert_eq!((saga.status, saga.ended, saga.at), (Status::CompensationFailed, true, (Position(0), Compensate)));
    assert_eq!(saga.failure, Some(failure(0, Compensate)));
    assert!(saga.letter.is_some());
    records.extend([acted(0, Compensate, Verb::Retry)]);
    let saga = fold(&records);
    assert_eq!((saga.status, saga.ended, &saga.letter), (Status::Compensating, false, &None));
    records.extend([undone(0), failed(0)]);
    let saga = fold(&records);
    assert_eq!((saga.at, saga.failure), ((Position(2), Compensate), Some(failure(2, Compensate))));
    records.extend([acted(2, Compensate, Verb::Skip), ended(2, Compensate, EndStatus::Compensated)]);
    let saga = fold(&records);
    assert_eq!((saga.status, saga.ended, &saga.letter), (Status::Compensated, true, &None));
    assert_eq!(saga.failure, Some(failure(3, Handle)));
    assert_eq!(states(&saga), ["done done", "done done", "done skipped", "rejected"]);
}

#[test]
fn a_closed_saga_offers_nothing_more() {
    let stands = dead_lettered(0, Handle, Standing::InTheWay);
    let closed = [started(0, Handle, 2), stands, acted(0, Handle, Verb::Close), ended(0, Handle, EndStatus::Closed)];
    let saga = fold(&closed);
    assert_eq!((saga.status, saga.ended, saga.letter), (Status::Closed, true, None));
    assert_eq!(saga.actions.len(), 1);
}

#[test]
fn what_comes_too_late_changes_nothing_but_the_time() {
    let before = fold(&[started(0, Handle, 2), done(0)]);
    let mut late = record(0, Handle, Event::LateDropped { reason: "done already".to_owned() });
    late.at = Timestamp::from_ms(5_000);
    let after = fold(&[started(0, Handle, 2), done(0), late]);
    assert_eq!(after.updated_at, Timestamp::from_ms(5_000));
    assert_eq!(Saga { updated_at: before.updated_at, ..after }, before);
}

#[test]
fn words_of_a_status_are_read_back() {
    for status in Status::ALL {
        assert_eq!(Status::parse(status.as_str()), Some(status));
    }
    assert_eq!(Status::parse("done"), None);
}

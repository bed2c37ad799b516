//! Who is told what, and that nothing is left of those who wait no longer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::samples;
use host_core::failure::FailureKind;
use host_core::id::{Direction, Position};
use host_core::record::{EndStatus, Standing};
use host_core::time::Timestamp;

fn id(text: &str) -> GlobalId {
    GlobalId::try_new(text).unwrap()
}

fn dead_letter(global_id: &str) -> Record {
    let failure = Failure {
        position: Position(0),
        address: samples::step("one"),
        direction: Direction::Handle,
        kind: FailureKind::Trap,
        code: "trap".to_owned(),
        reason: "it broke".to_owned(),
        at: Timestamp::MIN,
    };
    samples::record(
        global_id,
        0,
        Event::DeadLettered { failure, letter: bytes::Bytes::new(), standing: Standing::InTheWay },
    )
}

#[tokio::test]
async fn who_registers_before_the_start_is_told_the_whole_outcome() {
    let waiters = Waiters::new();
    let mut ticket = waiters.register(&id("a")).unwrap();
    waiters.see(&[samples::started("a"), samples::started("b"), samples::done("a", 0, "1")]);
    waiters.see(&[samples::done("a", 1, "2"), samples::done("a", 2, "3"), samples::completed("a")]);
    let Wake::Settled(outcome) = ticket.wake().await else { panic!("the whole saga was seen") };
    assert_eq!(outcome.status, Status::Completed);
    assert_eq!(outcome.body.as_str(), "3");
    assert_eq!(outcome.failure, None);
}

#[tokio::test]
async fn a_dead_letter_settles_and_tells_its_failure() {
    let waiters = Waiters::new();
    let mut ticket = waiters.register(&id("a")).unwrap();
    waiters.see(&[samples::started("a"), dead_letter("a")]);
    let Wake::Settled(outcome) = ticket.wake().await else { panic!("the whole saga was seen") };
    assert_eq!(outcome.status, Status::Failed);
    assert_eq!(outcome.body.as_str(), "{\"order\":1}", "the body at the point of failure");
    assert_eq!(outcome.failure.as_ref().unwrap().reason, "it broke");
}

#[tokio::test]
async fn who_comes_later_is_sent_to_the_journal_when_something_may_have_settled() {
    for last in [dead_letter("a"), samples::completed("a")] {
        let waiters = Waiters::new();
        let mut ticket = waiters.register(&id("a")).unwrap();
        waiters.see(&[samples::done("a", 1, "2"), last]);
        assert!(matches!(ticket.wake().await, Wake::Look));
    }
}

#[tokio::test]
async fn all_who_wait_for_one_saga_are_told() {
    let waiters = Waiters::new();
    let tickets: Vec<_> = (0..10).map(|_| waiters.register(&id("a")).unwrap()).collect();
    let end = Record { attempt: 0, ..samples::record("a", 0, Event::Ended { status: EndStatus::Closed }) };
    waiters.see(&[samples::started("a"), end]);
    for mut ticket in tickets {
        let Wake::Settled(outcome) = ticket.wake().await else { panic!("the whole saga was seen") };
        assert_eq!(outcome.status, Status::Closed);
    }
    assert_eq!(waiters.count(), 0);
}

#[test]
fn nothing_is_left_of_those_who_give_up_or_were_told() {
    let waiters = Waiters::new();
    let first = waiters.register(&id("a")).unwrap();
    let second = waiters.register(&id("a")).unwrap();
    let other = waiters.register(&id("b")).unwrap();
    drop(first);
    assert_eq!(waiters.count(), 2);
    waiters.see(&[samples::started("a"), dead_letter("a")]);
    drop(second);
    drop(other);
    assert_eq!(waiters.count(), 0);
    assert!(waiters.shards.iter().all(|shard| shard.lock().is_empty()));
}

#[test]
fn a_ticket_that_is_dropped_late_leaves_the_next_ones_alone() {
    let waiters = Waiters::new();
    let told = waiters.register(&id("a")).unwrap();
    waiters.see(&[samples::started("a"), dead_letter("a")]);
    let _next = waiters.register(&id("a")).unwrap();
    drop(told);
    let waiting: usize = waiters.shards.iter().map(|shard| shard.lock().len()).sum();
    assert_eq!(waiting, 1);
}

#[test]
fn more_than_the_bound_do_not_wait() {
    let waiters = Waiters::new();
    let tickets: Vec<_> = (0..WAITER_COUNT_MAX).map(|_| waiters.register(&id("a")).unwrap()).collect();
    assert!(waiters.register(&id("a")).is_err());
    drop(tickets);
    assert!(waiters.register(&id("a")).is_ok());
}

//! Goal: a saga ends complete, or compensated in exactly reverse order; nothing is undone that did not run.
//! Method: scripted answers at every place of the itinerary.

use host_core::record::{EndStatus, Verb};
use host_core::saga::{CallState, Status};
use host_core::use_case::{OnCompensationFailure, OnExhausted};

use crate::harness::*;

#[tokio::test(start_paused = true)]
async fn a_saga_completes_and_hands_the_body_on() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| done(r#"{"two":2}"#));
    world.start("trip", "s-1", r#"{"one":1}"#).await;
    let saga = world.until("s-1", Status::Completed).await;
    assert_eq!(saga.body.as_str(), r#"{"two":2}"#);
    assert_eq!(world.steps.path("s-1"), ["handle d.s.one", "handle d.s.two", "handle d.s.three"]);
    assert_eq!(world.events("s-1").await, ["started", "done", "done", "done", "ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_undoes_the_steps_before_it_in_reverse_with_their_logs() {
    let world = World::new().await;
    world.steps.on_handle("d.s.one", |_| done_with("1", r#"{"undo":"one"}"#));
    world.steps.on_handle("d.s.two", |_| done_with("2", r#"{"undo":"two"}"#));
    world.steps.on_handle("d.s.three", |_| rejected("no-funds"));
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Compensated).await;
    let forward = ["handle d.s.one", "handle d.s.two", "handle d.s.three"];
    let path = world.steps.path("s-1");
    assert_eq!(path[..3], forward);
    assert_eq!(path[3..], ["compensate d.s.two", "compensate d.s.one"]);
    let logs: Vec<_> = world.steps.made.lock()[3..].iter().map(|made| made.log.clone().unwrap()).collect();
    assert_eq!(logs, [r#"{"undo":"two"}"#, r#"{"undo":"one"}"#]);
    assert_eq!(saga.failure.unwrap().code, "no-funds");
    assert_eq!(saga.body.as_str(), "2", "the body at the point of failure");
    assert_eq!(saga.steps[2].compensate, None, "the refusing step is not undone");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_first_step_ends_the_saga_with_nothing_to_undo() {
    let world = World::new().await;
    world.steps.on_handle("d.s.one", |_| rejected("invalid"));
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Compensated).await;
    assert_eq!(world.steps.path("s-1"), ["handle d.s.one"]);
}

#[tokio::test(start_paused = true)]
async fn compensate_is_called_on_the_digest_that_ran_handle() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| rejected("no"));
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Compensated).await;
    let made = world.steps.made.lock();
    assert_eq!(made[2].digest, Some(host_core::id::Digest([7; 32])));
}

#[tokio::test(start_paused = true)]
async fn after_the_pivot_a_refusal_is_retried_then_put_before_a_person() {
    let world = World::new().await;
    world.define("pivoted", &STEPS, |use_case| use_case.policy.pivot = Some(host_core::id::Position(0)));
    world.steps.on_handle("d.s.two", |_| rejected("no"));
    world.start("pivoted", "s-1", "0").await;
    let saga = world.until("s-1", Status::Failed).await;
    assert_eq!(saga.failure.unwrap().code, "no");
    assert!(world.steps.path("s-1").iter().all(|call| !call.starts_with("compensate")));
    assert!(saga.steps[1].handle.attempts > 1);
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_budget_compensates_where_the_use_case_says_so() {
    let world = World::new().await;
    world.define("undo", &STEPS, |use_case| use_case.policy.on_exhausted = OnExhausted::Compensate);
    world.steps.on_handle("d.s.two", |_| retry("down"));
    world.start("undo", "s-1", "0").await;
    let saga = world.until("s-1", Status::Compensated).await;
    assert_eq!(saga.failure.unwrap().code, "retry-exhausted");
    assert_eq!(world.steps.path("s-1").last().unwrap(), "compensate d.s.one");
}

#[tokio::test(start_paused = true)]
async fn a_failed_compensation_stops_those_behind_it() {
    let world = World::new().await;
    world.steps.on_handle("d.s.three", |_| rejected("no"));
    world.steps.on_compensate("d.s.two", |_| rejected("cannot"));
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::CompensationFailed).await;
    assert!(!saga.ended);
    assert!(!world.steps.path("s-1").contains(&"compensate d.s.one".to_owned()));
    assert_eq!(saga.steps[1].compensate.as_ref().unwrap().state, CallState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_failed_compensation_lets_those_behind_it_go_on_where_the_use_case_says_so() {
    let world = World::new().await;
    world.define("on", &STEPS, |use_case| {
        use_case.policy.on_compensation_failure = OnCompensationFailure::Continue;
    });
    world.steps.on_handle("d.s.three", |_| rejected("no"));
    world.steps.on_compensate("d.s.two", |_| rejected("cannot"));
    world.start("on", "s-1", "0").await;
    let saga = world.until_saga("s-1", |saga| saga.ended).await;
    assert_eq!(saga.status, Status::from(EndStatus::CompensationFailed));
    assert_eq!(world.steps.path("s-1").last().unwrap(), "compensate d.s.one");
    // A person mends the step and tries the one that was given up: those behind it had their turn.
    world.steps.on_compensate("d.s.two", |_| done("2"));
    world.act("s-1", Verb::Retry).await;
    world.until_saga("s-1", |saga| saga.ended && saga.status == Status::Compensated).await;
    assert_eq!(world.steps.path("s-1").last().unwrap(), "compensate d.s.two");
}

#[tokio::test(start_paused = true)]
async fn an_answer_too_large_to_travel_is_a_fault_of_the_step_that_gave_it() {
    let world = World::new().await;
    let log = format!("\"{}\"", "x".repeat(100_000));
    world.steps.on_handle("d.s.two", move |_| done_with("2", &log));
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Failed).await;
    let failure = saga.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.address.as_str()), ("output-limit", "d.s.two"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_turns_the_saga_round() {
    let world = World::new().await;
    world.define("soon", &STEPS, |use_case| use_case.deadline = Some(std::time::Duration::from_secs(5)));
    world.steps.on_handle("d.s.two", |_| wait("never"));
    world.start("soon", "s-1", "0").await;
    let saga = world.until("s-1", Status::Compensated).await;
    assert_eq!(saga.failure.unwrap().code, "deadline");
    assert_eq!(world.steps.path("s-1").last().unwrap(), "compensate d.s.one");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_passes_also_where_nobody_serves_the_next_step() {
    let world = World::new().await;
    let foreign = ["d.s.one", "d.s.foreign", "d.s.three"];
    world.define("soon", &foreign, |use_case| use_case.deadline = Some(std::time::Duration::from_secs(5)));
    world.start("soon", "s-1", "0").await;
    let saga = world.until("s-1", Status::Compensated).await;
    assert_eq!(saga.failure.unwrap().code, "deadline");
    assert_eq!(world.steps.path("s-1"), ["handle d.s.one", "compensate d.s.one"]);
}

//! Goal: technical failures are retried with a budget each of their own, then put before a person; a restart in between
//! loses nothing. Method: scripted answers by attempt, virtual time.

use host_core::outcome::{Answer, Fault, FaultKind};
use host_core::saga::{CallState, Status};
use host_runtime::Effects;

use crate::harness::*;

#[tokio::test(start_paused = true)]
async fn a_step_that_recovers_is_retried_until_it_does() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |call| if call.attempt < 4 { retry("not yet") } else { done("2") });
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Completed).await;
    assert_eq!(saga.steps[1].handle.attempts, 4);
    assert_eq!(saga.steps[2].handle.attempts, 1, "attempts are not copied along");
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_step_stands_before_a_person_with_its_reason() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| retry("the service is down"));
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Failed).await;
    let failure = saga.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.reason.as_str()), ("retry-exhausted", "the service is down"));
    assert_eq!(saga.steps[1].handle.attempts, host_core::retry::RetryPolicy::HANDLE.attempt_count_max);
    assert!(saga.letter.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_plugin_has_a_small_budget_of_its_own() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| Scripted {
        answer: Answer::Fault(Fault { kind: FaultKind::Trap, reason: "index out of bounds".to_owned() }),
        effects: Effects::default(),
        increment: None,
    });
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Failed).await;
    assert_eq!(saga.failure.unwrap().code, "trap");
    assert_eq!(saga.steps[1].handle.attempts, host_core::retry::RetryPolicy::FAULT.attempt_count_max);
}

#[tokio::test(start_paused = true)]
async fn a_retry_survives_a_restart_with_its_count() {
    let mut world = World::new().await;
    world.steps.on_handle("d.s.two", |call| if call.attempt < 3 { outcome_after(3_600) } else { done("2") });
    world.start("trip", "s-1", "0").await;
    world.until_saga("s-1", |saga| saga.steps[1].handle.state == CallState::Retrying).await;
    world.restart().await;
    let saga = world.until("s-1", Status::Completed).await;
    assert_eq!(saga.steps[1].handle.attempts, 3);
}

fn outcome_after(seconds: u64) -> host_core::outcome::Outcome {
    host_core::outcome::Outcome::Retry {
        reason: "later".to_owned(),
        after: Some(std::time::Duration::from_secs(seconds)),
    }
}

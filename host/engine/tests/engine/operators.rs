//! Goal: a person can retry, compensate, skip and close whatever stands, each act recorded once, also across a restart.
//! Method: sagas brought to stand by scripts, then acted on.

use host_core::record::Verb;
use host_core::saga::{CallState, Status};

use crate::harness::*;

async fn failed() -> World {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| retry("down"));
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Failed).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_retry_gives_a_failed_saga_a_fresh_budget() {
    let world = failed().await;
    world.steps.on_handle("d.s.two", |call| done(&call.attempt.to_string()));
    world.act("s-1", Verb::Retry).await;
    let saga = world.until("s-1", Status::Completed).await;
    assert_eq!(saga.actions.len(), 1);
    assert_eq!(saga.actions[0].who, "tester");
    assert_eq!(saga.body.as_str(), "1");
    assert_eq!(saga.failure, None);
}

#[tokio::test(start_paused = true)]
async fn a_retry_survives_a_restart_right_after_it_was_taken() {
    let mut world = failed().await;
    world.steps.on_handle("d.s.two", |_| done("2"));
    world.act("s-1", Verb::Retry).await;
    world.restart().await;
    let saga = world.until("s-1", Status::Completed).await;
    assert_eq!(saga.actions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn compensate_turns_a_failed_saga_round() {
    let world = failed().await;
    world.act("s-1", Verb::Compensate).await;
    let saga = world.until("s-1", Status::Compensated).await;
    assert_eq!(saga.failure.unwrap().code, "operator");
    assert_eq!(world.steps.path("s-1").last().unwrap(), "compensate d.s.one");
}

#[tokio::test(start_paused = true)]
async fn a_skipped_step_is_passed_over_and_not_undone_later() {
    let world = failed().await;
    world.steps.on_handle("d.s.three", |_| rejected("no"));
    world.act("s-1", Verb::Skip).await;
    let saga = world.until("s-1", Status::Compensated).await;
    assert_eq!(saga.steps[1].handle.state, CallState::Skipped);
    assert!(!world.steps.path("s-1").contains(&"compensate d.s.two".to_owned()));
    assert_eq!(world.steps.path("s-1").last().unwrap(), "compensate d.s.one");
}

#[tokio::test(start_paused = true)]
async fn close_ends_a_saga_as_it_is() {
    let world = failed().await;
    world.act("s-1", Verb::Close).await;
    let saga = world.until("s-1", Status::Closed).await;
    assert!(saga.ended);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_saga_can_be_compensated() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| wait("never"));
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Waiting).await;
    world.act("s-1", Verb::Compensate).await;
    world.until("s-1", Status::Compensated).await;
}

#[tokio::test(start_paused = true)]
async fn a_saga_at_a_step_that_nobody_serves_can_be_skipped_on() {
    let world = World::new().await;
    world.define("mixed", &["d.s.one", "d.s.foreign", "d.s.three"], |_| {});
    world.start("mixed", "s-1", "0").await;
    world.until_saga("s-1", |saga| saga.at.0.0 == 1).await;
    world.act("s-1", Verb::Skip).await;
    world.until("s-1", Status::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_compensation_is_retried_and_the_saga_ends_compensated() {
    let world = World::new().await;
    world.steps.on_handle("d.s.three", |_| rejected("no"));
    world.steps.on_compensate("d.s.two", |_| rejected("cannot"));
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::CompensationFailed).await;
    world.steps.on_compensate("d.s.two", |_| done("2"));
    world.act("s-1", Verb::Retry).await;
    world.until("s-1", Status::Compensated).await;
    assert_eq!(world.steps.path("s-1").last().unwrap(), "compensate d.s.one");
}

#[tokio::test(start_paused = true)]
async fn an_act_on_a_saga_that_is_over_is_refused_with_what_is_possible() {
    let world = World::new().await;
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Completed).await;
    for verb in [Verb::Retry, Verb::Compensate, Verb::Skip, Verb::Close] {
        let global_id = host_core::id::GlobalId::try_new("s-1").unwrap();
        let refused = world.engine().act(global_id, verb, "tester".to_owned(), None).await.unwrap_err();
        assert!(refused.to_string().contains("completed"), "{refused}");
    }
}

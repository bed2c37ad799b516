//! Goal: a machine's clock that jumps by an hour loses nothing, holds nothing up, and ends nothing before its time when
//! it goes back. Method: a wall clock that jumps on request over the host's own steadied clock, virtual time.

use std::time::Duration;

use host_core::outcome::Outcome;
use host_core::saga::Status;

use crate::harness::*;

const HOUR: i64 = 3600;

#[tokio::test(start_paused = true)]
async fn a_retry_comes_in_its_time_although_the_clock_went_back() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |call| if call.attempt < 6 { retry("not yet") } else { done("2") });
    world.start("trip", "s-1", "0").await;
    world.until_saga("s-1", |saga| saga.steps[1].handle.attempts >= 2).await;
    let begun = tokio::time::Instant::now();
    world.clock.jump_to(-HOUR);
    world.until("s-1", Status::Completed).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_its_time_although_the_clock_went_back() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| wait("customer/42"));
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Waiting).await;
    assert!(saga.waiting.is_some());
    let begun = tokio::time::Instant::now();
    world.clock.jump_to(-HOUR);
    let saga = world.until("s-1", Status::Compensated).await;
    assert_eq!(saga.failure.unwrap().code, "wait-timeout");
    let day = Duration::from_secs(24 * 3600);
    assert!(begun.elapsed() > day - Duration::from_secs(60), "not before its time: {:?}", begun.elapsed());
    assert!(begun.elapsed() < day + Duration::from_secs(2 * 3600), "an hour is made good: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_passes_at_once_when_the_clock_goes_ahead() {
    let world = World::new().await;
    world.define("soon", &STEPS, |use_case| use_case.deadline = Some(Duration::from_secs(600)));
    // Due again long after the deadline: its attempts cannot be used up before the clock jumps.
    let later = Duration::from_secs(2 * 3600);
    world.steps.on_handle("d.s.two", move |_| Outcome::Retry { reason: "not yet".to_owned(), after: Some(later) });
    world.start("soon", "s-1", "0").await;
    world.until_saga("s-1", |saga| saga.steps[1].handle.attempts >= 1).await;
    let begun = tokio::time::Instant::now();
    world.clock.jump_to(HOUR);
    let saga = world.until("s-1", Status::Compensated).await;
    assert_eq!(saga.failure.unwrap().code, "deadline");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn sagas_of_every_kind_end_while_the_clock_jumps_back_and_forth() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |call| match call.attempt {
        1 | 2 => retry("not yet"),
        _ => done("2"),
    });
    for number in 0..24_i64 {
        world.clock.jump_to([0, HOUR, 0, -HOUR][number as usize % 4]);
        world.start("trip", &format!("s-{number}"), "0").await;
        tokio::time::sleep(Duration::from_millis(137)).await;
    }
    world.clock.jump_to(0);
    for number in 0..24 {
        world.until(&format!("s-{number}"), Status::Completed).await;
    }
    let calls = world.steps.path("s-7").iter().filter(|call| *call == "handle d.s.three").count();
    assert_eq!(calls, 1);
}

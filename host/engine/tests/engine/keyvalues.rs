//! Goal: key-value writes are applied once with the answer, and no concurrent call's write is lost.
//! Method: many sagas increment one counter through a read and a write with a yield between them.

use host_core::manifest::{Grant, Manifest};
use host_core::outcome::Answer;
use host_core::saga::Status;
use host_runtime::Effects;

use crate::harness::*;

fn counting(answer: host_core::outcome::Outcome) -> Scripted {
    Scripted { answer: Answer::Outcome(answer), effects: Effects::default(), increment: Some("count") }
}

async fn world_with_counter() -> World {
    let world = World::new().await;
    world.steps.serve_with(Manifest { grants: vec![Grant::KeyValue], ..Manifest::of(address("d.s.two")) });
    world
}

#[tokio::test(start_paused = true)]
async fn no_increment_is_lost_between_concurrent_calls() {
    let world = world_with_counter().await;
    world.steps.on_handle("d.s.two", |_| counting(done("2")));
    for number in 0..200 {
        world.start("trip", &format!("s-{number}"), "0").await;
    }
    for number in 0..200 {
        world.until(&format!("s-{number}"), Status::Completed).await;
    }
    assert_eq!(world.value("d.s.two", "count").await.as_deref(), Some("200"));
    assert!(world.engine().metrics().conflicts.get() > 0, "the test must have raced");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_a_retry_leave_no_write() {
    let world = world_with_counter().await;
    world.steps.on_handle("d.s.two", |call| {
        if call.attempt < 3 { counting(retry("again")) } else { counting(rejected("no")) }
    });
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Compensated).await;
    assert_eq!(world.value("d.s.two", "count").await, None);
}

//! Goal: a message that waits shows why, is released once by its signal, early signals count, and waits end in time.
//! Method: a step that waits until it was signalled.

use host_core::saga::Status;
use host_runtime::Call;

use crate::harness::*;

fn until_signalled(call: &Call) -> host_core::outcome::Outcome {
    if call.signalled.is_some() { done("\"paid\"") } else { wait("customer/42") }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_saga_shows_its_key_and_goes_on_when_it_is_signalled() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", until_signalled);
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Waiting).await;
    let waiting = saga.waiting.unwrap();
    assert_eq!((waiting.key.as_str(), waiting.reason.as_str()), ("customer/42", "customer/42 is not there"));
    world.signal("customer/42").await;
    world.until("s-1", Status::Completed).await;
    let path = world.steps.path("s-1");
    assert_eq!(path.iter().filter(|call| *call == "handle d.s.two").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_came_first_is_remembered() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", until_signalled);
    world.signal("customer/42").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn one_remembered_signal_does_not_release_the_same_message_for_ever() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| wait("customer/42"));
    world.signal("customer/42").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    world.start("trip", "s-1", "0").await;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let saga = world.until("s-1", Status::Waiting).await;
    assert!(!saga.ended);
    let calls = world.steps.path("s-1").iter().filter(|call| *call == "handle d.s.two").count();
    assert_eq!(calls, 2, "once at first, once for the signal");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_nobody_ends_is_refused_in_time() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| wait("customer/42"));
    world.start("trip", "s-1", "0").await;
    let saga = world.until("s-1", Status::Compensated).await;
    let failure = saga.failure.unwrap();
    assert_eq!(failure.code, "wait-timeout");
    assert!(failure.reason.contains("customer/42"), "{}", failure.reason);
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_a_restart() {
    let mut world = World::new().await;
    world.steps.on_handle("d.s.two", until_signalled);
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Waiting).await;
    world.restart().await;
    world.signal("customer/42").await;
    world.until("s-1", Status::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn one_signal_releases_everyone_who_waits() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", until_signalled);
    for number in 0..600 {
        world.start("trip", &format!("s-{number}"), "0").await;
    }
    for number in 0..600 {
        world.until(&format!("s-{number}"), Status::Waiting).await;
    }
    world.signal("customer/42").await;
    for number in 0..600 {
        world.until(&format!("s-{number}"), Status::Completed).await;
    }
}

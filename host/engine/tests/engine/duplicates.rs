//! Goal: what comes twice, late, broken or from outside has its effect once or none, and is visible.
//! Method: foreign messages published beside the saga's own.

use host_broker::Broker as _;
use host_core::id::TopicName;
use host_core::saga::Status;
use host_core::table::{Batch, Durability, Table, Tables as _};
use host_core::unit::Offset;

use crate::harness::*;

const MINIMAL: &str = r#"{"meta":{"global-id":"f-1","steps":["d.s.one","d.s.two","d.s.three"]},"body":{"a":1}}"#;

#[tokio::test(start_paused = true)]
async fn a_foreign_producer_starts_a_saga_with_the_minimal_form() {
    let world = World::new().await;
    world.publish("d.s.one.in", MINIMAL).await;
    let saga = world.until("f-1", Status::Completed).await;
    assert_eq!(saga.use_case, None);
    assert_eq!(saga.body.as_str(), r#"{"a":1}"#);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_message_that_comes_twice_runs_once() {
    let world = World::new().await;
    world.publish("d.s.one.in", MINIMAL).await;
    world.publish("d.s.one.in", MINIMAL).await;
    world.until("f-1", Status::Completed).await;
    world.publish("d.s.one.in", MINIMAL).await;
    world.until_saga("f-1", |saga| saga.ended).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.steps.path("f-1").len(), 3);
    assert!(world.events("f-1").await.contains(&"late-dropped"));
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_saga_cannot_be_read_is_put_aside_and_its_topic_goes_on() {
    let world = World::new().await;
    let mut damage = Batch::default();
    damage.put(Table::Journal, b"f-1\0\0\0\0\0\0\0\0\x01".to_vec(), b"no record".to_vec());
    world.tables.write(damage, Durability::Synced).unwrap();
    world.publish("d.s.one.in", MINIMAL).await;
    // It has the same key, so it comes only when the one before it is settled.
    world.publish("d.s.one.in", &MINIMAL.replace("f-1", "f-2")).await;
    world.until("f-2", Status::Completed).await;
    assert!(world.steps.path("f-1").is_empty());
    let aside = world.journal("undecodable:d.s.one.in:0:0").await;
    let (_, reason) = aside.first().unwrap().event.cause();
    assert!(reason.is_some_and(|reason| reason.contains("saga f-1") && reason.contains("corrupt")), "{aside:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_global_id_starts_one_saga() {
    let world = World::new().await;
    assert!(!world.start("trip", "s-1", "0").await.existed);
    assert!(world.start("trip", "s-1", "1").await.existed);
    let saga = world.until("s-1", Status::Completed).await;
    assert_eq!(saga.body.as_str(), "0");
    assert!(world.start("trip", "s-1", "0").await.existed);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_for_a_saga_that_never_was_is_answered_without_the_plugin() {
    let world = World::new().await;
    let message = r#"{"meta":{"global-id":"f-2","steps":["d.s.two","d.s.one"]},"body":null}"#;
    world.publish("d.s.one.compensate", message).await;
    let saga = world.until_saga("f-2", |saga| saga.ended).await;
    assert_eq!(saga.status, Status::Compensated);
    assert!(world.steps.path("f-2").is_empty());
    assert!(world.events("f-2").await.contains(&"not-run"));
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_comes_after_its_compensation_is_dropped_with_a_record() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| rejected("no"));
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Compensated).await;
    let late = r#"{"meta":{"global-id":"s-1","steps":["d.s.one","d.s.two","d.s.three"],"position":2},"body":0}"#;
    world.publish("d.s.three.in", late).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert!(!world.steps.path("s-1").contains(&"handle d.s.three".to_owned()));
    assert_eq!(world.events("s-1").await.last(), Some(&"late-dropped"));
    assert_eq!(world.saga("s-1").await.unwrap().status, Status::Compensated);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_service_owns_a_step_in_the_middle() {
    let world = World::new().await;
    world.define("mixed", &["d.s.one", "d.s.foreign", "d.s.three"], |_| {});
    world.start("mixed", "s-1", "0").await;
    let saga = world.until_saga("s-1", |saga| saga.at.0.0 == 1).await;
    assert_eq!(saga.status, Status::Running);
    let on = r#"{"meta":{"global-id":"s-1","steps":["d.s.one","d.s.foreign","d.s.three"],"position":2},"body":7}"#;
    world.publish("d.s.three.in", on).await;
    let saga = world.until("s-1", Status::Completed).await;
    assert_eq!(saga.body.as_str(), "7");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_put_aside_and_the_next_one_runs() {
    let world = World::new().await;
    world.publish("d.s.one.in", "{ not json").await;
    world.publish("d.s.one.in", MINIMAL).await;
    world.until("f-1", Status::Completed).await;
    let aside = world.until("undecodable:d.s.one.in:0:0", Status::Failed).await;
    assert_eq!(aside.failure.unwrap().code, "undecodable");
    let errors = TopicName::try_new("d.s.one.error").unwrap();
    let letters = world.host().broker.browse(&errors, Offset(0), 10).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("one letter: {letters:?}") };
    assert_eq!(letter.message.payload.encode(), "{ not json", "byte for byte");
}

#[tokio::test(start_paused = true)]
async fn messages_wait_while_their_step_is_not_served() {
    let world = World::new().await;
    world.steps.withdraw("d.s.two");
    world.start("trip", "s-1", "0").await;
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(world.saga("s-1").await.unwrap().status, Status::Running);
    world.steps.serve(&["d.s.two"]);
    world.until("s-1", Status::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_from_outside_does_not_fork_a_saga_that_stands_before_a_person() {
    let world = World::new().await;
    world.steps.on_handle("d.s.two", |_| retry("down"));
    world.start("trip", "s-1", "0").await;
    world.until("s-1", Status::Failed).await;
    let past = r#"{"meta":{"global-id":"s-1","steps":["d.s.one","d.s.two","d.s.three"],"position":2},"body":7}"#;
    world.publish("d.s.three.in", past).await;
    world.until_saga("s-1", |_| true).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.events("s-1").await.last(), Some(&"late-dropped"));
    assert_eq!(world.saga("s-1").await.unwrap().status, Status::Failed);
    assert!(!world.steps.path("s-1").contains(&"handle d.s.three".to_owned()));
}

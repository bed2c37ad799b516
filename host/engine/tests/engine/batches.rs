//! Goal: what is committed at once stays within its bound, and nothing is lost to it. Method: a burst from outside that
//! is far larger than the bound, and the batches as a follower of the journal sees them.

use host_core::saga::Status;
use host_engine::commit::Commit as _;

use crate::harness::*;

const SAGAS: usize = 100;

/// The largest batch of a burst, in calls.
async fn largest_batch(batch_units_max: usize) -> usize {
    let mut world = World::stopped();
    world.batch_units_max = batch_units_max;
    world.steps.serve(&STEPS);
    world.start_host().await;
    let mut batches = world.host().joint.follow();
    let minimal = |number| {
        let text = r#"{"meta":{"global-id":"f-0","steps":["d.s.one","d.s.two","d.s.three"]},"body":{}}"#;
        text.replace("f-0", &format!("f-{number}"))
    };
    let publishes = (0..SAGAS).map(|number| {
        let (world, text) = (&world, minimal(number));
        async move { world.publish("d.s.one.in", &text).await }
    });
    futures_util::future::join_all(publishes).await;
    for number in 0..SAGAS {
        world.until(&format!("f-{number}"), Status::Completed).await;
    }
    let mut largest = 0;
    while let Ok(batch) = batches.try_recv() {
        largest = largest.max(batch.records.iter().filter(|record| record.event.as_str() == "done").count());
    }
    largest
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_committed_in_batches_of_the_bound() {
    assert_eq!(largest_batch(3).await, 3);
    assert!(largest_batch(host_engine::limits::OPEN_UNITS_DEFAULT).await > 3, "it is the bound that did it");
}

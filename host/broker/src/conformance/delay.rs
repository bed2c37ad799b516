//! Delivery at a due time: not before, not much later, in the order of due times, and through crashes.

use std::time::Duration;

use host_core::unit::Unit;

use super::Subject;
use super::subject::{Case, delays, message, queue, text};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub async fn delayed_messages_come_when_they_are_due<S: Subject>(subject: &mut S) {
    let mut case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for (key, delay) in [("b", 200), ("a", 100), ("c", 300), ("now", 0)] {
        case.publish_after(&queue(), key, key, ms(delay)).await;
    }
    case.expect(&mut consumer, "now").await;
    case.expect_nothing(&mut consumer).await;
    assert_eq!(case.state(&queue()).await.delayed_count, 3);
    for key in ["a", "b", "c"] {
        case = after(case, 99).await;
        case.expect_nothing(&mut consumer).await;
        case = after(case, 1).await;
        case.expect(&mut consumer, key).await;
        case.expect_nothing(&mut consumer).await;
    }
    assert_eq!(case.state(&queue()).await.delayed_count, 0);
}

async fn after<S: Subject>(case: Case<'_, S>, span: u64) -> Case<'_, S> {
    case.subject.advance(ms(span)).await;
    case
}

pub async fn messages_due_together_come_in_the_order_of_publishing<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for number in 0..50 {
        case.publish_after(&queue(), "k", &number.to_string(), ms(10)).await;
        if number % 20 == 0 {
            case.subject.sync().await;
        }
    }
    let case = after(case, 10).await;
    let expected: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(case.drain(&mut consumer).await, expected);
}

pub async fn delayed_messages_survive_a_crash_once_synced<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    case.publish_after(&queue(), "kept", "kept", ms(100)).await;
    case.publish_after(&queue(), "moved", "moved", ms(10)).await;
    case.subject.sync().await;
    case.publish_after(&queue(), "lost", "lost", ms(100)).await;
    // Moved, but the move is not safe: it is made again.
    let case = after(case, 10).await;
    case.subject.crash().await;
    let mut consumer = case.subscribe(&queue(), 100).await;
    let case = after(case, 0).await;
    let moved = case.expect(&mut consumer, "moved").await;
    case.acknowledge(moved).await;
    case.expect_nothing(&mut consumer).await;
    assert_eq!(case.state(&queue()).await.delayed_count, 1);
    let case = after(case, 90).await;
    let kept = case.expect(&mut consumer, "kept").await;
    case.acknowledge(kept).await;
    case.expect_nothing(&mut consumer).await;
    case.subject.sync().await;
    case.expect_rows(0);
    drop(consumer);
    case.subject.crash().await;
    let mut consumer = case.subscribe(&queue(), 100).await;
    let case = after(case, 1000).await;
    case.expect_nothing(&mut consumer).await;
}

pub async fn a_retry_takes_its_turn_again_and_again<S: Subject>(subject: &mut S) {
    let mut case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 1).await;
    case.publish(&queue(), "k", "0").await;
    for attempt in 1..30u64 {
        let delivery = case.next(&mut consumer).await;
        let due = case.subject.now().plus(ms(attempt % 3));
        let again = delays(message(&queue(), "k", &attempt.to_string()), due);
        case.subject.commit(Unit { ack: Some(delivery.ack), ..again }).await;
        if attempt % 4 == 0 {
            case.subject.sync().await;
        }
        case = after(case, attempt % 3).await;
    }
    let last = case.expect(&mut consumer, "29").await;
    case.acknowledge(last).await;
    case.subject.sync().await;
    case.expect_rows(0);
}

pub async fn many_delayed_messages_come_in_order<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    // In no order, more than memory takes, some of them never written before they are due.
    const COUNT: u64 = 10_000;
    for number in 0..COUNT {
        let delay = (number * 7919) % COUNT;
        case.publish_after(&queue(), &delay.to_string(), &delay.to_string(), ms(delay + 1)).await;
        if number % 1111 == 0 {
            case.subject.sync().await;
        }
    }
    assert_eq!(case.state(&queue()).await.delayed_count, COUNT);
    let mut consumer = case.subscribe(&queue(), 100).await;
    let mut case = after(case, 0).await;
    let mut expected = 0;
    while expected < COUNT {
        case = after(case, 100).await;
        for _ in 0..100 {
            let delivery = case.next(&mut consumer).await;
            assert_eq!(text(&delivery.message), expected.to_string());
            expected += 1;
            case.acknowledge(delivery).await;
        }
        case.expect_nothing(&mut consumer).await;
        if expected % 700 == 0 {
            case.subject.sync().await;
        }
    }
    case.subject.sync().await;
    case.expect_rows(0);
}

pub async fn a_due_time_in_the_past_is_now<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let case = after(case, 5).await;
    let mut consumer = case.subscribe(&queue(), 1).await;
    let unit = delays(message(&queue(), "k", "x"), host_core::time::Timestamp::MIN);
    case.subject.commit(unit).await;
    case.expect(&mut consumer, "x").await;
}

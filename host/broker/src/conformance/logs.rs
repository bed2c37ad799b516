//! Logs: every group gets everything, keeps its own position, and the log forgets by age and by size only.

use std::time::Duration;

use host_core::unit::Offset;

use super::Subject;
use super::subject::{Case, SHORT_LOG, SHORT_LOG_AGE_MAX, SHORT_LOG_BYTES_MAX, log, text, topic};

fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| number.to_string()).collect()
}

pub async fn each_group_gets_every_message<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut first = case.subscribe_as("first", &log(), 100).await;
    for number in 0..10 {
        case.publish(&log(), &number.to_string(), &number.to_string()).await;
    }
    assert_eq!(case.drain(&mut first).await, numbers(0, 10));
    // One that comes later begins at the beginning, whether the log is written yet or not.
    let mut second = case.subscribe_as("second", &log(), 100).await;
    assert_eq!(case.drain(&mut second).await, numbers(0, 10));
    case.subject.sync().await;
    let mut third = case.subscribe_as("third", &log(), 100).await;
    case.publish(&log(), "10", "10").await;
    assert_eq!(case.drain(&mut third).await, numbers(0, 11));
    assert_eq!(case.drain(&mut first).await, numbers(10, 11));
    assert_eq!(case.drain(&mut second).await, numbers(10, 11));
    assert_eq!(case.browse_texts(&log()).await, numbers(0, 11), "an acknowledged message is kept");
}

pub async fn positions_survive_a_crash<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut fast = case.subscribe_as("fast", &log(), 100).await;
    let mut slow = case.subscribe_as("slow", &log(), 100).await;
    for number in 0..20 {
        case.publish(&log(), &number.to_string(), &number.to_string()).await;
    }
    assert_eq!(case.drain(&mut fast).await.len(), 20);
    // Out of order, with holes.
    for number in 0..20 {
        let delivery = case.next(&mut slow).await;
        if [0, 1, 5, 6, 9].contains(&number) {
            case.acknowledge(delivery).await;
        }
    }
    let state = case.state(&log()).await;
    let lags: Vec<_> = state.consumers.iter().map(|consumer| (consumer.group.as_str(), consumer.lag)).collect();
    assert_eq!(lags, [("fast", 0), ("slow", 15)]);
    case.subject.sync().await;
    drop((fast, slow));
    case.subject.crash().await;
    let mut fast = case.subscribe_as("fast", &log(), 100).await;
    case.expect_nothing(&mut fast).await;
    let mut slow = case.subscribe_as("slow", &log(), 100).await;
    case.publish(&log(), "20", "20").await;
    let expected: Vec<_> = [2, 3, 4, 7, 8].into_iter().chain(10..21).map(|number: i32| number.to_string()).collect();
    assert_eq!(case.drain(&mut slow).await, expected, "nothing that was acknowledged comes again");
    assert_eq!(case.drain(&mut fast).await, ["20"]);
    case.subject.sync().await;
    drop((fast, slow));
    case.subject.crash().await;
    for group in ["fast", "slow"] {
        let mut consumer = case.subscribe_as(group, &log(), 100).await;
        case.expect_nothing(&mut consumer).await;
    }
    assert_eq!(case.state(&log()).await.message_count, 21);
}

pub async fn a_position_that_was_not_synced_goes_back<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    for number in 0..5 {
        case.publish(&log(), "k", &number.to_string()).await;
    }
    case.subject.sync().await;
    let mut consumer = case.subscribe_as("readers", &log(), 1).await;
    assert_eq!(case.drain(&mut consumer).await, numbers(0, 5));
    drop(consumer);
    case.subject.crash().await;
    let mut consumer = case.subscribe_as("readers", &log(), 1).await;
    assert_eq!(case.drain(&mut consumer).await, numbers(0, 5));
}

pub async fn a_log_longer_than_memory_is_read_by_all<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut early = case.subscribe_as("early", &log(), 10).await;
    let mut seen = Vec::new();
    for number in 0..5000 {
        case.publish(&log(), &(number % 7).to_string(), &number.to_string()).await;
        if number % 3 == 0 {
            let delivery = case.next(&mut early).await;
            seen.push(text(&delivery.message));
            case.acknowledge(delivery).await;
        }
        if number % 600 == 0 {
            case.subject.sync().await;
        }
    }
    seen.extend(case.drain(&mut early).await);
    assert_eq!(seen, numbers(0, 5000));
    let mut late = case.subscribe_as("late", &log(), 10).await;
    assert_eq!(case.drain(&mut late).await, numbers(0, 5000));
}

pub async fn a_reader_that_leaves_finds_its_place_again<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe_as("readers", &log(), 10).await;
    for number in 0..20 {
        case.publish(&log(), &number.to_string(), &number.to_string()).await;
    }
    let mut out = Vec::new();
    for _ in 0..6 {
        out.push(case.next(&mut consumer).await);
    }
    drop(consumer);
    for delivery in out.drain(2..4) {
        case.acknowledge(delivery).await;
    }
    out.into_iter().for_each(|delivery| case.subject.broker().release(delivery.ack));
    let mut consumer = case.subscribe_as("readers", &log(), 10).await;
    let expected: Vec<_> = [0, 1, 4, 5].into_iter().chain(6..20).map(|number: i32| number.to_string()).collect();
    assert_eq!(case.drain(&mut consumer).await, expected);
}

pub async fn a_log_forgets_what_is_too_old<S: Subject>(subject: &mut S) {
    let log = topic(SHORT_LOG);
    let case = Case { subject };
    for number in 0..10 {
        case.publish(&log, "k", &number.to_string()).await;
        case.subject.sync().await;
        case.subject.advance(SHORT_LOG_AGE_MAX / 10).await;
    }
    // The first is now as old as allowed.
    assert_eq!(retain(&case).await, 1);
    assert_eq!(case.browse_texts(&log).await, numbers(1, 10));
    assert_eq!(retain(&case).await, 0);
    case.subject.advance(SHORT_LOG_AGE_MAX / 2).await;
    assert_eq!(retain(&case).await, 5);
    let state = case.state(&log).await;
    assert_eq!(state.message_count, 4);
    assert!(state.oldest_at.is_some_and(|at| case.subject.now().since(at) < SHORT_LOG_AGE_MAX));
    // It stays so, and a reader finds what is left.
    case.subject.sync().await;
    case.subject.crash().await;
    assert_eq!(case.state(&log).await.message_count, 4);
    let mut consumer = case.subscribe_as("readers", &log, 1).await;
    assert_eq!(case.drain(&mut consumer).await, numbers(6, 10));
    // An empty log goes on where it was.
    let last = case.browse(&log, Offset(0), 10).await.last().map(|browsed| browsed.offset);
    case.subject.advance(SHORT_LOG_AGE_MAX).await;
    assert_eq!(retain(&case).await, 4);
    drop(consumer);
    case.subject.sync().await;
    case.subject.crash().await;
    case.publish(&log, "k", "10").await;
    let mut consumer = case.subscribe_as("readers", &log, 1).await;
    assert_eq!(case.drain(&mut consumer).await, ["10"]);
    let offsets: Vec<_> = case.browse(&log, Offset(0), 10).await.iter().map(|browsed| browsed.offset).collect();
    assert!(offsets.len() == 1 && offsets.first() > last.as_ref(), "{offsets:?} come after {last:?}");
}

pub async fn a_log_forgets_the_oldest_when_it_is_too_large<S: Subject>(subject: &mut S) {
    let log = topic(SHORT_LOG);
    let case = Case { subject };
    let kilobyte = "x".repeat(1024);
    for number in 0..300 {
        case.publish(&log, "k", &format!("{number} {kilobyte}")).await;
    }
    case.subject.sync().await;
    let mut removed = 0;
    loop {
        match retain(&case).await {
            0 => break,
            count => removed += count,
        }
    }
    let left = case.browse(&log, Offset(0), usize::MAX).await;
    assert_eq!(left.len() + removed, 300);
    let bytes: u64 = left.iter().map(|browsed| browsed.message.payload.encode().len() as u64).sum();
    assert!(bytes <= SHORT_LOG_BYTES_MAX && bytes > SHORT_LOG_BYTES_MAX * 3 / 4, "{bytes} bytes are left");
    assert!(text(&left[0].message).starts_with(&format!("{removed} ")), "the oldest went first");
    assert_eq!(case.state(&log).await.message_count, left.len() as u64);
}

pub async fn retention_spares_work_that_waits<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    case.publish(&super::subject::queue(), "k", "x").await;
    case.subject.sync().await;
    case.subject.advance(Duration::from_secs(10 * 365 * 24 * 3600)).await;
    assert_eq!(retain(&case).await, 0);
    let mut consumer = case.subscribe(&super::subject::queue(), 1).await;
    case.expect(&mut consumer, "x").await;
}

async fn retain<S: Subject>(case: &Case<'_, S>) -> usize {
    case.subject.broker().retain(case.subject.now()).await.expect("retention can run")
}

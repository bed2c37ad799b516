//! What survives a crash, and what must not: a message comes again until its acknowledgement survives, then never.

use std::collections::BTreeSet;

use host_core::unit::Unit;

use super::Subject;
use super::subject::{Case, message, publishes, queue, text, topic};

pub async fn a_crash_redelivers_what_was_not_acknowledged<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for text in ["1", "2", "3", "4"] {
        case.publish(&queue(), text, text).await;
    }
    let first = case.expect(&mut consumer, "1").await;
    let _lost = case.expect(&mut consumer, "2").await;
    let third = case.expect(&mut consumer, "3").await;
    case.acknowledge(first).await;
    case.acknowledge(third).await;
    case.subject.sync().await;
    drop(consumer);
    case.subject.crash().await;
    let mut consumer = case.subscribe(&queue(), 100).await;
    let second = case.expect(&mut consumer, "2").await;
    assert!(second.redelivered, "it may have been delivered before");
    let fourth = case.expect(&mut consumer, "4").await;
    case.expect_nothing(&mut consumer).await;
    case.acknowledge(second).await;
    case.acknowledge(fourth).await;
    case.expect_nothing(&mut consumer).await;
}

pub async fn what_was_acknowledged_never_comes_again<S: Subject>(subject: &mut S) {
    let mut case = Case { subject };
    for round in 0..5 {
        let mut consumer = case.subscribe(&queue(), 100).await;
        for index in 0..30 {
            let name = format!("{round}/{index}");
            case.publish(&queue(), &name, &name).await;
            if index % 7 == 0 {
                case.subject.sync().await;
            }
        }
        assert_eq!(case.drain(&mut consumer).await.len(), 30, "round {round} sees its own messages only");
        case.subject.sync().await;
        drop(consumer);
        case = {
            case.subject.crash().await;
            case
        };
    }
    case.expect_rows(0);
}

pub async fn what_was_not_synced_is_lost_as_a_whole<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    case.publish(&queue(), "k", "question").await;
    case.subject.sync().await;
    let mut consumer = case.subscribe(&queue(), 100).await;
    let delivery = case.expect(&mut consumer, "question").await;
    let other = topic("conformance.suite.other.in");
    let unit = Unit { ack: Some(delivery.ack), ..publishes([message(&other, "k", "answer")]) };
    case.subject.commit(unit).await;
    // The answer is seen before it is safe, and consumed in the same unsynced tail.
    let mut others = case.subscribe(&other, 100).await;
    let answer = case.expect(&mut others, "answer").await;
    case.acknowledge(answer).await;
    drop((consumer, others));
    case.subject.crash().await;
    let mut consumer = case.subscribe(&queue(), 100).await;
    let mut others = case.subscribe(&other, 100).await;
    case.expect_nothing(&mut others).await;
    case.expect(&mut consumer, "question").await;
    case.expect_rows(1);
}

pub async fn what_comes_and_goes_leaves_nothing<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    // Within one tail, and across syncs.
    case.publish(&queue(), "a", "a").await;
    case.publish(&queue(), "b", "b").await;
    let a = case.expect(&mut consumer, "a").await;
    case.acknowledge(a).await;
    case.subject.sync().await;
    case.expect_rows(1);
    let b = case.expect(&mut consumer, "b").await;
    case.acknowledge(b).await;
    case.subject.sync().await;
    case.expect_rows(0);
    let state = case.state(&queue()).await;
    assert_eq!((state.message_count, state.oldest_at), (0, None));
}

pub async fn counts_survive_a_crash<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    for index in 0..200 {
        case.publish(&queue(), &index.to_string(), "x").await;
        if index % 17 == 0 {
            case.subject.sync().await;
        }
    }
    let mut consumer = case.subscribe(&queue(), 200).await;
    for _ in 0..50 {
        let delivery = case.next(&mut consumer).await;
        case.acknowledge(delivery).await;
    }
    case.subject.sync().await;
    // Lost with the crash:
    case.publish(&queue(), "late", "x").await;
    assert_eq!(case.state(&queue()).await.message_count, 151);
    drop(consumer);
    case.subject.crash().await;
    let state = case.state(&queue()).await;
    assert_eq!(state.message_count, 150);
    let mut consumer = case.subscribe(&queue(), 200).await;
    let mut keys = BTreeSet::new();
    for _ in 0..150 {
        keys.insert(case.next(&mut consumer).await.message.key);
    }
    case.expect_nothing(&mut consumer).await;
    assert_eq!(keys.len(), 150, "each message came once");
}

pub async fn a_group_that_returns_after_a_crash_keeps_the_order_of_keys<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    for index in 0..60 {
        case.publish(&queue(), ["a", "b", "c"][index % 3], &index.to_string()).await;
    }
    case.subject.sync().await;
    case.subject.crash().await;
    for index in 60..90 {
        case.publish(&queue(), ["a", "b", "c"][index % 3], &index.to_string()).await;
    }
    let mut consumer = case.subscribe(&queue(), 100).await;
    let mut last = [None::<usize>; 3];
    for _ in 0..90 {
        let delivery = case.next(&mut consumer).await;
        let number: usize = text(&delivery.message).parse().expect("the case wrote numbers");
        assert!(last[number % 3].replace(number) < Some(number), "key of {number} is out of order");
        case.acknowledge(delivery).await;
    }
}
